# SPDX-License-Identifier: Apache-2.0
"""The child process: its answer, its limits, and what it cannot reach."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from healthvision.kernel import sandbox
from healthvision.kernel.sandbox import (
    Bundle,
    Limits,
    SandboxFailed,
    SandboxUnavailable,
    network_problem,
    run,
)
from healthvision.kernel.sandbox_child import EXIT_NETWORK

TARGETS = "tests.support.sandbox_targets"
LIMITS = Limits(memory_mb=400, cpu_seconds=20, wall_seconds=20, output_mb=20, threads=1)


def _fails(name: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(SandboxFailed) as caught:
        run(f"{TARGETS}:{name}", {}, limits=limits)
    return caught.value.reason


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


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
        assert shut["network"] == "OSError"
        assert open_["network"] == "connected"
        assert "HV_SECRET" not in shut["environment"]

    def test_a_hang_is_a_timeout(self) -> None:
        started = time.monotonic()
        assert _fails("hang", Limits(400, 20, 1, 20, 1)) == "timeout"
        assert time.monotonic() - started < 5

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
        assert time.monotonic() - started < 5

    def test_no_descendant_survives(self) -> None:
        assert _fails("offspring", Limits(400, 20, 1, 20, 1)) == "timeout"
        mine = {
            p.name
            for p in Path("/proc").iterdir()
            if p.name.isdigit() and _command(p).count("sandbox_child") and _ours(p)
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


class TestNetworkProblem:
    def test_this_machine_can_cut_the_network(self) -> None:
        assert network_problem() is None
