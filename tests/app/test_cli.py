# SPDX-License-Identifier: Apache-2.0
"""The command line as a process: exit codes and what it says when something is wrong."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from healthvision.app import schema
from healthvision.app.supervise import BAD_SETTINGS
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
        assert done.returncode == BAD_SETTINGS
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

    def test_a_broken_file_is_one_line_with_the_place_and_no_traceback(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "hv.toml"
        path.write_text("[core]\nport = = 1\n")
        monkeypatch.setenv("HV_CONFIG", str(path))
        done = _run("migrate")
        assert done.returncode == BAD_SETTINGS
        assert done.stderr.startswith(f"setting: HV_CONFIG: {path} is no TOML")
        assert "line 2" in done.stderr
        assert done.stderr.count("\n") == 1
        looked = _run("doctor", "--json")
        assert looked.returncode == 1
        assert "line 2" in json.loads(looked.stdout)[0]["seen"]

    def test_a_name_that_nobody_reads_is_named_at_the_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_PROT", "80")
        done = _run("migrate")
        assert done.returncode == 0, done.stderr
        assert "HV_PROT" in done.stderr


class TestDoctor:
    def test_before_the_first_start_nothing_failed_and_nothing_is_made(self) -> None:
        done = _run("doctor", "--json")
        states = {c["name"]: c["state"] for c in json.loads(done.stdout)}
        assert done.returncode == 0, done.stdout
        assert (states["database"], states["master key"]) == ("warning", "warning")
        assert not CoreSettings().master_key_file.exists()

    def test_a_data_folder_that_cannot_be_made_fails_with_a_remedy(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("x")
        monkeypatch.setenv("HV_DATA_DIR", str(tmp_path / "file" / "data"))
        done = _run("doctor", "--json")
        assert done.returncode == 1
        (check,) = [c for c in json.loads(done.stdout) if c["name"] == "data folder"]
        assert check["state"] == "failed"
        assert "HV_DATA_DIR" in check["remedy"]

    def test_a_database_that_does_not_answer_fails_with_a_remedy(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        done = _run("doctor", "--json")
        assert done.returncode == 1
        (check,) = [c for c in json.loads(done.stdout) if c["name"] == "database"]
        assert check["state"] == "failed"
        assert "HV_DATABASE_URL" in check["remedy"]


class TestUp:
    @pytest.mark.parametrize("way", ["--one-process", "--processes"])
    def test_a_port_that_is_taken_is_one_line(
        self, way: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            monkeypatch.setenv("HV_PORT", str(port))
            monkeypatch.setenv("HV_DIMSE_PORT", str(port))
            done = _run("up", way)
        assert done.returncode == 2
        assert f"the DICOM port {port} is held by" in done.stderr
        assert f"port {port}" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


class TestMigrate:
    def test_a_database_that_cannot_be_made_is_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("x")
        monkeypatch.setenv("HV_DATA_DIR", str(tmp_path / "file" / "data"))
        done = _run("migrate")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
