# SPDX-License-Identifier: Apache-2.0
"""The objects of one study on their way into an application, and the key of a task.

Only images count: segmentations, reports, presentation states, key object lists, documents and
our own key images are no inputs, so our results coming back never make a new task.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from healthvision.clinical.result import InputDigest
from healthvision.clinical.study import SeriesHeader
from healthvision.domains.analysis.errors import NoImages
from healthvision.domains.modelhub.service import Installed, accepted
from healthvision.formats.dicom.header import InstanceHeader
from healthvision.formats.dicom.series import header_of
from healthvision.formats.dicom.source import SOFTWARE
from healthvision.formats.dicom.writer import MANUFACTURER

NOT_IMAGES = frozenset(
    {"SEG", "SR", "PR", "KO", "DOC", "RTSTRUCT", "RTPLAN", "RTDOSE", "REG", "FID", "AU", "ECG"}
)


@dataclass(frozen=True, eq=False, slots=True)
class SourceObject:
    """One DICOM object: its header, the SHA-256 of its Part 10 bytes, and a way to them."""

    header: InstanceHeader
    sha256: str
    read: Callable[[], bytes]


@dataclass(frozen=True, eq=False, slots=True)
class StudySource:
    """The image objects of one study, grouped: ``series[i]`` has ``objects[uid]`` in order."""

    study_uid: str
    series: tuple[SeriesHeader, ...]
    objects: dict[str, tuple[SourceObject, ...]]

    def inputs_of(self, application: Installed) -> tuple[SourceObject, ...]:
        """Return the objects of the series the application accepts; of all when it accepts none.

        The latter lets the application abstain with its reason.
        """
        series = accepted(application.manifest, self.series) or self.series
        return tuple(item for h in series for item in self.objects.get(h.series_uid, ()))


def is_input(header: InstanceHeader) -> bool:
    """Tell whether an object counts as an image input."""
    return header.has_pixels and header.modality not in NOT_IMAGES and not is_own(header.json)


def is_own(json: Mapping[str, Any]) -> bool:
    """Tell by its DICOM JSON whether an object is one of our outputs, wherever it comes from."""
    return _value(json, "00080070") == MANUFACTURER and _value(json, "00181000") == SOFTWARE


def _value(json: Mapping[str, Any], tag: str) -> str:
    values = json.get(tag, {}).get("Value", [])
    return str(values[0]) if values else ""


def study_source(
    items: Iterable[SourceObject], *, other_series: Sequence[SeriesHeader] = ()
) -> StudySource:
    """Group the image objects of one study; raises NoImages.

    ``other_series``: headers of further series of the study, shown to the application without
    their images.
    """
    groups: dict[str, list[SourceObject]] = {}
    for item in items:
        if is_input(item.header):
            groups.setdefault(item.header.series_uid, []).append(item)
    if not groups:
        raise NoImages("none of the objects is an image")
    objects = {
        uid: tuple(sorted(group, key=lambda o: (o.header.instance_number or 0, o.header.sop_uid)))
        for uid, group in sorted(groups.items())
    }
    series = tuple(header_of([o.header for o in group]) for group in objects.values())
    series += tuple(header for header in other_series if header.series_uid not in objects)
    return StudySource(series[0].study_uid, series, objects)


def digests(objects: Sequence[SourceObject]) -> tuple[InputDigest, ...]:
    """Return the inputs as the result names them, by SOP Instance UID."""
    found = [InputDigest(sop_instance_uid=o.header.sop_uid, sha256=o.sha256) for o in objects]
    return tuple(sorted(found, key=lambda d: (d.sop_instance_uid, d.sha256)))


def task_key(application: Installed, objects: Sequence[SourceObject]) -> str:
    """Return the key of a task: application, version, weights and sorted image digests."""
    manifest = application.manifest
    head = (manifest.id, manifest.version, application.weights_sha256 or "")
    return key_of(head, [o.sha256 for o in objects])


def key_of(head: Sequence[str], sha256s: Iterable[str]) -> str:
    """Return SHA-256 over the head and the sorted digests, one per line, in hex."""
    return hashlib.sha256("\n".join([*head, *sorted(sha256s)]).encode()).hexdigest()
