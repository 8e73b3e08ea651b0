# SPDX-License-Identifier: Apache-2.0
"""Everything written about one result: DICOM objects, pictures and reports, with their digests."""

import hashlib
import io
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from healthvision.clinical.result import OutputRef, Result
from healthvision.clinical.study import KeyImage
from healthvision.domains.analysis.inputs import SourceObject
from healthvision.domains.analysis.runner import RunOutcome
from healthvision.formats.dicom.outputs import OutputObject, OutputSources, write_outputs
from healthvision.formats.reports.html import render_html
from healthvision.formats.reports.pdf import render_pdf
from healthvision.formats.reports.words import Language

Encoding = Literal["LABELMAP", "BINARY"]


@dataclass(frozen=True, eq=False, slots=True)
class Written:
    """The result with its outputs listed; DICOM objects, and PNG bytes by name ('key-1.png')."""

    result: Result
    objects: tuple[OutputObject, ...]
    pictures: dict[str, bytes]
    pdf: bytes


def write(
    result: Result,
    outcome: RunOutcome,
    *,
    language: Language = "both",
    seg_encoding: Encoding = "LABELMAP",
) -> Written:
    """Write all outputs; the same result and outcome give the same bytes."""
    pictures = {f"{image.name}.png": _png(image) for image in outcome.output.key_images}
    pdf = render_pdf(result, pictures, language)
    analysed = _analysed(outcome)
    objects = write_outputs(
        result,
        outcome.output,
        OutputSources([o.header for o in analysed], outcome.slices),
        pdf,
        seg_encoding=seg_encoding,
    )
    refs = [
        OutputRef(
            name=o.name,
            kind=o.kind,
            sop_instance_uid=o.sop_uid,
            series_uid=o.series_uid,
            sha256=hashlib.sha256(o.data).hexdigest(),
        )
        for o in objects
    ]
    refs += [_picture_ref(name, data) for name, data in pictures.items()]
    full = result.model_copy(update={"outputs": tuple(refs)})
    return Written(full, tuple(objects), pictures, pdf)


def _analysed(outcome: RunOutcome) -> list[SourceObject]:
    chosen = outcome.output.chosen
    if chosen is None:
        return list(outcome.objects)
    return [o for o in outcome.objects if o.header.series_uid == chosen.series_uid] or list(
        outcome.objects
    )


def _picture_ref(name: str, data: bytes) -> OutputRef:
    digest = hashlib.sha256(data).hexdigest()
    return OutputRef(name=name, kind="PNG", sop_instance_uid=None, series_uid=None, sha256=digest)


def _png(image: KeyImage) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image.pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()


def html(written: Written, language: Language = "both") -> str:
    """Return the HTML report of what was written."""
    return render_html(written.result, key_images=written.pictures, language=language)
