# SPDX-License-Identifier: Apache-2.0
"""Everything one result leaves in the archive, as finished objects with derived UIDs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from healthvision.clinical.result import Result
from healthvision.clinical.study import ApplicationOutput, KeyImage, SliceRef
from healthvision.formats.dicom import seg, sr
from healthvision.formats.dicom.header import InstanceHeader, read_header
from healthvision.formats.dicom.pdf import write_pdf
from healthvision.formats.dicom.sc import write_sc
from healthvision.formats.dicom.source import Encoding, Identity
from healthvision.formats.dicom.uids import derive_uid

SERIES_NUMBERS = {"SEG": 9101, "SR": 9102, "PDF": 9103, "SC": 9104}


@dataclass(frozen=True, eq=False, slots=True)
class OutputObject:
    """One written object: ``name`` as in ``Result.outputs``, ``data`` its Part 10 bytes."""

    name: str
    kind: Literal["SEG", "SR", "PDF", "SC"]
    sop_class_uid: str
    sop_uid: str
    series_uid: str
    data: bytes


@dataclass(frozen=True, eq=False, slots=True)
class OutputSources:
    """Where the outputs come from: headers of the analysed series and the volume's slices."""

    headers: Sequence[InstanceHeader]
    slices: Sequence[SliceRef] = ()


def write_outputs(
    result: Result,
    output: ApplicationOutput,
    sources: OutputSources,
    pdf: bytes | None,
    *,
    seg_encoding: Encoding = "LABELMAP",
) -> list[OutputObject]:
    """Return SEG (when anything is labelled), SR, PDF (when given) and SC key images.

    UIDs derive from the task id (the result id without a task) and the output's name, times
    from ``result.timings.finished_at``, so a repeated call gives the same bytes. With BINARY the
    SEG, and the SR that points to it, are other objects with other UIDs. Raises ValueError when
    ``sources`` is empty.
    """
    if not sources.headers:
        raise ValueError("outputs need the headers of the analysed images")
    maker = _Maker(result, sources)
    suffix = "" if seg_encoding == "LABELMAP" else "-binary"
    out: list[OutputObject] = []
    reference: sr.SegReference | None = None
    segmentation = output.segmentation
    if segmentation is not None and segmentation.labels.voxels.any():
        data = seg.write_seg(
            segmentation,
            sources.headers,
            maker.identity(f"seg{suffix}", "SEG"),
            encoding=seg_encoding,
        )
        out.append(maker.finish("seg", "SEG", data))
        reference = sr.SegReference(read_header(data), seg.segment_numbers(segmentation))
    report = sr.write_sr(
        result, sources.headers, maker.identity(f"sr{suffix}", "SR"), seg=reference
    )
    out.append(maker.finish("sr", "SR", report))
    if pdf is not None:
        document = write_pdf(pdf, sources.headers[0], maker.identity("pdf", "PDF"))
        out.append(maker.finish("pdf", "PDF", document))
    for number, image in enumerate(output.key_images, start=1):
        name = image.name
        picture = write_sc(image, maker.shown(image), maker.identity(name, "SC", number))
        out.append(maker.finish(name, "SC", picture))
    return out


class _Maker:
    """Gives identities to the outputs of one result."""

    def __init__(self, result: Result, sources: OutputSources) -> None:
        self._result = result
        self._key = result.task_id or result.id
        self._by_uid = {h.sop_uid: h for h in sources.headers}
        self._sources = sources

    def identity(
        self, name: str, kind: Literal["SEG", "SR", "PDF", "SC"], instance_number: int = 1
    ) -> Identity:
        """Return the identity of one output; all key images share a series."""
        app = self._result.application
        return Identity(
            sop_uid=derive_uid(self._key, name),
            series_uid=derive_uid(self._key, "series", kind),
            series_number=SERIES_NUMBERS[kind],
            content_at=self._result.timings.finished_at,
            application=app,
            series_description=f"{app.title.en[:24]} {kind}",
            instance_number=instance_number,
        )

    def shown(self, image: KeyImage) -> InstanceHeader:
        """Return the header of the slice a key image shows, the first one when not known."""
        slices = self._sources.slices
        if 0 <= image.slice_index < len(slices):
            found = self._by_uid.get(slices[image.slice_index].sop_instance_uid)
            if found is not None:
                return found
        return self._sources.headers[0]

    def finish(
        self, name: str, kind: Literal["SEG", "SR", "PDF", "SC"], data: bytes
    ) -> OutputObject:
        """Return the object after reading it back: what we write must pass our own door."""
        header = read_header(data)
        return OutputObject(
            name, kind, header.sop_class_uid, header.sop_uid, header.series_uid, data
        )
