# SPDX-License-Identifier: Apache-2.0
"""Settings that cannot be used, and names that nobody reads."""

from pathlib import Path

import pytest

from healthvision.app import configuration
from healthvision.app.modules import MODULES
from healthvision.kernel.settings import RoomSettings

ROOMS = {n: k for n, k in RoomSettings.registry.items() if n in ("core", "storage", "ratelimit")}


class TestFaults:
    def test_good_settings_have_none(self) -> None:
        assert len(MODULES) > 5
        assert configuration.faults(ROOMS) == []

    def test_every_wrong_value_has_a_line_without_the_value(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_PORT", "s3cret")
        monkeypatch.setenv("HV_WORKER_THREADS", "0")
        lines = configuration.faults(ROOMS)
        assert [line.split()[0] for line in lines] == ["HV_PORT", "HV_WORKER_THREADS"]
        assert "s3cret" not in str(lines)

    def test_a_config_file_that_is_not_there_is_named(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_CONFIG", "/nowhere/hv.toml")
        (line,) = configuration.faults(ROOMS)
        assert line.startswith("HV_CONFIG: ")
        assert "/nowhere/hv.toml" in line


class TestUnknown:
    def test_a_slip_in_a_variable_is_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HV_PROT", "80")
        assert configuration.unknown() == ["HV_PROT"]

    def test_variables_of_tests_and_deployment_are_known(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = configuration.unknown()
        for name in ("HV_SHARED", "HV_TEST_DATABASES", "HV_TLS_PEM", "HV_BIND", "HV_API_1"):
            monkeypatch.setenv(name, "x")
        assert configuration.unknown() == before == []

    def test_unknown_tables_and_keys_of_the_file_are_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "hv.toml"
        path.write_text("[core]\nport = 1\nprot = 2\n[attic]\nx = 1\n")
        monkeypatch.setenv("HV_CONFIG", str(path))
        assert configuration.unknown() == ["[core] prot", "[attic]"]
