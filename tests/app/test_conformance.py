# SPDX-License-Identifier: Apache-2.0
"""The conformance statement says what the code decides; its page is compared in test_openapi."""

from healthvision.app import conformance
from healthvision.formats.dicom import binary_seg, dimse
from healthvision.interfaces.dimse import negotiation

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, BIG, SMPTE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.7.1"


def test_storage_follows_what_the_peer_is_allowed() -> None:
    """A class is listed where a peer with that right alone would get it."""
    stored, found = conformance.accepted("store"), conformance.accepted("find")
    assert BIG in stored[CT] and binary_seg.LABELMAP_CLASS in stored
    assert CT not in found and dimse.STUDY_ROOT_FIND in found
    assert SMPTE not in negotiation.SYNTAXES


def test_c_get_hands_out_every_class_that_is_taken() -> None:
    """What can be stored can be fetched, in an uncompressed syntax at least."""
    stored, got = conformance.accepted("store"), conformance.accepted("get", gets=True)
    classes = set(negotiation.STORAGE)
    assert stored.keys() & classes == got.keys() & classes == classes
    assert all(EXPLICIT in syntaxes for syntaxes in got.values())


def test_search_keys_hold_the_required_ones() -> None:
    """PS3.4 tables C.6-2 to C.6-4, required and unique keys of the study root."""
    assert {"StudyDate", "StudyTime", "AccessionNumber", "PatientName", "PatientID", "StudyID",
            "StudyInstanceUID"} <= set(conformance.search_keys("study"))  # fmt: skip
    assert {"Modality", "SeriesNumber", "SeriesInstanceUID"} <= set(
        conformance.search_keys("series")
    )
    assert {"InstanceNumber", "SOPInstanceUID"} <= set(conformance.search_keys("instance"))
