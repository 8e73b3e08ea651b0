# SPDX-License-Identifier: Apache-2.0
"""Who holds a port, and how doctor, up and the demo tell it."""

import errno
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
        found = ports.obstacle("127.0.0.1", taken)
        assert found is not None and found.kind == "taken"
        assert f"(process {os.getpid()})" in ports.holder(taken)

    def test_a_port_that_nobody_holds_is_free(self) -> None:
        assert ports.obstacle("127.0.0.1", 0) is None

    def test_one_that_cannot_be_seen_may_also_be_ours_under_another_account(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ports, "_links", lambda _folder: iter(()))  # as for another user
        assert ports.holder(taken) == "another program, or HealthVision under another account"
        assert not ports.is_ours(taken)

    @pytest.mark.parametrize(
        ("command", "ours"),
        [
            ("python -m healthvision up", True),
            ("/opt/bin/healthvision up", True),
            ("/opt/bin/python3 /opt/bin/healthvision up", True),
            ("orthanc", False),
            ("orthanc /srv/healthvision/orthanc.json", False),
            ("python -m healthvision.kernel.sandbox_boot", False),
            ("/opt/healthvision/bin/python -m http.server", False),
            ("", False),
        ],
    )
    def test_ours_is_told_by_the_whole_command(
        self, taken: int, monkeypatch: pytest.MonkeyPatch, command: str, ours: bool
    ) -> None:
        monkeypatch.setattr(ports, "_argv", lambda _process: command.split(" "))
        assert ports.is_ours(taken) is ours


class TestObstacle:
    """What is not taken is never called taken: doctor, up and the demo say what is wrong."""

    @pytest.mark.parametrize(
        ("error", "port", "said"),
        [
            (
                PermissionError(errno.EACCES, "Permission denied"),
                104,
                "port 104 cannot be opened: ports below 1024 need rights",
            ),
            (
                socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
                11112,
                "port 11112 cannot be opened: there is no host '",
            ),
            (
                OSError(errno.EADDRNOTAVAIL, "Cannot assign"),
                11112,
                "is no address of this machine",
            ),
            (OSError(errno.EMFILE, "Too many open files"), 11112, "Too many open files"),
        ],
    )
    def test_is_named(
        self, monkeypatch: pytest.MonkeyPatch, error: OSError, port: int, said: str
    ) -> None:
        def refuse(*_arguments: object) -> None:
            raise error

        monkeypatch.setenv("HV_DIMSE_PORT", str(port))
        with monkeypatch.context() as patched:
            patched.setattr(server, "free_port", lambda wanted: wanted or 5000)
            patched.setattr(socket.socket, "bind", refuse)
            found, told = _dicom_check(), roles.dicom_trouble(DimseSettings())
            chosen = server._ports(0)
        assert found.state == "warning" and told is not None
        (note,) = chosen.notes
        for text in (found.seen, told, note):
            assert said in text
            assert "held by" not in text and "stop" not in text
        assert "HV_DIMSE_" in found.remedy


class TestTold:
    def test_doctor_names_the_holder_and_the_remedy(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ports, "_argv", lambda _process: ["orthanc"])
        found = _dicom_check()
        assert found.state == "warning"
        assert str(taken) in found.seen and str(os.getpid()) in found.seen
        assert "HV_DIMSE_PORT" in found.remedy

    def test_doctor_is_content_with_our_own_server(
        self, taken: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ports, "_argv", lambda _process: ["python", "-m", "healthvision"])
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
