# SPDX-License-Identifier: Apache-2.0
"""Puts one process together: database, resources, registries, rooms started and stopped."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from healthvision.domains.identity import service as identity
from healthvision.kernel import events, jobs
from healthvision.kernel.db import Database
from healthvision.kernel.module import Module
from healthvision.kernel.settings import CoreSettings


def register(db: Database, modules: Sequence[Module]) -> None:
    """Fill the job and event registries of a database's resources from the rooms."""
    job_registry, event_registry = jobs.JobRegistry(), events.EventRegistry()
    job_registry.add(jobs.Job(events.DELIVER, events.deliver, attempts=12))
    job_registry.add(jobs.Job(events.SPREAD, events.spread, attempts=12))
    for module in modules:
        for job in module.jobs:
            job_registry.add(job)
        job_registry.periodics.extend(module.periodics)
        job_registry.queues.update(module.queues())
        event_registry.add(module.name, module.subscriptions)
    db.resources.put(jobs.JobRegistry, job_registry)
    db.resources.put(events.EventRegistry, event_registry)
    identity.register_permissions(db.resources, modules)


@asynccontextmanager
async def started(
    db: Database, modules: Sequence[Module], core: CoreSettings
) -> AsyncIterator[None]:
    """Run every room's ``start`` (lower rooms first) and, at the end, its ``stop``."""
    begun: list[Module] = []
    try:
        for module in modules:
            if module.start is not None:
                await module.start(db, core)
            begun.append(module)
        yield
    finally:
        for module in reversed(begun):
            if module.stop is not None:
                await module.stop(db)
