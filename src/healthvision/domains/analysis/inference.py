# SPDX-License-Identifier: Apache-2.0
"""An application's questions to inference engines: answered in the parent, each one audited."""

import asyncio

from healthvision.domains.analysis.tables import Task
from healthvision.domains.audit import service as audit
from healthvision.domains.modelhub import service as modelhub
from healthvision.kernel.db import Database
from healthvision.kernel.errors import Problem
from healthvision.kernel.sandbox_asking import Values
from healthvision.kernel.sandbox_desk import Answerer
from healthvision.kernel.security import Actor

_AUDIT_S = 30.0


def answerer(db: Database, actor: Actor, task: Task) -> Answerer | None:
    """Return what answers a task's questions; None when no engine is installed.

    Call it on the event loop; the answerer itself runs in a thread. An access that cannot be
    written into the audit is refused before anything leaves.
    """
    engines = db.resources.get(modelhub.Engines)
    if not engines:
        return None
    loop = asyncio.get_running_loop()

    def infer(name: str, values: Values) -> Values:
        note = _note(db, actor, task, name[:64], "asked")
        asyncio.run_coroutine_threadsafe(note, loop).result(_AUDIT_S)
        try:
            return engines.infer(name, values)
        except Problem as problem:
            note = _note(db, actor, task, name[:64], problem.code)
            asyncio.run_coroutine_threadsafe(note, loop).result(_AUDIT_S)
            raise

    return infer


async def _note(db: Database, actor: Actor, task: Task, engine: str, said: str) -> None:
    async with db.transaction() as session:
        await audit.record(
            session,
            actor,
            "analysis.inference",
            task.id,
            kind="task",
            patient_id=task.patient_ref,
            space_id=task.space_id,
            detail={"engine": engine, "said": said},
        )
