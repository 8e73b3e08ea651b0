# SPDX-License-Identifier: Apache-2.0
"""The store answer lists what was kept and what was refused, by the standard's codes."""

import pytest
from pydicom.dataset import Dataset

from healthvision.domains.archive.schemas import Received
from healthvision.interfaces.dicomweb.store_answer import status_of, store_answer

ROOT = "http://h/dicomweb/default"
STORED = Received(
    "1", "stored", study_uid="1.1", series_uid="1.2", sop_uid="1.3", sop_class_uid="1.4"
)
REFUSED = Received(
    "2", "quarantined", sop_uid="1.5", sop_class_uid="1.4", reason="pixel-size", detail="too few"
)
UNREADABLE = Received("3", "quarantined", reason="not-part-10")
SHADOWED = Received("4", "conflict", sop_uid="1.6", sop_class_uid="1.4", current=False)
REPLACING = Received("5", "conflict", study_uid="1.1", series_uid="1.2", sop_uid="1.7")


class TestStatusOf:
    @pytest.mark.parametrize(
        ("results", "status"),
        [
            ([STORED], 200),
            ([STORED, REFUSED], 202),
            ([REPLACING], 202),
            ([REFUSED, UNREADABLE], 409),
            ([SHADOWED], 409),
        ],
    )
    def test_tells_all_some_and_none(self, results: list[Received], status: int) -> None:
        assert status_of(results) == status


class TestStoreAnswer:
    def test_is_a_readable_data_set_with_the_standard_codes(self) -> None:
        answer = store_answer([STORED, REFUSED, UNREADABLE, SHADOWED, REPLACING], ROOT)
        data = Dataset.from_json(answer)
        assert data.RetrieveURL == f"{ROOT}/studies/1.1"
        kept = data.ReferencedSOPSequence
        assert [i.ReferencedSOPInstanceUID for i in kept] == ["1.3", "1.7"]
        assert kept[0].RetrieveURL == f"{ROOT}/studies/1.1/series/1.2/instances/1.3"
        assert kept[1].WarningReason == 0xB000
        failed = {i.ReferencedSOPInstanceUID: i.FailureReason for i in data.FailedSOPSequence}
        assert failed == {"1.5": 0xA900, "1.6": 0x0111}
        assert [i.FailureReason for i in data.OtherFailuresSequence] == [0xC000]

    def test_says_the_reason_in_words(self) -> None:
        item = store_answer([REFUSED], ROOT)["00081198"]["Value"][0]
        words = item["00741048"]["Value"][0]["00000902"]["Value"]
        assert words == ["pixel-size: too few"]
