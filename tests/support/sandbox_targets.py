# SPDX-License-Identifier: Apache-2.0
"""Functions that behave badly inside the sandbox."""

import os
import socket
import time
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
