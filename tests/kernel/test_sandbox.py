# SPDX-License-Identifier: Apache-2.0
"""The child process: its answer, its limits, and what it cannot reach."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import healthvision
from healthvision.kernel import sandbox
from healthvision.kernel import sandbox_processes as processes
from healthvision.kernel.confinement import files_version
from healthvision.kernel.sandbox import (
    Bundle,
    Limits,
    SandboxFailed,
    SandboxUnavailable,
    files_problem,
    network_problem,
    run,
)
from healthvision.kernel.sandbox_child import EXIT_NETWORK

TARGETS = "tests.support.sandbox_targets"
LIMITS = Limits(memory_mb=400, cpu_seconds=20, wall_seconds=20, output_mb=20, threads=1)

NEEDS_LANDLOCK = pytest.mark.skipif(files_version() == 0, reason="the kernel has no Landlock")


def _fails(name: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(SandboxFailed) as caught:
        run(f"{TARGETS}:{name}", {}, limits=limits)
    return caught.value.reason


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _lives(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _new_network() -> int:
    """Return the number of a network namespace that was made now and is gone again."""
    time.sleep(0.02)  # the kernel takes ended ones away by and by
    program = (
        "import ctypes, os; ctypes.CDLL(None).unshare(0x50000000); "
        "print(os.stat('/proc/self/ns/net').st_ino)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, check=True)
    return int(done.stdout)


class TestRun:
    def test_gives_answer_array_and_progress(self) -> None:
        seen: list[tuple[float, str]] = []
        with Bundle() as bundle:
            bundle.add("a", b"12345")
            bundle.add("b", b"")
            outcome = run(
                f"{TARGETS}:summed",
                {"count": 4},
                bundle,
                limits=LIMITS,
                progress=lambda f, s: seen.append((f, s)),
            )
        assert outcome.answer == {"lengths": [5, 0], "array": "numbers"}
        assert outcome.array("numbers").tolist() == [0, 1, 2, 3]
        assert seen == [(0.5, "half")]

    def test_the_network_is_cut_and_the_environment_stays_outside(
        self, listener: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HV_SECRET", "x")
        request = {"host": "127.0.0.1", "port": listener}
        with Bundle() as bundle:
            shut = run(f"{TARGETS}:surroundings", request, bundle, limits=LIMITS).answer
        open_ = run(f"{TARGETS}:surroundings", request, limits=LIMITS, network=True).answer
        assert shut["network"] in ("OSError", "PermissionError")
        assert open_["network"] == "connected"
        assert "HV_SECRET" not in shut["environment"]

    def test_a_hang_is_a_timeout(self) -> None:
        started = time.monotonic()
        assert _fails("hang", Limits(400, 20, 1, 20, 1)) == "timeout"
        assert time.monotonic() - started < 25

    def test_processor_time_is_bounded(self) -> None:
        assert _fails("spin", Limits(400, 1, 20, 20, 1)) == "cpu"

    def test_a_memory_eater_is_stopped(self) -> None:
        assert _fails("eat") == "memory"

    def test_address_space_is_bounded_too(self) -> None:
        assert _fails("eat", Limits(4000, 20, 20, 20, 1, address_slack_mb=-3400)) == "memory"

    def test_a_crash_says_the_signal(self) -> None:
        with pytest.raises(SandboxFailed, match="SIGABRT") as caught:
            run(f"{TARGETS}:abort", {}, limits=LIMITS)
        assert caught.value.reason == "crash"

    def test_a_sudden_end_says_the_exit_code(self) -> None:
        with pytest.raises(SandboxFailed, match="exit code 3"):
            run(f"{TARGETS}:leave", {}, limits=LIMITS)

    def test_an_exception_is_told_without_its_message(self) -> None:
        with pytest.raises(SandboxFailed) as caught:
            run(f"{TARGETS}:complain", {}, limits=LIMITS)
        assert caught.value.reason == "exception"
        assert "ValueError at sandbox_targets.py" in caught.value.detail
        assert "Wang" not in caught.value.detail

    def test_output_is_capped(self) -> None:
        assert _fails("fill") == "output"

    def test_pickle_is_refused(self) -> None:
        assert _fails("pickled") == "answer"

    def test_the_input_cannot_be_changed(self) -> None:
        with Bundle() as bundle:
            bundle.add("a", b"123")
            outcome = run(f"{TARGETS}:write_input", {}, bundle, limits=LIMITS)
        assert outcome.answer in ("OSError", "PermissionError")

    def test_cancelling_stops_at_once(self) -> None:
        stop = threading.Event()
        threading.Timer(0.5, stop.set).start()
        started = time.monotonic()
        with pytest.raises(SandboxFailed) as caught:
            run(f"{TARGETS}:hang", {}, limits=LIMITS, cancelled=stop.is_set)
        assert caught.value.reason == "cancelled"
        assert time.monotonic() - started < 25

    def test_the_walls_stand_before_any_thread_is_there(self) -> None:
        answer = run(f"{TARGETS}:threads", {}, limits=Limits(400, 20, 20, 20, 2)).answer
        assert answer["networks"] == 1
        assert answer["filtered"] == ["2"]

    @NEEDS_LANDLOCK
    def test_files_outside_its_folder_can_neither_be_read_nor_written(self, tmp_path: Path) -> None:
        (tmp_path / "master.key").write_text("00" * 32)
        victim = sorted(Path(healthvision.__file__).parent.glob("*.py"))[0]
        request = {
            "read": [str(tmp_path / "master.key"), "/etc/shadow", f"/proc/{os.getpid()}/environ"],
            "write": [str(tmp_path / "new"), str(victim), "/tmp/hv-escape", "/dev/shm/hv-escape"],
        }
        answer = run(f"{TARGETS}:trespass", request, limits=LIMITS).answer
        assert set(answer["read"].values()) == {"PermissionError"}
        assert set(answer["write"].values()) == {"PermissionError"}
        assert answer["own"] == "written"

    @NEEDS_LANDLOCK
    def test_a_data_folder_beside_a_module_stays_shut(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "hv_extra_module.py").write_text("VALUE = 7\n")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "healthvision.db").write_bytes(b"rows")
        monkeypatch.syspath_prepend(tmp_path)
        request = {"module": "hv_extra_module", "path": str(tmp_path / "data" / "healthvision.db")}
        answer = run(f"{TARGETS}:import_and_peek", request, limits=LIMITS).answer
        assert answer == {"value": 7, "read": "PermissionError"}

    def test_it_cannot_trace_signal_or_reach_a_local_socket(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / "s"))
            server.listen()
            request = {"pid": os.getpid(), "socket": str(tmp_path / "s")}
            answer = run(f"{TARGETS}:reach_out", request, limits=LIMITS).answer
        assert answer["trace"] != 0
        assert answer["unshare"] != 0
        assert answer["socket"] == "PermissionError"
        if files_version() >= 6:
            assert answer["signal"] == "PermissionError"

    def test_a_fork_bomb_ends_and_leaves_nothing_behind(self) -> None:
        limits = Limits(400, 20, 10, 20, 1, processes=30)
        with pytest.raises(SandboxFailed) as caught:
            run(f"{TARGETS}:bomb", {}, limits=limits)
        assert caught.value.reason in ("processes", "exception", "memory")
        assert not [p for p in Path("/proc").iterdir() if p.name.isdigit() and _is_bomb(p)]

    def test_an_orphan_that_left_the_group_does_not_outlive_the_run(self) -> None:
        pid = run(f"{TARGETS}:orphan", {}, limits=LIMITS).answer["pid"]
        end = time.monotonic() + 60  # a killed process is gone when the kernel gets to it
        while _lives(pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert not _lives(pid)

    def test_the_number_of_its_network_is_nobody_elses_while_it_is_swept(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What has that number is killed: the kernel gives those of ended networks to new ones."""
        swept: list[tuple[int | None, set[int]]] = []
        plain = processes.kill

        def kill(child: "subprocess.Popen[bytes]", network_id: int | None) -> None:
            child.kill()
            child.wait()
            swept.append((network_id, {_new_network() for _ in range(5)}))
            plain(child, network_id)

        monkeypatch.setattr(processes, "kill", kill)
        run(f"{TARGETS}:summed", {"count": 3}, limits=LIMITS)
        ((number, others),) = swept
        assert number is not None
        assert number not in others

    def test_it_runs_without_the_rights_of_an_administrator(self) -> None:
        if os.getuid() != 0:
            pytest.skip("is not root, so that every other test shows it")
        drop_admin = "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(24, 21, 0, 0, 0) == 0"
        look = (
            "from healthvision.kernel.sandbox import network_problem; "
            "assert network_problem() is None, network_problem()"
        )
        program = f"{drop_admin}; os.execv(sys.executable, [sys.executable, '-c', {look!r}])"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def test_no_descendant_survives(self) -> None:
        assert _fails("offspring", Limits(400, 20, 1, 20, 1)) == "timeout"
        mine = {
            p.name
            for p in Path("/proc").iterdir()
            if p.name.isdigit() and _command(p).count("sandbox_boot") and _ours(p)
        }
        assert not mine

    def test_fails_closed_where_the_network_cannot_be_cut(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = f"import os; os._exit({EXIT_NETWORK})"  # what the child does when refused
        monkeypatch.setattr(sandbox, "_CHILD", ("-I", "-c", program))
        with pytest.raises(SandboxUnavailable):
            run(f"{TARGETS}:hang", {}, limits=LIMITS)
        assert "user namespaces" in (network_problem() or "")


def _is_bomb(process: Path) -> bool:
    alive = "State:\tZ" not in _text(process / "status")
    return alive and "hv-bomb" in _text(process / "comm")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return "State:\tZ"


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _ours(process: Path) -> bool:
    try:
        text = (process / "status").read_text()
    except OSError:
        return False
    zombie = "State:\tZ" in text
    return not zombie and f"PPid:\t{os.getpid()}\n" in text


class TestFilesProblem:
    @NEEDS_LANDLOCK
    def test_this_machine_confines_files(self) -> None:
        assert files_problem() is None

    def test_a_kernel_without_landlock_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        program = (
            "from healthvision.kernel import confinement, sandbox_boot\n"
            "confinement.files_version = lambda: 0\n"
            "import os; os._exit(sandbox_boot.main())"
        )
        monkeypatch.setattr(sandbox, "_CHILD", ("-I", "-c", program))
        assert "Landlock" in (files_problem() or "")


class TestNetworkProblem:
    def test_this_machine_can_cut_the_network(self) -> None:
        assert network_problem() is None
