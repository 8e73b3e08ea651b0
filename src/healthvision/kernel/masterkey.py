# SPDX-License-Identifier: Apache-2.0
"""The installation's master key: one file outside the data folder, other keys derived from it.

The database keeps a check value of the key (not the key), so that a lost or wrong file is found at
the start and not when the first object cannot be opened.
"""

import binascii
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from healthvision.kernel.db import Base, Database

KEY_BYTES = 32


class BadMasterKey(Exception):
    """The key file cannot be used; the text says why and how to mend it."""


class KeyCheck(Base):
    """The check value of the key that this database's secrets are sealed with; one row."""

    __tablename__ = "master_key_checks"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[str]


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
        path = _outside(path, data_dir)
        try:
            _create(path)
        except FileExistsError:
            pass
        except OSError as error:
            raise BadMasterKey(
                f"cannot make the master key file {path}: {error.strerror}"
            ) from None
        return cls(_read(path))

    @classmethod
    def load(cls, path: Path, *, data_dir: Path | None = None) -> "MasterKey":
        """Read the key file; raises BadMasterKey as ``load_or_create``, and when it is absent."""
        path = _outside(path, data_dir)
        if not path.exists():
            raise BadMasterKey(f"the master key file {path} is missing")
        return cls(_read(path))

    def check(self) -> str:
        """Return a text that tells this key from others and gives nothing of it away."""
        return self.derive(b"check").hex()

    def derive(self, label: bytes) -> bytes:
        """Return 32 bytes bound to the label (HKDF-SHA256, RFC 5869)."""
        return HKDF(
            algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=b"healthvision:" + label
        ).derive(self._secret)


async def known_check(db: Database) -> str | None:
    """Return the check value that the database keeps; None when no process started on it yet."""
    async with db.reading() as session:
        return await session.scalar(select(KeyCheck.value))


async def installation_key(
    db: Database, path: Path, *, data_dir: Path | None = None, make: bool = True
) -> MasterKey:
    """Return the key that belongs to a database with the schema of this version.

    The key file is made only for a database that has seen no key yet, and only with ``make``;
    then the database also learns the key's check value. Raises BadMasterKey when the file is
    missing, cannot be used, or holds another key than the one the database was filled with.
    """
    known = await known_check(db)
    if known is None and not make:
        return MasterKey.load(path, data_dir=data_dir)
    if known is None:
        key = MasterKey.load_or_create(path, data_dir=data_dir)
        known = await _remember(db, key)
    elif path.expanduser().exists():
        key = MasterKey.load(path, data_dir=data_dir)
    else:
        raise BadMasterKey(
            f"the master key file {path} is missing, and the data of this installation are sealed "
            "with it: put your copy of the file back (chmod 600), or set HV_MASTER_KEY_FILE to "
            "where it is; no new key is made, since it could open nothing"
        )
    if not hmac.compare_digest(known, key.check()):
        raise BadMasterKey(
            f"the master key file {path} holds another key than the one that the data of this "
            "installation are sealed with: put your copy of the right file back (chmod 600), or "
            "set HV_MASTER_KEY_FILE to where it is"
        )
    return key


async def _remember(db: Database, key: MasterKey) -> str:
    """Write the check value unless another process was first; return what the database keeps."""
    try:
        async with db.transaction() as session:
            session.add(KeyCheck(id=1, value=key.check()))
    except IntegrityError:
        return await known_check(db) or ""
    return key.check()


def _outside(path: Path, data_dir: Path | None) -> Path:
    path = path.expanduser()
    if data_dir is not None and _inside(path, data_dir):
        raise BadMasterKey(
            f"the master key file {path} lies inside the data folder {data_dir}; "
            "set HV_MASTER_KEY_FILE to a place outside"
        )
    return path


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
