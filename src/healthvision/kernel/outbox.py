# SPDX-License-Identifier: Apache-2.0
"""A file that writers fill and senders empty, so that a zip leaves while it is written."""

import io
import zipfile

_EPOCH = (1980, 1, 1, 0, 0, 0)  # no clock in the file: same content, same bytes


class Outbox(io.RawIOBase):
    """Where the zip writer writes; ``take`` hands the bytes on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Tell the zip writer that it may write."""
        return True

    def write(self, data: object) -> int:
        """Keep the bytes until they are taken."""
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        out = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        return out


def plain_entry(name: str) -> zipfile.ZipInfo:
    """Return a zip entry that only its owner may read, without a time."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o600 << 16
    return entry
