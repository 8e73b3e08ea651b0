# SPDX-License-Identifier: Apache-2.0
"""Functions that behave badly inside the sandbox."""

import ctypes
import importlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np

from healthvision.kernel.sandbox import SandboxFiles, SandboxOut


def summed(request: Any, files: SandboxFiles, out: SandboxOut) -> Any:
    """Answer with the lengths of the files and an array."""
    out.progress(0.5, "half")
    name = out.array("numbers", np.arange(request["count"]))
    return {"lengths": [len(files.read(i)) for i in range(len(files))], "array": name}


def surroundings(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Tell what the child sees of its parent."""
    reached = ""
    try:
        socket.create_connection((_request["host"], _request["port"]), timeout=2).close()
        reached = "connected"
    except OSError as error:
        reached = type(error).__name__
    return {"environment": sorted(os.environ), "network": reached}


def hang(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Never answer."""
    time.sleep(120)


def spin(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Burn processor time."""
    while True:
        pass


def eat(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Use memory until it ends."""
    held = []
    while True:
        held.append(np.ones(32 * 1024 * 1024, np.uint8))


def abort(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Die by a signal."""
    os.abort()


def leave(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """End without an answer."""
    os._exit(3)


def complain(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Raise with a secret in the message."""
    raise ValueError("patient Wang XiaoDong")


def fill(_request: Any, _files: SandboxFiles, out: SandboxOut) -> Any:
    """Write more than allowed."""
    for index in range(1000):
        out.array(f"big{index}", np.ones(8 * 1024 * 1024, np.uint8))
        time.sleep(0.02)


def pickled(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Leave an array that only pickle can read."""
    np.save("evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return {}


def write_input(_request: Any, files: SandboxFiles, _out: SandboxOut) -> Any:
    """Try to change the input."""
    try:
        os.pwrite(files._descriptor, b"x", 0)
    except OSError as error:
        return type(error).__name__
    return "written"


def offspring(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Leave a child process behind that left the group."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    time.sleep(60)


def threads(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Tell in how many networks this process's threads are, and their seccomp modes."""
    tasks = [p for p in Path("/proc/self/task").iterdir()]
    modes = {_status(p, "Seccomp:") for p in tasks}
    networks = {os.stat(p / "ns/net").st_ino for p in tasks}
    return {"networks": len(networks), "filtered": sorted(modes)}


def _status(task: Path, name: str) -> str:
    lines = (task / "status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(name))


def trespass(request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Try to read and write what is not its own."""
    return {
        "read": {path: _opened(path, "rb") for path in request["read"]},
        "write": {path: _opened(path, "ab") for path in request["write"]},
        "own": _opened("own.bin", "wb"),
    }


def _opened(path: str, mode: str) -> str:
    try:
        with open(path, mode) as file:
            if mode == "rb":
                file.read(1)
    except OSError as error:
        return type(error).__name__
    return "read" if mode == "rb" else "written"


def import_and_peek(request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Import a module and try to read a file that lies beside it."""
    module = importlib.import_module(request["module"])
    return {"value": module.VALUE, "read": _opened(request["path"], "rb")}


def reach_out(request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Try to trace and signal the parent, to leave by a namespace, to reach a local socket."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach, new_user = 16, 0x10000000
    answer: dict[str, Any] = {
        "trace": libc.ptrace(attach, request["pid"], 0, 0),
        "unshare": libc.unshare(new_user),
        "socket": "connected",
        "signal": "sent",
    }
    try:
        socket.socket(socket.AF_UNIX).connect(request["socket"])
    except OSError as error:
        answer["socket"] = type(error).__name__
    try:
        os.kill(request["pid"], signal.SIGCONT)
    except OSError as error:
        answer["signal"] = type(error).__name__
    return answer


def bomb(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Fork as fast as the machine can, each child in a session of its own."""
    Path("/proc/self/comm").write_text("hv-bomb")
    while True:
        if os.fork() == 0:
            os.setsid()


def orphan(_request: Any, _files: SandboxFiles, _out: SandboxOut) -> Any:
    """Leave a grandchild behind that nobody waits for, and answer at once."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
        else:
            os.write(write_end, str(pid).encode())
        os._exit(0)
    return {"pid": int(os.read(read_end, 20))}


def asks(request: Any, _files: SandboxFiles, out: SandboxOut) -> Any:
    """Ask the parent to double an array; answer with the sum, or with why it refused."""
    try:
        said = out.ask(request["engine"], {"factor": 2, "x": np.arange(request["count"])})
    except RuntimeError as refused:
        return str(refused)
    return int(said["x"].sum())
