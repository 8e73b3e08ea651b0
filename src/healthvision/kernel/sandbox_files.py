# SPDX-License-Identifier: Apache-2.0
"""The input files of a sandbox in one nameless file, on their way into it."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from healthvision.kernel.sandbox_child import SandboxFiles, Span

MEMFD_LIMIT = 1 << 30


class Bundle:
    """Input files on their way into a sandbox, in one nameless file. Use with ``with``."""

    def __init__(self, expected_bytes: int = 0) -> None:
        self._sealable = expected_bytes <= MEMFD_LIMIT
        self.spans: list[Span] = []
        self.size = 0
        if self._sealable:
            self._descriptor = os.memfd_create("hv-sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        else:
            self._descriptor, name = tempfile.mkstemp(prefix="hv-sandbox-")
            os.unlink(name)

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def add(self, name: str, data: bytes) -> int:
        """Append one file and return its index."""
        view, at = memoryview(data), 0
        while at < len(view):
            at += os.write(self._descriptor, view[at:])
        self.spans.append(Span(name, self.size, len(data)))
        self.size += len(data)
        return len(self.spans) - 1

    def read(self, index: int) -> bytes:
        """Return the bytes of one file, as the child will read them."""
        return SandboxFiles(self._descriptor, self.spans).read(index)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Give a read-only descriptor; from now on nothing can be added to a memfd."""
        if self._sealable:
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)
        descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
