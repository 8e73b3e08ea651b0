# SPDX-License-Identifier: Apache-2.0
"""A process starts only with the master key that belongs to its database."""

import secrets
from pathlib import Path

import pytest

from healthvision.app import doctor, schema
from healthvision.app.checks import Check
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.kernel.masterkey import BadMasterKey
from healthvision.kernel.settings import CoreSettings


async def _start(core: CoreSettings) -> None:
    async with open_process(core, MODULES):
        pass


@pytest.fixture
async def used(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> CoreSettings:
    """Settings of an installation that was started once."""
    monkeypatch.setenv("HV_DATABASE_URL", empty_url)
    core = CoreSettings()
    schema.upgrade(empty_url)
    await _start(core)
    return core


def _replace(path: Path) -> None:
    path.write_text(secrets.token_hex(32) + "\n")


async def _checked(name: str) -> Check:
    (found,) = [c for c in await doctor.examine() if c.name == name]
    return found


class TestOpenProcess:
    async def test_the_key_of_the_first_start_opens_every_later_one(
        self, used: CoreSettings
    ) -> None:
        before = used.master_key_file.read_bytes()
        await _start(used)
        assert used.master_key_file.read_bytes() == before

    async def test_a_lost_key_stops_the_start_and_no_new_one_is_made(
        self, used: CoreSettings
    ) -> None:
        used.master_key_file.unlink()
        with pytest.raises(BadMasterKey, match=r"missing.*put your copy"):
            await _start(used)
        assert not used.master_key_file.exists()

    async def test_another_key_stops_the_start_until_the_right_one_is_back(
        self, used: CoreSettings
    ) -> None:
        right = used.master_key_file.read_bytes()
        _replace(used.master_key_file)
        with pytest.raises(BadMasterKey, match="another key"):
            await _start(used)
        used.master_key_file.write_bytes(right)
        await _start(used)


class TestExamine:
    async def test_a_new_installation_gets_no_key_from_a_look_at_it(self) -> None:
        check = await _checked("master key")
        assert check.state == "warning"
        assert "missing" in check.seen
        assert not CoreSettings().master_key_file.exists()

    async def test_the_right_key_is_ok(self, used: CoreSettings) -> None:
        assert (await _checked("master key")).state == "ok"
        assert (await _checked("object store")).state == "ok"

    async def test_a_lost_key_fails_and_no_new_one_is_made(self, used: CoreSettings) -> None:
        used.master_key_file.unlink()
        check = await _checked("master key")
        assert check.state == "failed"
        assert "missing" in check.seen
        assert "copy" in check.remedy
        assert not used.master_key_file.exists()

    async def test_another_key_fails(self, used: CoreSettings) -> None:
        _replace(used.master_key_file)
        check = await _checked("master key")
        assert check.state == "failed"
        assert "another key" in check.seen

    async def test_an_object_store_that_does_not_answer_fails_with_a_remedy(
        self, used: CoreSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_STORAGE_URL", "s3://images")
        monkeypatch.setenv("HV_STORAGE_S3_ENDPOINT", "http://127.0.0.1:1")
        monkeypatch.setenv("HV_STORAGE_S3_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("HV_STORAGE_S3_SECRET_ACCESS_KEY", "secret")
        check = await _checked("object store")
        assert check.state == "failed"
        assert "HV_STORAGE_" in check.remedy

    async def test_an_unknown_variable_is_a_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HV_PROT", "1")
        check = await _checked("settings")
        assert check.state == "warning"
        assert "HV_PROT" in check.seen
