# SPDX-License-Identifier: Apache-2.0
"""The command line as a process: exit codes and what it says when something is wrong."""

import json
import subprocess
import sys

import pytest

from healthvision.app import schema
from healthvision.kernel.settings import CoreSettings


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "healthvision", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


class TestAuditVerify:
    def test_a_database_without_a_schema_is_told_in_one_line_and_is_not_called_touched(
        self,
    ) -> None:
        CoreSettings().data_dir.mkdir()
        done = _run("audit", "verify")
        assert done.returncode == 2
        assert done.stdout == ""
        assert "healthvision migrate" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_database_that_does_not_answer_is_one_line(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        done = _run("audit", "verify")
        assert done.returncode == 2
        assert done.stderr.startswith("database: ")
        assert done.stderr.count("\n") == 1

    def test_it_makes_no_master_key(self) -> None:
        core = CoreSettings()
        schema.upgrade(core.resolved_database_url())
        done = _run("audit", "verify")
        assert done.returncode == 2
        assert "missing" in done.stderr
        assert not core.master_key_file.exists()


class TestSettings:
    def test_a_wrong_value_is_one_line_with_the_name_of_the_variable(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_PORT", "abc")
        done = _run("migrate")
        assert done.returncode == 2
        assert done.stderr.startswith("setting: HV_PORT ('port' in [core]): ")
        assert done.stderr.count("\n") == 1

    def test_doctor_names_a_wrong_value_as_a_failed_check(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_PORT", "abc")
        done = _run("doctor", "--json")
        assert done.returncode == 1
        (check,) = json.loads(done.stdout)
        assert (check["name"], check["state"]) == ("settings", "failed")
        assert "HV_PORT" in check["seen"]
