# SPDX-License-Identifier: Apache-2.0
"""What an organisation may run: the installed applications and its decisions about them."""

from collections.abc import Sequence

from healthvision.clinical.study import SeriesHeader
from healthvision.domains.audit import service as audit
from healthvision.domains.modelhub import repository
from healthvision.domains.modelhub.errors import (
    ApplicationDisabled,
    ApplicationNotFound,
    NoApplicationFits,
)
from healthvision.domains.modelhub.matching import accepted
from healthvision.domains.modelhub.registry import Installed, Registry
from healthvision.domains.modelhub.schemas import (
    BrokenRead,
    ModelChange,
    ModelList,
    ModelRead,
    WeightsRead,
)
from healthvision.domains.modelhub.tables import ModelSetting
from healthvision.kernel.db import Session, resources_of
from healthvision.kernel.security import Actor


def registry_of(session: Session) -> Registry:
    """Return the installed applications of this process."""
    return resources_of(session).get(Registry)


async def list_models(session: Session, actor: Actor) -> ModelList:
    """Return all installed applications as the organisation may use them."""
    registry = registry_of(session)
    settings = await repository.settings_of(session, actor.org_id)
    items = [_read(registry, a.manifest.id, settings.get(a.manifest.id)) for a in registry.newest()]
    broken = [BrokenRead(name=b.name, reason=b.reason) for b in registry.broken]
    return ModelList(items=items, broken=broken)


async def get_model(session: Session, actor: Actor, application_id: str) -> ModelRead:
    """Return one application; raises ApplicationNotFound."""
    row = await repository.setting(session, actor.org_id, application_id)
    return _read(registry_of(session), application_id, row)


async def change_model(
    session: Session, actor: Actor, application_id: str, change: ModelChange
) -> ModelRead:
    """Switch an application on or off or hold it at a version; raises ApplicationNotFound."""
    registry = registry_of(session)
    registry.versions(application_id)
    if change.pinned_version is not None:
        registry.get(application_id, change.pinned_version)
    row = await repository.setting(session, actor.org_id, application_id)
    if row is None:
        row = ModelSetting(
            org_id=actor.org_id, application_id=application_id, enabled=True, pinned_version=None
        )
        session.add(row)
    before = {"enabled": row.enabled, "pinned_version": row.pinned_version}
    if change.enabled is not None:
        row.enabled = change.enabled
    if "pinned_version" in change.model_fields_set:
        row.pinned_version = change.pinned_version
    await session.flush()
    after = {"enabled": row.enabled, "pinned_version": row.pinned_version}
    await audit.record(
        session,
        actor,
        "modelhub.model_changed",
        application_id,
        kind="model",
        before=before,
        after=after,
    )
    return _read(registry, application_id, row)


async def installed(session: Session, actor: Actor, application_id: str) -> Installed:
    """Return the version the organisation runs, whether switched on or not.

    Raises ApplicationNotFound.
    """
    row = await repository.setting(session, actor.org_id, application_id)
    return _chosen(registry_of(session), application_id, row)


async def usable(session: Session, actor: Actor, application_id: str) -> Installed:
    """Return the version the organisation runs; ApplicationNotFound, ApplicationDisabled."""
    row = await repository.setting(session, actor.org_id, application_id)
    found = _chosen(registry_of(session), application_id, row)
    if row is not None and not row.enabled:
        raise ApplicationDisabled(f"{application_id} is switched off in this organisation")
    return found


async def fitting(
    session: Session, actor: Actor, series: Sequence[SeriesHeader]
) -> list[Installed]:
    """Return the applications that are switched on and accept some of the series."""
    registry = registry_of(session)
    rows = await repository.settings_of(session, actor.org_id)
    out: list[Installed] = []
    for newest in registry.newest():
        row = rows.get(newest.manifest.id)
        if row is not None and not row.enabled:
            continue
        chosen = _chosen(registry, newest.manifest.id, row)
        if accepted(chosen.manifest, series):
            out.append(chosen)
    return out


async def pick(
    session: Session, actor: Actor, application_id: str | None, series: Sequence[SeriesHeader]
) -> Installed:
    """Return the wanted application, or the first one that fits.

    Raises ApplicationNotFound, ApplicationDisabled, NoApplicationFits.
    """
    if application_id is not None:
        return await usable(session, actor, application_id)
    found = await fitting(session, actor, series)
    if not found:
        seen = ", ".join(sorted({header.modality for header in series})) or "no images"
        raise NoApplicationFits(f"no application that is switched on accepts these images ({seen})")
    return found[0]


def at_version(session: Session, application_id: str, version: str) -> Installed:
    """Return exactly this version, for a task made with it; raises ApplicationNotFound."""
    return registry_of(session).get(application_id, version)


def _chosen(registry: Registry, application_id: str, row: ModelSetting | None) -> Installed:
    """Return the pinned version, or the newest when none is pinned or the pin is gone."""
    if row is not None and row.pinned_version is not None:
        try:
            return registry.get(application_id, row.pinned_version)
        except ApplicationNotFound:
            return registry.get(application_id)
    return registry.get(application_id)


def _read(registry: Registry, application_id: str, row: ModelSetting | None) -> ModelRead:
    chosen = _chosen(registry, application_id, row)
    manifest = chosen.manifest
    return ModelRead(
        id=manifest.id,
        version=manifest.version,
        versions=[a.manifest.version for a in registry.versions(application_id)],
        pinned_version=row.pinned_version if row is not None else None,
        enabled=row.enabled if row is not None else True,
        title=manifest.title,
        description=manifest.description,
        intended_use=manifest.intended_use,
        limitations=list(manifest.limitations),
        accepts=manifest.accepts,
        body_parts=list(manifest.body_parts),
        outputs=list(manifest.outputs),
        evidence_level=manifest.evidence_level,
        evidence=list(manifest.evidence),
        licence=manifest.licence,
        weights=[WeightsRead.model_validate(w.model_dump()) for w in manifest.weights],
        weights_sha256=chosen.weights_sha256,
        budget=manifest.budget,
    )
