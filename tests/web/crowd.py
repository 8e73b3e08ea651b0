# SPDX-License-Identifier: Apache-2.0
"""Many rows for every list of the interface, written straight into the database."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, create_engine, insert, select
from sqlalchemy.orm import Session

from healthvision.domains.analysis.tables import Task
from healthvision.domains.archive.tables import CorrectionRow, Quarantined, Study
from healthvision.domains.audit.tables import AuditEvent
from healthvision.domains.identity.tables import ApiKey, Membership, User
from healthvision.domains.reading.ordering import order_key_of, rank_of
from healthvision.domains.reading.tables import WorklistRow, WorklistSpace
from healthvision.domains.spaces.tables import Space
from healthvision.kernel.clock import new_id, now
from healthvision.kernel.db import sync_url

Row = dict[str, Any]
Lists = list[tuple[Any, list[Row]]]
PORTION = 1000
PEOPLE, MANY = 1000, 10_000


def crowd(url: str, org_id: UUID) -> None:
    """Write 1,000 people and keys; 10,000 studies, tasks, refused files, notes and events."""
    engine = create_engine(sync_url(url))
    with Session(engine) as session:
        space = session.scalars(select(Space.id).where(Space.org_id == org_id)).one()
        study = session.scalars(select(Study.id).where(Study.org_id == org_id)).first()
    assert study is not None
    people = list(_people())
    studies = [_study(org_id, space, n) for n in range(MANY)]
    lists: Lists = [
        (User, people),
        (Membership, [_member(org_id, p["id"]) for p in people]),
        (ApiKey, [_key(org_id, n) for n in range(PEOPLE)]),
        *_listed(space, studies),
        (Task, [_task(org_id, space, s, n) for n, s in enumerate(studies)]),
        (Quarantined, [_refused(org_id, space, n) for n in range(MANY)]),
        (CorrectionRow, [_note(org_id, study) for _ in range(MANY)]),
        (AuditEvent, [_event(org_id, people[n % PEOPLE]["id"], n) for n in range(MANY)]),
    ]
    _write(engine, lists)
    engine.dispose()


def many_studies(url: str, org_id: UUID, count: int) -> None:
    """Write rows of the worklist only."""
    engine = create_engine(sync_url(url))
    with Session(engine) as session:
        space = session.scalars(select(Space.id).where(Space.org_id == org_id)).one()
    _write(engine, _listed(space, [_study(org_id, space, n) for n in range(count)]))
    engine.dispose()


def _listed(space: UUID, studies: list[Row]) -> Lists:
    spaces = [{"study_id": s["study_id"], "space_id": space} for s in studies]
    return [(WorklistRow, studies), (WorklistSpace, spaces)]


def _write(engine: Engine, lists: Lists) -> None:
    for table, rows in lists:
        for at in range(0, len(rows), PORTION):
            with Session(engine) as session:
                session.execute(insert(table), rows[at : at + PORTION])
                session.commit()


def _people() -> Iterator[Row]:
    for n in range(PEOPLE):
        email = f"person{n:04d}@hospital.example"
        yield {"id": new_id(), "email": email, "name": f"职员 {n:04d}", "password_hash": None}


def _member(org_id: UUID, user_id: UUID) -> Row:
    return {"org_id": org_id, "user_id": user_id, "roles": ["radiologist"], "accepted_at": now()}


def _key(org_id: UUID, number: int) -> Row:
    return {
        "org_id": org_id,
        "name": f"key {number:04d}",
        "prefix": f"crowd{number:07d}",
        "secret_sha256": f"{number:064d}",
        "scopes": [],
    }


def _study(org_id: UUID, space: UUID, number: int) -> Row:
    received = now() - timedelta(minutes=number)
    same = dict.fromkeys(("author", "reviewer"), "")
    return {
        **same,
        "study_id": new_id(),
        "org_id": org_id,
        "only_space": space,
        "rank": rank_of("routine", done=number % 5 > 0),
        "order_key": order_key_of(None, received),
        "changed": number,
        "revision": 1,
        "search": f" wang xiao{number} p-{number} ct",
        "patient_ref": new_id(),
        "study_uid": f"2.25.{number}",
        "patient_id": f"P-{number}",
        "patient_name": f"Wang^Xiao{number}=王^小{number}",
        "patient_sex": "F",
        "patient_birth_date": "19700101",
        "accession_number": f"A{number}",
        "study_date": f"{received:%Y%m%d}",
        "study_time": "101010",
        "description": "胸部平扫",
        "modalities": "\\CT\\",
        "body_parts": "\\CHEST\\",
        "series_count": 1,
        "instance_count": 300,
        "received_at": received,
        "priority": "routine",
        "ai_state": "none",
        "finding_count": 0,
        "parts": [],
        "verdict_state": "none",
        "report_state": "final" if number % 5 else "none",
    }


def _task(org_id: UUID, space: UUID, study: Row, number: int) -> Row:
    same = dict.fromkeys(("run", "seed", "revision", "ticket", "fence", "attempts"), 1)
    return {
        **same,
        "org_id": org_id,
        "space_id": space,
        "study_id": study["study_id"],
        "study_uid": study["study_uid"],
        "patient_ref": study["patient_ref"],
        "application_id": "lung-ct",
        "application_version": "0.2.0",
        "task_key": f"crowd-{number}",
        "parameters": {},
        "priority": "routine",
        "source": "request",
        "requested_by": "crowd",
        "state": "cancelled" if number % 2 else "failed",
        "progress": 0.0,
        "stage": "",
        "cancel_requested": False,
        "deadline_missed": False,
        "finished_at": study["received_at"],
    }


def _note(org_id: UUID, study_id: UUID) -> Row:
    return {
        "org_id": org_id,
        "kind": "reject_asked",
        "study_id": study_id,
        "code": "quality",
        "reason": "rejection note of the sender (DCM 113001)",
        "before": {},
        "after": {"note": str(new_id()), "note_uid": "2.25.1", "named": 1, "elsewhere": 0},
        "made_by": "device:CT1",
    }


def _refused(org_id: UUID, space: UUID, number: int) -> Row:
    return {
        "org_id": org_id,
        "space_id": space,
        "reason": "not-dicom",
        "detail": "",
        "field": f"({number:08d})",
        "origin": "stow",
        "origin_detail": "",
        "actor": "crowd",
        "store": "local",
        "object_key": f"crowd/{number}",
        "size": 1000 + number,
        "sha256": f"{number:064d}",
    }


def _event(org_id: UUID, user_id: UUID, number: int) -> Row:
    return {
        "org_id": org_id,
        "at_us": int(now().timestamp() * 1_000_000) - number * 1000,
        "category": "access",
        "actor_kind": "user",
        "actor_id": str(user_id),
        "user_id": user_id,
        "action": "archive.study_read",
        "kind": "study",
        "outcome": "success",
    }
