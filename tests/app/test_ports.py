# SPDX-License-Identifier: Apache-2.0
"""Who holds a port, and how doctor, up and the demo tell it."""

import os
import socket
from collections.abc import Iterator

import pytest

from healthvision.app import checks, ports, roles
from healthvision.app.checks import Check
from healthvision.app.demo import server
from healthvision.interfaces.dimse.settings import DimseSettings
from healthvision.kernel.settings import CoreSettings


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that this process holds, which is the wanted DICOM port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port: int = other.getsockname()[1]
        monkeypatch.setenv("HV_DIMSE_PORT", str(port))
        yield port


def _dicom_check() -> Check:
    (found,) = (check for check in checks.PLAIN if check.__name__ == "_dicom_port")
    return found(CoreSettings())


class TestHolder:
    def test_names_the_program_and_its_process(self, taken: int) -> None:
        assert not ports.is_free("127.0.0.1", taken)
        assert f"(process {os.getpid()})" in ports.holder(taken)

    def test_a_port_that_nobody_holds_is_free(self) -> None:
        assert ports.is_free("127.0.0.1", 0)

    def test_ours_is_told_by_the_command(self, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ports, "_command", lambda _process: "python -m healthvision up")
        assert ports.is_ours(taken)
        monkeypatch.setattr(ports, "_command", lambda _process: "orthanc")
        assert not ports.is_ours(taken)


class TestTold:
    def test_doctor_names_the_holder_and_the_remedy(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ports, "_command", lambda _process: "orthanc")
        found = _dicom_check()
        assert found.state == "warning"
        assert str(taken) in found.seen and str(os.getpid()) in found.seen
        assert "HV_DIMSE_PORT" in found.remedy

    def test_doctor_is_content_with_our_own_server(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ports, "_command", lambda _process: "python -m healthvision up")
        assert _dicom_check().state == "ok"

    def test_up_says_what_does_not_work_and_what_to_do(self, taken: int) -> None:
        trouble = roles.dicom_trouble(DimseSettings())
        assert trouble is not None
        assert f"DICOM port {taken} is held by" in trouble
        assert "HV_DIMSE_PORT" in trouble

    def test_up_says_nothing_of_a_port_that_is_not_wanted(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_DIMSE_ENABLED", "false")
        assert roles.dicom_trouble(DimseSettings()) is None

    def test_the_demo_takes_other_ports_and_says_so(self, taken: int) -> None:
        chosen = server._ports(taken)
        assert chosen.http != taken
        assert chosen.dicom not in (None, taken)
        pages, dicom = chosen.notes
        assert f"port {taken}" in pages and "--port" in pages
        assert f"DICOM port {taken}" in dicom and str(chosen.dicom) in dicom


class TestShow:
    def test_a_path_that_has_to_be_copied_is_never_cut(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        path = "/srv/" + "/".join(["a-long-name"] * 20) + "/master.key"
        check = Check("master key", "warning", f"{path} is missing", f"put {path} back")
        assert checks.show([check, Check("python", "failed", "2.7")], as_json=False) == 1
        said = capsys.readouterr().out
        assert f"{path} is missing" in said
        assert f"-> put {path} back" in said
