# SPDX-License-Identifier: Apache-2.0
"""What goes into an application and comes out of it, in clinical words only."""

from dataclasses import dataclass, field

from healthvision.clinical.result import (
    Category,
    ChosenSeries,
    Code,
    ExplicitNegative,
    Finding,
    Gate,
    Laterality,
    Measurement,
    Text,
)
from healthvision.clinical.volume import Array, Volume


@dataclass(frozen=True, slots=True)
class SliceRef:
    """Where one slice of a volume came from; index 0 is ``Volume.voxels[0]``."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None  # 1-based, only for multi-frame objects


@dataclass(frozen=True, slots=True)
class SeriesHeader:
    """Header values of one series that gates and texts need; absent values are None.

    ``extra``: further DICOM keywords with plain values (str, int, float), never sequences.
    """

    study_uid: str
    series_uid: str
    modality: str
    sop_class_uid: str
    frame_of_reference_uid: str | None = None
    description: str = ""
    body_part: str = ""
    patient_id: str | None = None
    issuer: str | None = None
    patient_sex: str | None = None
    patient_age_years: int | None = None
    age_doubt: str = ""  # 'unreadable', 'disagrees' (with the birth date): no age to rely on
    study_date: str | None = None
    accession_number: str | None = None
    slice_thickness_mm: float | None = None
    convolution_kernel: str | None = None
    kvp: float | None = None
    contrast_agent: str | None = None
    image_type: tuple[str, ...] = ()
    instance_count: int = 0
    priority: str | None = None  # Requested Procedure Priority (0040,1003)
    extra: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GeometryNote:
    """Something odd found while the series was put together: gap, duplicate, tilt, mixed sizes."""

    id: str  # 'gap', 'duplicate', 'tilt', 'uneven', 'mixed-orientation', 'single-slice'
    text: Text
    value: float | None = None


@dataclass(frozen=True, eq=False, slots=True)
class SeriesImage:
    """One series as a volume with its header and the origin of each slice.

    ``volume`` holds modality values (CT: Hounsfield units after rescale), float32 or int16.
    ``slices`` has one entry per index of axis z.
    """

    header: SeriesHeader
    volume: Volume
    slices: tuple[SliceRef, ...]
    notes: tuple[GeometryNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """One label of a segmentation (DICOM PS3.3 C.8.20.4)."""

    number: int  # 1, 2, ...: the value in the label array
    label: str
    text: Text
    category: Code  # e.g. anatomical structure
    type: Code
    laterality: Laterality | None = None
    tracking_id: str | None = None
    tracking_uid: str | None = None
    colour: tuple[int, int, int] = (255, 165, 0)  # sRGB for overlays and RecommendedDisplay


@dataclass(frozen=True, eq=False, slots=True)
class Segmentation:
    """A label map over the analysed volume: 0 is background, n is ``segments[n-1].number``.

    ``labels`` has the geometry of the series' volume, dtype uint8 or uint16.
    """

    labels: Volume
    segments: tuple[Segment, ...]


@dataclass(frozen=True, eq=False, slots=True)
class KeyImage:
    """One slice worth showing, with drawings already on it.

    ``pixels``: uint8 array (rows, columns, 3) in sRGB; shown radiologically (patient right on
    the left side of the picture). ``slice_index`` points into the analysed volume's z axis.
    """

    name: str  # 'key-1'
    pixels: Array
    slice_index: int
    caption: Text
    tracking_id: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class ApplicationOutput:
    """What an application returns; ``analysis.runner`` turns it into a full ``Result``.

    ``abstained`` set means: no findings, and the reason to show.
    """

    chosen: ChosenSeries | None
    gates: tuple[Gate, ...]
    findings: tuple[Finding, ...]
    measurements: tuple[Measurement, ...]
    negatives: tuple[ExplicitNegative, ...]
    summary: Text
    limitations: tuple[Text, ...]
    segmentation: Segmentation | None
    key_images: tuple[KeyImage, ...]
    abstained: Text | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
    categories: tuple[Category, ...] = ()  # of the study as a whole
