# SPDX-License-Identifier: Apache-2.0
"""Sealing blobs for a journal, in any thread, without asking the database again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from healthvision.kernel import crypto


@dataclass(frozen=True, slots=True)
class BlobSealer:
    """Seals blobs of one organisation under its newest key; ``key_id`` None: nothing is sealed."""

    key_id: UUID | None
    key: bytes = field(default=b"", repr=False)

    def seal(self, context: bytes, text: bytes) -> list[bytes]:
        """Return a sealed blob as parts to be written one after another."""
        if self.key_id is None:
            return [text]
        return crypto.seal_parts(self.key, self.key_id, context, text)

    def stream(self, context: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield a sealed blob while its text comes in."""
        if self.key_id is None:
            yield from pieces
            return
        sealer = crypto.Sealer(self.key, self.key_id, context)
        yield sealer.header
        for piece in pieces:
            yield sealer.update(piece)
        yield sealer.finish()

    def sealed_length(self, plain: int) -> int:
        """Return how long a blob of that many bytes is once it is sealed."""
        return plain if self.key_id is None else crypto.sealed_length(plain)

    def seal_note(self, context: bytes, text: bytes) -> bytes:
        """Return a short sealed text (a record's head)."""
        return text if self.key_id is None else crypto.seal_small(self.key, text, context)
