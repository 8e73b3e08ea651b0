# SPDX-License-Identifier: Apache-2.0
"""The folder of added models, seen by several readers at once."""

import fcntl
from pathlib import Path

import pytest

from healthvision.domains.modelhub import adding
from healthvision.domains.modelhub import shelf as shelves
from healthvision.domains.modelhub.errors import (
    ApplicationNotFound,
    ModelChanged,
    ModelExists,
    ModelRefused,
)
from healthvision.domains.modelhub.reading import read
from healthvision.domains.modelhub.service import Installed, Registry, Shelf, Stored
from healthvision.kernel.sandbox import SandboxFailed
from tests.support import onnx_models, own_models
from tests.support.applications import manifest


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty models folder."""
    return Shelf(tmp_path / "models")


def _put(shelf: Shelf, folder: Path, version: str = "1.0.0", threshold: float = 0.5) -> Stored:
    weights = onnx_models.brighter(threshold)
    proposal = read(own_models.folder(folder, weights, version=version))
    return shelf.put(proposal.description, proposal.weights)


class TestPut:
    def test_another_process_sees_it_without_being_told(self, shelf: Shelf, tmp_path: Path) -> None:
        other = Registry([], shelf=Shelf(shelf.folder))
        assert other.newest() == []
        _put(shelf, tmp_path / "m")
        found = other.get("bright-own")
        assert (found.manifest.version, found.manifest.evidence_level) == ("1.0.0", "unmeasured")
        assert found.weights_sha256 is not None

    def test_versions_stand_side_by_side(self, shelf: Shelf, tmp_path: Path) -> None:
        registry = Registry([], shelf=shelf)
        for version in ("1.0.0", "1.10.0", "1.9.0", "1.10.0-rc1", "1.10.0+b", "1.10.0-rc2"):
            _put(shelf, tmp_path / version, version)
        versions = [i.manifest.version for i in registry.versions("bright-own")]
        assert versions == ["1.10.0+b", "1.10.0", "1.10.0-rc2", "1.10.0-rc1", "1.9.0", "1.0.0"]

    def test_a_staged_version_is_not_served(self, shelf: Shelf, tmp_path: Path) -> None:
        proposal = read(own_models.folder(tmp_path / "m"))
        staged = shelf.stage(proposal.description, proposal.weights)
        assert (shelf.stored(), shelf.entries()) == ((), [])
        assert shelf.publish(staged) == staged
        assert shelf.stored() == (staged,)

    def test_nobody_waits_for_a_copy(
        self, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf.folder.mkdir()
        copy = shelves._copy

        def free(source: Path, target: Path) -> None:
            with (shelf.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            copy(source, target)

        monkeypatch.setattr(shelves, "_copy", free)
        assert _put(shelf, tmp_path / "m").size() > 0
        assert list((shelf.folder / ".incoming").iterdir()) == []

    def test_what_was_dropped_cannot_be_published(self, shelf: Shelf, tmp_path: Path) -> None:
        proposal = read(own_models.folder(tmp_path / "m"))
        staged = shelf.stage(proposal.description, proposal.weights)
        shelf.drop(staged)
        with pytest.raises(ModelChanged, match="gone"):
            shelf.publish(staged)
        assert shelf.entries() == []
        assert shelf.put(proposal.description, proposal.weights).size() > 0

    def test_the_same_again_is_no_error_and_something_else_is(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        first = _put(shelf, tmp_path / "m")
        assert _put(shelf, tmp_path / "m").entry == first.entry
        with pytest.raises(ModelExists, match="new version"):
            _put(shelf, tmp_path / "n", threshold=0.6)
        adding.remove(shelf, "bright-own", None)
        with pytest.raises(ModelExists):
            _put(shelf, tmp_path / "n", threshold=0.6)

    def test_a_plugin_keeps_its_id(self, shelf: Shelf, tmp_path: Path) -> None:
        _put(shelf, tmp_path / "m")
        own = Installed(manifest(identifier="bright-own"), "a:b")
        registry = Registry([own], shelf=shelf)
        assert registry.versions("bright-own") == [own]
        assert [b.reason for b in registry.broken] == ["a plugin has the same id"]


class TestRetire:
    def test_takes_one_version_or_all(self, shelf: Shelf, tmp_path: Path) -> None:
        registry = Registry([], shelf=shelf)
        for version in ("1.0.0", "2.0.0"):
            _put(shelf, tmp_path / version, version)
        assert [e.version for e in adding.remove(shelf, "bright-own", "2.0.0")] == ["2.0.0"]
        assert registry.get("bright-own").manifest.version == "1.0.0"
        adding.remove(shelf, "bright-own", None)
        with pytest.raises(ApplicationNotFound):
            registry.get("bright-own")
        with pytest.raises(ApplicationNotFound):
            adding.remove(shelf, "bright-own", None)
        assert {e.state for e in shelf.entries()} == {"retired"}

    def test_a_retired_version_can_come_back(self, shelf: Shelf, tmp_path: Path) -> None:
        _put(shelf, tmp_path / "m")
        adding.remove(shelf, "bright-own", None)
        _put(shelf, tmp_path / "m")
        assert len(shelf.stored()) == 1


class TestMaterial:
    def test_changed_weights_do_not_run(self, shelf: Shelf, tmp_path: Path) -> None:
        stored = _put(shelf, tmp_path / "m")
        path = stored.folder / "model.onnx"
        path.write_bytes(path.read_bytes()[:-1] + b"\x01")
        with pytest.raises(ModelChanged, match="not the one that was added"):
            stored.request("a:b", lambda _name, _data: 0)
        path.unlink()
        with pytest.raises(ModelChanged, match="gone"):
            stored.request("a:b", lambda _name, _data: 0)

    def test_a_changed_description_is_told_as_broken(self, shelf: Shelf, tmp_path: Path) -> None:
        stored = _put(shelf, tmp_path / "m")
        path = stored.folder / "model.json"
        path.write_bytes(path.read_bytes().replace(b"Tests only.", b"For everyone."))
        registry = Registry([], shelf=Shelf(shelf.folder))
        assert registry.newest() == []
        assert "not the one that was added" in registry.broken[0].reason

    def test_a_damaged_index_stops_nothing_else(self, shelf: Shelf, tmp_path: Path) -> None:
        _put(shelf, tmp_path / "m")
        (shelf.folder / "index.json").write_text("{")
        registry = Registry([Installed(manifest(), "a:b")], shelf=Shelf(shelf.folder))
        assert [i.manifest.id for i in registry.newest()] == ["bright"]
        assert registry.broken[0].name == "models folder"
        with pytest.raises(ModelChanged):
            _put(shelf, tmp_path / "n", "2.0.0")


class TestCheck:
    def test_a_model_that_works_in_the_sandbox_is_taken(self, shelf: Shelf, tmp_path: Path) -> None:
        proposal, trial = adding.check(own_models.folder(tmp_path / "m"))
        stored = shelf.put(proposal.description, proposal.weights)
        assert trial.repeatable
        assert trial.responds
        assert set(trial.labels) == {"Bright"}
        assert trial.findings == ("Bright",)
        assert shelf.stored() == (stored,)

    def test_one_that_does_not_look_at_the_image_is_told(self, tmp_path: Path) -> None:
        _, trial = adding.check(own_models.folder(tmp_path / "m", onnx_models.deaf()))
        assert (trial.repeatable, trial.responds) == (True, False)

    def test_one_that_gives_no_numbers_is_not(self, tmp_path: Path) -> None:
        with pytest.raises(ModelRefused, match="no numbers"):
            adding.check(own_models.folder(tmp_path / "m", onnx_models.nan()))

    def test_one_that_never_ends_is_stopped(self, tmp_path: Path) -> None:
        budget = {"memory_mb": 1024, "cpu_seconds": 60, "wall_seconds": 4, "threads": 1}
        folder = own_models.folder(tmp_path / "m", onnx_models.endless(), budget=budget)
        with pytest.raises(SandboxFailed) as failed:
            adding.check(folder)
        assert failed.value.reason == "timeout"

    def test_one_that_eats_memory_is_stopped(self, tmp_path: Path) -> None:
        folder = own_models.folder(tmp_path / "m", onnx_models.greedy(3))
        with pytest.raises(SandboxFailed) as failed:
            adding.check(folder)
        assert failed.value.reason == "memory"

    def test_one_that_wants_more_than_there_can_be_is_refused(self, tmp_path: Path) -> None:
        folder = own_models.folder(tmp_path / "m", onnx_models.greedy(512))
        with pytest.raises(ModelRefused, match="could not run it"):
            adding.check(folder)

    def test_the_id_of_a_built_in_application_is_taken(self, tmp_path: Path) -> None:
        with pytest.raises(ModelExists, match="built-in"):
            adding.check(own_models.folder(tmp_path / "m", id="lung-ct"))
