# SPDX-License-Identifier: Apache-2.0
"""Which objects of a study a profile sends, and in which form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from healthvision.domains.archive.schemas import InstanceRef
from healthvision.domains.integration.ports import Variant
from healthvision.domains.integration.schemas import Profile
from healthvision.formats.dicom.binary_seg import BINARY_CLASS, LABELMAP_CLASS, binary_uid
from healthvision.formats.dicom.uids import derive_uid

Content = Literal["seg", "sr", "key_images", "pdf", "images"]
OWN = "healthvision"
_CLASSES: dict[str, Content] = {
    LABELMAP_CLASS: "seg",
    BINARY_CLASS: "seg",
    "1.2.840.10008.5.1.4.1.1.88.11": "sr",
    "1.2.840.10008.5.1.4.1.1.88.22": "sr",
    "1.2.840.10008.5.1.4.1.1.88.33": "sr",
    "1.2.840.10008.5.1.4.1.1.88.34": "sr",
    "1.2.840.10008.5.1.4.1.1.7": "key_images",
    "1.2.840.10008.5.1.4.1.1.104.1": "pdf",
}
_SERIES = ("SEG", "SR", "PDF", "SC")  # parts of derived series UIDs, see formats.dicom.outputs


@dataclass(frozen=True, slots=True)
class Chosen:
    """One object to send; class and UID as they will be sent."""

    ref: InstanceRef
    variant: Variant
    sop_class_uid: str
    sop_uid: str


def content_of(ref: InstanceRef) -> Content:
    """Return what an object is to a profile; results of others are images to it."""
    return _CLASSES.get(ref.sop_class_uid, "images") if ref.origin == OWN else "images"


def choose(refs: Sequence[InstanceRef], profile: Profile, task_id: UUID | None) -> list[Chosen]:
    """Return what goes out, images first; ``task_id``: of our results only that task's."""
    mine = {derive_uid(str(task_id), "series", kind) for kind in _SERIES}
    kept = [
        ref
        for ref in refs
        if _wanted(profile, content_of(ref))
        and (task_id is None or ref.origin != OWN or ref.series_uid in mine)
    ]
    turned = profile.seg == "binary" and any(_is_labelmap(r) for r in refs)
    return [_chosen(ref, turned=turned) for ref in _ordered(kept)]


def _wanted(profile: Profile, content: Content) -> bool:
    if content == "seg":
        return profile.seg != "none"
    return bool(getattr(profile, content))


def _is_labelmap(ref: InstanceRef) -> bool:
    return ref.origin == OWN and ref.sop_class_uid == LABELMAP_CLASS


def _ordered(refs: Iterable[InstanceRef]) -> list[InstanceRef]:
    order = ("images", "seg", "key_images", "pdf", "sr")  # what is pointed to goes first
    return sorted(refs, key=lambda ref: order.index(content_of(ref)))


def _chosen(ref: InstanceRef, *, turned: bool) -> Chosen:
    if turned and (_is_labelmap(ref) or content_of(ref) == "sr"):
        sop_class = BINARY_CLASS if _is_labelmap(ref) else ref.sop_class_uid
        return Chosen(ref, "binary", sop_class, binary_uid(ref.sop_uid))
    return Chosen(ref, "stored", ref.sop_class_uid, ref.sop_uid)
