# SPDX-License-Identifier: Apache-2.0
"""The installation's master key: one file outside the data folder, other keys derived from it."""

import binascii
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


class BadMasterKey(Exception):
    """The key file cannot be used; the text says why and how to mend it."""


class MasterKey:
    """32 secret bytes; rooms get keys of their own by ``derive``, never the key itself."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise BadMasterKey(f"the master key has {len(secret)} bytes, not {KEY_BYTES}")
        self._secret = secret

    def __repr__(self) -> str:
        """Return a text without the secret."""
        return "MasterKey(...)"

    @classmethod
    def load_or_create(cls, path: Path, *, data_dir: Path | None = None) -> "MasterKey":
        """Read the key file (64 hexadecimal digits), or make it (mode 0600) when absent.

        Raises BadMasterKey when the file lies inside ``data_dir`` (a stolen data folder must be
        worthless), when others than its owner may read it, or when it holds no key.
        """
        path = path.expanduser()
        if data_dir is not None and _inside(path, data_dir):
            raise BadMasterKey(
                f"the master key file {path} lies inside the data folder {data_dir}; "
                "set HV_MASTER_KEY_FILE to a place outside"
            )
        try:
            _create(path)
        except FileExistsError:
            pass
        except OSError as error:
            raise BadMasterKey(
                f"cannot make the master key file {path}: {error.strerror}"
            ) from None
        return cls(_read(path))

    def derive(self, label: bytes) -> bytes:
        """Return 32 bytes bound to the label (HKDF-SHA256, RFC 5869)."""
        return HKDF(
            algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=b"healthvision:" + label
        ).derive(self._secret)


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.expanduser().resolve())


def _create(path: Path) -> None:
    """Make the file whole or not at all: written beside, then linked to its name."""
    if path.exists():
        raise FileExistsError(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # without the key all that is encrypted with it is lost
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise BadMasterKey(
                f"others may read the master key file {path} (mode {stat.S_IMODE(mode):04o}); "
                f"run: chmod 600 {path}"
            )
        return binascii.unhexlify(path.read_text(encoding="ascii").strip())
    except OSError as error:
        raise BadMasterKey(f"cannot read the master key file {path}: {error.strerror}") from None
    except ValueError:
        raise BadMasterKey(f"the master key file {path} holds no hexadecimal key") from None
