# SPDX-License-Identifier: Apache-2.0
"""What counts as a failure of the demo."""

from typing import Any

from healthvision.app.demo.story import batch_failures
from healthvision.client.models import Batch
from healthvision.kernel.clock import new_id


def _batch(**fields: Any) -> Batch:
    ended = {"id": new_id(), "total": 2, "done": 2, "failed": 0, "open": 0, "finished": True}
    return Batch.model_validate({**ended, **fields})


class TestBatchFailures:
    def test_a_good_batch_has_none(self) -> None:
        assert batch_failures(_batch()) == []

    def test_each_failed_item_counts_once(self) -> None:
        study = str(new_id())
        item = {"number": 1, "study_id": study, "state": "failed", "error_detail": "too thick"}
        assert batch_failures(_batch(done=1, failed=1, items=[item])) == [
            f"batch: study {study}: too thick"
        ]

    def test_failures_without_items_and_open_items_count_too(self) -> None:
        lines = batch_failures(_batch(done=0, failed=1, open=1))
        assert lines == ["batch: 1 studies failed", "batch: 1 studies did not end"]
