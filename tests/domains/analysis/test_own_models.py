# SPDX-License-Identifier: Apache-2.0
"""A model that somebody brought, served under the same contract as all others."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub.reading import read
from healthvision.domains.modelhub.service import Engines, Installed, Registry, Shelf, Stored
from tests.domains.analysis.conftest import TARGET, Ward
from tests.support import onnx_models, own_models
from tests.support.applications import BRIGHT


@pytest.fixture
def shelf(ward: Ward, tmp_path: Path) -> Shelf:
    """An empty models folder, which the running installation looks at."""
    shelf = Shelf(tmp_path / "models")
    ward.db.resources.put(Registry, Registry([Installed(BRIGHT.manifest, TARGET)], shelf=shelf))
    ward.db.resources.put(Engines, Engines(shelf=shelf))
    return shelf


def _put(shelf: Shelf, folder: Path, weights: bytes | None = None, **changes: Any) -> Stored:
    proposal = read(own_models.folder(folder, weights, **changes))
    return shelf.put(proposal.description, proposal.weights)


class TestOwnModel:
    async def test_is_listed_run_pinned_and_taken_away_without_a_restart(
        self, ward: Ward, shelf: Shelf, tmp_path: Path
    ) -> None:
        stored = _put(shelf, tmp_path / "1")
        listed = await ward.get("/v1/models/bright-own")
        assert (listed["version"], listed["evidence_level"]) == ("1.0.0", "unmeasured")
        data = (tmp_path / "1" / "model.onnx").read_bytes()
        assert listed["weights"][0]["sha256"] == hashlib.sha256(data).hexdigest()
        card = await ward.client.get("/v1/models/bright-own/card", params={"language": "en"})
        assert "nothing measured here" in card.text

        task = await ward.analysed(application="bright-own")
        assert task["state"] == "done", task
        result = (await ward.get(f"/v1/results/{task['result_id']}"))["result"]
        finding = result["findings"][0]
        assert finding["confidence"]["value"] is None
        assert finding["evidence_level"] == result["evidence_level"] == "unmeasured"
        assert {o["kind"] for o in result["outputs"]} >= {"SEG", "SR", "PDF", "PNG"}
        assert result["application"]["weights_sha256"] == listed["weights_sha256"]

        _put(shelf, tmp_path / "2", onnx_models.brighter(0.97), version="1.1.0")
        newer = await ward.analysed(application="bright-own")
        assert newer["application_version"] == "1.1.0"
        other = (await ward.get(f"/v1/results/{newer['result_id']}"))["result"]
        assert other["findings"] == []
        assert other["status"] == "complete"

        adding.remove(shelf, stored.entry.id, None)
        await ward.get("/v1/models/bright-own", expect=404)
        kept = (await ward.get(f"/v1/results/{task['result_id']}"))["result"]
        assert kept["findings"] == result["findings"]

    async def test_with_changed_weights_the_task_fails_by_that_name(
        self, ward: Ward, shelf: Shelf, tmp_path: Path
    ) -> None:
        stored = _put(shelf, tmp_path / "1")
        (stored.folder / "model.onnx").write_bytes(onnx_models.brighter(0.1))
        task = await ward.analysed(application="bright-own")
        assert (task["state"], task["error_code"]) == ("failed", "model-changed")
