# SPDX-License-Identifier: Apache-2.0
"""The resources of the sealed log: signing key and anchors, found through the database."""

from healthvision.domains.audit.anchors import Anchors, FileAnchors
from healthvision.domains.audit.chain import HeadSigner
from healthvision.domains.audit.settings import AuditSettings
from healthvision.kernel.db import Database
from healthvision.kernel.masterkey import MasterKey
from healthvision.kernel.settings import CoreSettings


def signer_of(db: Database) -> HeadSigner:
    """Return the signer of tree heads; its key is derived from the master key."""
    if not db.resources.has(HeadSigner):
        if not db.resources.has(MasterKey):
            core = db.resources.get(CoreSettings)
            db.resources.put(MasterKey, MasterKey.load_or_create(core.master_key_file))
        seed = db.resources.get(MasterKey).derive(b"audit-head")
        db.resources.put(HeadSigner, HeadSigner(seed))
    return db.resources.get(HeadSigner)


def anchors_of(db: Database) -> Anchors:
    """Return where this installation publishes its heads."""
    if not db.resources.has(Anchors):
        configured = AuditSettings().anchor_dir
        if configured is None:
            core = db.resources.get(CoreSettings)
            configured = core.master_key_file.parent / "audit-anchors"
        anchors = FileAnchors.of(configured.expanduser(), db.url)
        db.resources.put(Anchors, anchors)  # type: ignore[type-abstract]
    return db.resources.get(Anchors)  # type: ignore[type-abstract]
