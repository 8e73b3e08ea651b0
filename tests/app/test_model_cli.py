# SPDX-License-Identifier: Apache-2.0
"""``healthvision model`` from the folder somebody brings to a result from files."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import select
from typer.testing import CliRunner

from healthvision.app import accounts, analyze
from healthvision.app.cli import cli
from healthvision.app.doctor import examine
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.modelhub.errors import ApplicationNotFound, ModelRefused
from healthvision.domains.modelhub.settings import ModelhubSettings
from healthvision.kernel.settings import CoreSettings
from tests.support import onnx_models, own_models
from tests.support.small_ct import small_ct

runner = CliRunner()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """The runner closes the stream that the commands log to; later tests need their own."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _said(*words: str) -> str:
    done = runner.invoke(cli, ["model", *words], catch_exceptions=False, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def _entries() -> list[str]:
    index = ModelhubSettings().models_folder() / "index.json"
    return [e["state"] for e in json.loads(index.read_text())] if index.exists() else []


async def _acts(core: CoreSettings) -> list[tuple[str, str | None]]:
    async with open_process(core, MODULES) as db, db.reading() as session:
        mine = AuditEvent.action.like("modelhub.%")
        rows = await session.scalars(select(AuditEvent).where(mine).order_by(AuditEvent.id))
        return [(row.action, row.subject) for row in rows]


class TestModel:
    @pytest.mark.long
    def test_brought_used_and_taken_away(
        self, tmp_path: Path, core: CoreSettings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        asyncio.run(accounts.bootstrap(core, "ward", "a@ward.invalid", "A", "long enough a word 1"))
        folder = own_models.folder(tmp_path / "m")
        assert "nothing was stored" in _said("add", str(folder), "--dry-run")
        assert _entries() == []
        broken = own_models.folder(tmp_path / "n", onnx_models.nan(), id="broken")
        with pytest.raises(ModelRefused):
            _said("add", str(broken))
        assert _entries() == []
        told = _said("add", str(folder))
        assert "the same twice" in told
        assert "evidence level: unmeasured" in told
        assert "bright-own" in _said("list")

        images = tmp_path / "images"
        images.mkdir()
        for index, data in enumerate(small_ct()):
            (images / f"{index}.dcm").write_bytes(data)
        assert analyze.run(images, "bright-own", tmp_path / "out", False, 0) == analyze.DONE
        assert "no confidence given" in capsys.readouterr().out
        assert (tmp_path / "out" / "seg.dcm").exists()

        checks = {c.name: c for c in asyncio.run(examine())}
        assert "bright-own 1.0.0 (added)" in checks["applications"].seen
        assert "retired: bright-own 1.0.0" in _said("remove", "bright-own")
        assert _entries() == ["retired"]
        assert "bright-own" in _said("list", "--retired")
        with pytest.raises(ApplicationNotFound):
            _said("remove", "bright-own")
        assert asyncio.run(_acts(core)) == [
            ("modelhub.model_added", "bright-own"),
            ("modelhub.model_retired", "bright-own"),
        ]


class TestTemplate:
    def test_is_listed_and_written(self, tmp_path: Path) -> None:
        assert "torchxrayvision-14" in _said("template")
        told = _said("template", "torchxrayvision-14", "--to", str(tmp_path / "x"))
        assert "no weights" in told
        assert "densenet121" in (tmp_path / "x" / "model.yaml").read_text(encoding="utf-8")
