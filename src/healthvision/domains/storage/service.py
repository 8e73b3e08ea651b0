# SPDX-License-Identifier: Apache-2.0
"""Keeping and reading bytes: encrypted on the way in, checked on the way out.

Nothing here may be called while the caller holds a writing session, but ``prepare_org`` and
``on_organisation_created``: on SQLite the two would wait for each other.
"""

import hashlib
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote
from uuid import UUID

from healthvision.domains.identity.events import OrganisationCreated
from healthvision.domains.storage import repository
from healthvision.domains.storage.blobs import (
    open_blob,
    put_sealed,
    read_blob,
    read_joined,
    read_many,
    read_sealed,
    read_span,
)
from healthvision.domains.storage.blobsealing import BlobSealer
from healthvision.domains.storage.errors import BodyNotAsSigned
from healthvision.domains.storage.folder import problem_of
from healthvision.domains.storage.keys import key_context, opening_key, remember
from healthvision.domains.storage.ports import ObjectInfo, StoredObject
from healthvision.domains.storage.schemas import Presigned
from healthvision.domains.storage.tables import OrgKey
from healthvision.domains.storage.vault import JOURNAL, PutGuard, Vault
from healthvision.kernel import crypto
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import Database, Session, resources_of
from healthvision.kernel.errors import TooLarge
from healthvision.kernel.security import Actor

__all__ = [
    "BLOBS",
    "BlobSealer",
    "blob_sealer",
    "delete",
    "delete_key",
    "delete_staged",
    "guard_puts",
    "known_blob_sealer",
    "list_objects",
    "on_organisation_created",
    "open_blob",
    "opening_key",
    "prepare_org",
    "presign_get",
    "presign_put",
    "problem_of",
    "put",
    "put_sealed",
    "read",
    "read_blob",
    "read_joined",
    "read_many",
    "read_sealed",
    "read_span",
    "read_staged",
    "read_staged_key",
    "read_whole",
    "scratch_file",
    "seal_text",
    "spool_folder",
    "staged_key",
    "staged_sizes",
    "store_names",
    "take_signed_put",
]

Source = bytes | AsyncIterable[bytes]
BLOBS = "/v1/blobs"


async def prepare_org(session: Session, org_id: UUID) -> None:
    """Make the first key of an organisation in the caller's transaction; safe to run twice."""
    vault = resources_of(session).get(Vault)
    if await repository.newest_key(session, org_id) is None:
        key_id, key = new_id(), crypto.new_key()
        wrapped = crypto.seal_small(vault.wrapping_key, key, key_context(org_id, key_id))
        row = OrgKey(id=key_id, org_id=org_id, version=1, wrapped=wrapped.hex())
        await repository.add_key(session, row)


async def on_organisation_created(
    session: Session, actor: Actor, event: OrganisationCreated
) -> None:
    """Give a new organisation its key."""
    await prepare_org(session, event.org_id)


async def _sealing_key(db: Database, org_id: UUID) -> UUID:
    vault = db.resources.get(Vault)
    if org_id not in vault.newest:
        row = await _newest(db, org_id)
        if row is None:
            async with db.transaction() as session:
                await prepare_org(session, org_id)
            row = await _newest(db, org_id)
        assert row is not None
        remember(vault, row)
        vault.newest[org_id] = row.id
    return vault.newest[org_id]


async def _newest(db: Database, org_id: UUID) -> OrgKey | None:
    async with db.reading() as session:
        return await repository.newest_key(session, org_id)


async def blob_sealer(db: Database, org_id: UUID) -> BlobSealer:
    """Return what seals an organisation's blobs in any thread; keep it no longer than a batch.

    Raises DatabaseUnavailable when the key has to be asked for and cannot.
    """
    vault = db.resources.get(Vault)
    if not vault.encrypt:
        return BlobSealer(None)
    key_id = await _sealing_key(db, org_id)
    return BlobSealer(key_id, vault.keys[key_id])


def known_blob_sealer(db: Database, org_id: UUID) -> BlobSealer | None:
    """Return the same without waiting, or None when the key was not used yet; for threads."""
    vault = db.resources.get(Vault)
    if not vault.encrypt:
        return BlobSealer(None)
    key_id = vault.newest.get(org_id)
    return None if key_id is None else BlobSealer(key_id, vault.keys[key_id])


async def open_note(
    db: Database, org_id: UUID, key_id: UUID | None, sealed: bytes, context: bytes
) -> bytes:
    """Return what ``BlobSealer.seal_note`` sealed; raises Damaged."""
    if key_id is None:
        return sealed
    return crypto.open_small(await opening_key(db, org_id, key_id), sealed, context)


def spool_folder(db: Database) -> Path:
    """Return the folder of the journals; the store ``journal`` reads it."""
    return db.resources.get(Vault).spool


async def put(
    db: Database,
    org_id: UUID,
    key: str,
    source: Source,
    *,
    store: str | None = None,
    replace: bool = True,
) -> StoredObject:
    """Keep bytes under a key; they are durable when this returns.

    Raises OutOfSpace, StoreUnavailable, and ObjectExists when ``replace`` is off and the key is
    taken. Keys hold ids only, nothing personal.
    """
    vault = db.resources.get(Vault)
    target = vault.store(store or vault.write_to)
    digest, size = hashlib.sha256(), 0
    key_id = await _sealing_key(db, org_id) if vault.encrypt else None
    sealer = None if key_id is None else crypto.Sealer(vault.keys[key_id], key_id, key.encode())
    if isinstance(source, bytes):
        sealed = [source] if sealer is None else _sealed(sealer, source)
        await target.put(key, sealed, replace=replace)
        return StoredObject(
            target.name, key, key_id, len(source), hashlib.sha256(source).hexdigest()
        )

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal size
        if sealer is not None:
            yield sealer.header
        async for piece in source:
            digest.update(piece)
            size += len(piece)
            yield piece if sealer is None else sealer.update(piece)
        if sealer is not None:
            yield sealer.finish()

    await target.put(key, chunks(), replace=replace)
    return StoredObject(target.name, key, key_id, size, digest.hexdigest())


async def seal_text(
    db: Database, org_id: UUID, context: bytes, text: bytes
) -> tuple[UUID | None, bytes]:
    """Return the id of the key and the sealed text, or (None, text) without encryption."""
    vault = db.resources.get(Vault)
    if not vault.encrypt:
        return None, text
    key_id = await _sealing_key(db, org_id)
    return key_id, crypto.seal(vault.keys[key_id], key_id, context, text)


def _sealed(sealer: crypto.Sealer, text: bytes) -> Sequence[bytes]:
    return [sealer.header, sealer.update(text), sealer.finish()]


async def read(
    db: Database, org_id: UUID, stored: StoredObject, start: int = 0, length: int | None = None
) -> AsyncIterator[bytes]:
    """Yield bytes ``start .. start + length`` of an object, decrypted.

    Raises ObjectMissing, StoreUnavailable or Damaged; encrypted bytes that were changed never
    come out, of unencrypted ones only a whole read can tell (see ``read_whole``).
    """
    wanted = max(0, stored.size - start) if length is None else length
    wanted = min(wanted, max(0, stored.size - start))
    vault = db.resources.get(Vault)
    source = vault.store(stored.store)
    if stored.key_id is None:
        async for piece in source.get(stored.key, start, start + wanted):
            yield piece
        return
    wrapping = await opening_key(db, org_id, stored.key_id)
    if wanted == 0 and stored.size:
        return
    span = crypto.span_of(start, wanted, stored.size)
    begin = 0 if span.first == 0 else span.start
    pieces = source.get(stored.key, begin, span.end)
    if begin:
        header = b"".join([p async for p in source.get(stored.key, 0, crypto.HEADER_BYTES)])
    else:
        header, pieces = await _split(pieces, crypto.HEADER_BYTES)
    opener = crypto.Opener(wrapping, header, stored.key.encode(), stored.size)
    async for text in opener.stream(span, pieces):
        yield text


async def _split(pieces: AsyncIterator[bytes], count: int) -> tuple[bytes, AsyncIterator[bytes]]:
    head = bytearray()
    while len(head) < count:
        piece = await anext(pieces, None)
        if piece is None:
            raise crypto.Damaged("a sealed object is cut short")
        head += piece

    async def rest() -> AsyncIterator[bytes]:
        if len(head) > count:
            yield bytes(head[count:])
        async for piece in pieces:
            yield piece

    return bytes(head[:count]), rest()


async def read_whole(db: Database, org_id: UUID, stored: StoredObject) -> AsyncIterator[bytes]:
    """Yield a whole object and check its SHA-256 before the last piece leaves; raises Damaged."""
    digest, before = hashlib.sha256(), b""
    async for piece in read(db, org_id, stored):
        digest.update(piece)
        if before:
            yield before
        before = piece
    if digest.hexdigest() != stored.sha256:
        raise crypto.Damaged("an object does not have its SHA-256 any more")
    yield before


async def delete(db: Database, stored: StoredObject) -> None:
    """Remove an object; unknown ones are no error."""
    await db.resources.get(Vault).store(stored.store).delete(stored.key)


async def delete_key(db: Database, key: str, *, store: str | None = None) -> None:
    """Remove an object by its key, of the store that is written to unless one is named."""
    vault = db.resources.get(Vault)
    await vault.store(store or vault.write_to).delete(key)


def store_names(where: Database | Session) -> list[str]:
    """Return the names of all stores but the journals'; the one written to comes first."""
    vault = _vault(where)
    names = (name for name in vault.stores if name != JOURNAL)
    return sorted(names, key=lambda name: (name != vault.write_to, name))


async def list_objects(
    db: Database, prefix: str, *, store: str | None = None
) -> AsyncIterator[ObjectInfo]:
    """Yield the objects of a store below a prefix."""
    vault = db.resources.get(Vault)
    async for found in vault.store(store or vault.write_to).list(prefix):
        yield found


def staged_key(org_id: UUID, name: str) -> str:
    """Return the key of a staged upload."""
    return f"staging/{org_id}/{name}"


def _vault(where: Database | Session) -> Vault:
    resources = where.resources if isinstance(where, Database) else resources_of(where)
    return resources.get(Vault)


async def presign_put(
    where: Database | Session,
    org_id: UUID,
    name: str,
    *,
    size: int,
    content_type: str,
    expires_at: datetime,
    sha256: str | None = None,
    actor: Actor | None = None,
) -> Presigned:
    """Return the URL by which ``size`` bytes can be put to a staged key.

    Its calls count against the budget 'presigned' of ``actor``, else of the organisation.
    S3: a URL of the server itself, bytes pass us by; else a URL of ours, where size, type and
    digest are checked on arrival and the bytes are encrypted.
    """
    vault = _vault(where)
    key = staged_key(org_id, name)
    left = max(1, int((expires_at - now()).total_seconds()))
    native = await vault.store(vault.stage_in).presign("PUT", key, expires_s=min(left, 604800))
    if native is not None:
        return Presigned("PUT", native, expires_at, {})
    path = f"{BLOBS}/{quote(key)}"
    claims = crypto.UrlClaims(
        "PUT",
        path,
        int(expires_at.timestamp()),
        size,
        content_type,
        sha256,
        account=None if actor is None else actor.id,
        tier=None if actor is None else actor.tier,
    )
    url = f"{vault.public_url}{path}?{vault.signer.query(claims)}"
    return Presigned("PUT", url, expires_at, {"Content-Type": content_type})


async def staged_sizes(where: Database | Session, org_id: UUID, name: str) -> dict[str, int]:
    """Return the sizes of the staged objects below ``name/`` by the rest of their names."""
    vault = _vault(where)
    prefix, sizes = staged_key(org_id, name) + "/", {}
    async for found in vault.store(vault.stage_in).list(prefix):
        size = crypto.plain_length(found.size) if _sealed_on_arrival(vault) else found.size
        sizes[found.key.removeprefix(prefix)] = size
    return sizes


async def delete_staged(db: Database, org_id: UUID, name: str) -> None:
    """Remove the staged objects below ``name/``."""
    vault = db.resources.get(Vault)
    store = vault.store(vault.stage_in)
    async for found in store.list(staged_key(org_id, name) + "/"):
        await store.delete(found.key)


def _sealed_on_arrival(vault: Vault) -> bool:
    return vault.encrypt and not vault.store(vault.stage_in).signs_urls


async def read_staged(db: Database, org_id: UUID, name: str) -> AsyncIterator[bytes]:
    """Yield the bytes of a staged upload; raises ObjectMissing or Damaged."""
    async for piece in read_staged_key(db, staged_key(org_id, name)):
        yield piece


async def read_staged_key(db: Database, key: str) -> AsyncIterator[bytes]:
    """Yield the bytes of a staged object by its whole key, which names its organisation."""
    vault = db.resources.get(Vault)
    org_id, store = UUID(key.split("/")[1]), vault.store(vault.stage_in)
    found = await store.head(key)
    key_id, size = None, found.size
    if _sealed_on_arrival(vault):
        header = b"".join([p async for p in store.get(key, 0, crypto.HEADER_BYTES)])
        key_id, size = crypto.key_id_of(header), crypto.plain_length(found.size)
    async for piece in read(db, org_id, StoredObject(store.name, key, key_id, size, "")):
        yield piece


def guard_puts(db: Database, guard: PutGuard) -> None:
    """Ask ``guard`` (organisation, staged name) before bytes come in; it raises to refuse."""
    db.resources.get(Vault).put_guard = guard


async def take_signed_put(
    db: Database, claims: crypto.UrlClaims, key: str, body: AsyncIterable[bytes]
) -> StoredObject:
    """Keep the body that came to a signed URL of ours, once.

    Raises TooLarge at the first byte over the agreed size, BodyNotAsSigned for fewer bytes or
    another digest (nothing is kept), ObjectExists when the URL was used before, and what the
    guard of puts raises.
    """
    org_id = UUID(key.split("/")[1])
    vault = db.resources.get(Vault)
    if vault.put_guard is not None:
        await vault.put_guard(org_id, key.removeprefix(staged_key(org_id, "")))
    size, digest = 0, hashlib.sha256()

    async def checked() -> AsyncIterator[bytes]:
        nonlocal size
        async for piece in body:
            size += len(piece)
            digest.update(piece)
            if claims.size is not None and size > claims.size:
                raise TooLarge("more bytes than agreed for this URL", limit=claims.size)
            yield piece
        if claims.size is not None and size != claims.size:
            raise BodyNotAsSigned(f"{size} bytes instead of {claims.size}")
        if claims.sha256 is not None and digest.hexdigest() != claims.sha256:
            raise BodyNotAsSigned("the SHA-256 of the body is another one than agreed")

    return await put(db, org_id, key, checked(), store=vault.stage_in, replace=False)


async def presign_get(
    db: Database, org_id: UUID, name: str, *, expires_s: int, content_type: str
) -> Presigned:
    """Return a URL by which a finished export under a staged key can be fetched.

    Always one of ours, since the object is encrypted.
    """
    vault = db.resources.get(Vault)
    path = f"{BLOBS}/{quote(staged_key(org_id, name))}"
    expires_at = now() + timedelta(seconds=expires_s)
    claims = crypto.UrlClaims("GET", path, int(expires_at.timestamp()), None, content_type)
    return Presigned("GET", f"{vault.public_url}{path}?{vault.signer.query(claims)}", expires_at)


def scratch_file(db: Database) -> BinaryIO:
    """Return a new temporary file without a name; it vanishes when it is closed.

    Raises OutOfSpace when the disk is full.
    """
    folder = db.resources.get(Vault).scratch
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError as error:
        raise problem_of(error) from error
