# SPDX-License-Identifier: Apache-2.0
"""What runs inside the sandbox: decode the series on demand, run the application, encode."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from healthvision.clinical.study import SeriesHeader, SeriesImage
from healthvision.domains.analysis.codec import encode, encode_slices
from healthvision.domains.modelhub.ports import Application, Context, Material, StudyInput
from healthvision.formats.dicom.errors import DicomRefused
from healthvision.formats.dicom.series import assemble
from healthvision.kernel.plugins import imported
from healthvision.kernel.sandbox_child import SandboxFiles, SandboxOut

TARGET = "healthvision.domains.analysis.child:run"
HEADERS = TypeAdapter(list[SeriesHeader])


def run(request: Any, files: SandboxFiles, out: SandboxOut) -> Any:
    """Run one application (``sandbox_child.Target``).

    ``request``: {application: 'module:attribute', seed, parameters, infer: whether
    there are engines to ask, series: [SeriesHeader],
    files: {series uid: [file index]}, material: of a described model {description, engine,
    files: {name: file index}} or None}. Answer: {output, slices: {series uid: [slice]}}.
    """
    headers = HEADERS.validate_python(request["series"])
    loaded: dict[str, SeriesImage] = {}

    def load(series_uid: str) -> SeriesImage:
        if series_uid not in request["files"]:
            raise ValueError("no such series in this study")
        if series_uid not in loaded:
            loaded.clear()  # one volume in memory at a time
            indexes = request["files"][series_uid]
            try:
                loaded[series_uid] = assemble([_reader(files, i) for i in indexes])
            except DicomRefused as refused:
                raise ValueError(refused.detail) from None
            slices[series_uid] = encode_slices(loaded[series_uid].slices)
        return loaded[series_uid]

    slices: dict[str, Any] = {}
    application = _application(request, files)
    context = Context(
        seed=request["seed"],
        progress=out.progress,
        parameters=request["parameters"],
        infer=out.ask if request["infer"] else None,
    )
    output = application.run(StudyInput(headers, load), context)
    return {"output": encode(output, out.array), "slices": slices}


def _reader(files: SandboxFiles, index: int) -> Callable[[], bytes]:
    return lambda: files.read(index)


def _application(request: Any, files: SandboxFiles) -> Application:
    """Import the application, or have it made from its description."""
    found = imported(request["application"])
    if request["material"] is not None:
        found = found(_material(request["material"], files))
    application: Application = found
    return application


def _material(said: Any, files: SandboxFiles) -> Material:
    return Material(said["description"], said["engine"], lambda n: files.read(said["files"][n]))
