# SPDX-License-Identifier: Apache-2.0
"""The sealed form of a row: canonical bytes, hash chain, signed heads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GENESIS = bytes(32)
FORMAT = 1
UUID_COLUMNS = frozenset({"id", "org_id", "user_id", "patient_id", "space_id"})
SEALED_COLUMNS = (
    "id",
    "org_id",
    "at_us",
    "category",
    "actor_kind",
    "actor_id",
    "user_id",
    "on_behalf_of",
    "action",
    "kind",
    "subject",
    "patient_id",
    "space_id",
    "outcome",
    "before",
    "after",
    "detail",
    "address",
    "request_id",
    "trace_id",
)
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def entry_of(sequence: int, values: Sequence[Any]) -> bytes:
    """Return the canonical bytes of a row: a JSON array of format, sequence and columns.

    ``values``: as ``SEALED_COLUMNS``, ids as 32 hex digits, times as integers.
    """
    return _encode([FORMAT, sequence, *values]).encode()


def link(previous: bytes, entry: bytes) -> bytes:
    """Return the chain hash of a row after the chain hash of the row before it."""
    return sha256(previous + entry).digest()


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The signed state of the log after ``size`` rows."""

    size: int
    root: bytes
    chain: bytes
    at_us: int
    key_id: str
    signature: bytes

    def signed_text(self) -> str:
        """Return the text under the signature."""
        return head_text(self.size, self.root, self.chain, self.at_us)

    def line(self) -> str:
        """Return the head as one line of an anchor file."""
        return json.dumps(
            {
                "v": FORMAT,
                "size": self.size,
                "root": self.root.hex(),
                "chain": self.chain.hex(),
                "at_us": self.at_us,
                "key_id": self.key_id,
                "signature": self.signature.hex(),
            }
        )

    @classmethod
    def parse(cls, line: str) -> "SignedHead":
        """Read one line of an anchor file; ValueError when it is none."""
        try:
            raw = json.loads(line)
            return cls(
                size=int(raw["size"]),
                root=bytes.fromhex(raw["root"]),
                chain=bytes.fromhex(raw["chain"]),
                at_us=int(raw["at_us"]),
                key_id=str(raw["key_id"]),
                signature=bytes.fromhex(raw["signature"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no tree head: {error}") from None


def head_text(size: int, root: bytes, chain: bytes, at_us: int) -> str:
    """Return the text that is signed for a head."""
    return f"healthvision-audit-head/{FORMAT}\n{size}\n{root.hex()}\n{chain.hex()}\n{at_us}\n"


class HeadSigner:
    """Signs and checks tree heads with an Ed25519 key derived from the master key."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public: Ed25519PublicKey = self._private.public_key()
        self.public_bytes = self._public.public_bytes_raw()
        self.key_id = sha256(self.public_bytes).hexdigest()[:16]

    def sign(self, *, size: int, root: bytes, chain: bytes, at_us: int) -> SignedHead:
        """Return the signed head."""
        signature = self._private.sign(head_text(size, root, chain, at_us).encode())
        return SignedHead(size, root, chain, at_us, self.key_id, signature)

    def check(self, head: SignedHead) -> bool:
        """Tell whether the head was signed with this installation's key."""
        try:
            self._public.verify(head.signature, head.signed_text().encode())
        except InvalidSignature:
            return False
        return True
