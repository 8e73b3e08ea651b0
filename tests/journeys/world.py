# SPDX-License-Identifier: Apache-2.0
"""One running platform with two organisations and things of every kind in the first one.

A ``World`` is a real process ``healthvision run all`` over SQLite; everything but the first
accounts is made through the API itself, as a caller would.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx

from healthvision.app import schema
from healthvision.app.modules import MODULES
from healthvision.app.process import open_process
from healthvision.clinical.phantoms.chest import SMALL, phantom
from healthvision.domains.identity import service as identity
from healthvision.domains.identity.schemas import ApiKeyCreate
from healthvision.domains.spaces import service as spaces
from healthvision.domains.storage import service as storage
from healthvision.formats.nifti.export import from_volume
from healthvision.formats.nifti.series import SeriesMeta, to_dicom_series
from healthvision.kernel.db import Session
from healthvision.kernel.security import Actor
from healthvision.kernel.settings import CoreSettings
from tests.factories.dicom import ct_series
from tests.journeys.material import PASSWORD, picture, related, uids_of
from tests.support.platform import Platform, platform

Json = dict[str, Any]
SETTINGS = {
    "HV_IDENTITY_ARGON2_MEMORY_KIB": "8192",
    "HV_IDENTITY_ARGON2_TIME": "1",
    "HV_IDENTITY_PASSWORD_GRANT": "true",
    "HV_RATELIMIT_TIERS": '{"standard": {"auth": 10000000}, "service": {"api": 10000000,'
    ' "dicomweb": 10000000, "presigned": 10000000}}',
    "HV_NOTIFY_MAX_SUBSCRIPTIONS": "1000000",
    "HV_NOTIFY_PRIVATE_ALLOW": "127.0.0.1",
    "HV_ANALYSIS_EVENTS_SECONDS": "2",
    "HV_READING_EVENTS_SECONDS": "1",
    "HV_ANALYSIS_MAX_OPEN_TASKS": "100000",
}


@dataclass(frozen=True)
class Person:
    """Somebody with an API key of tier 'service'."""

    org_id: str
    user_id: str
    email: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Headers that sign the person in."""
        return {"Authorization": f"Bearer {self.key}"}


@contextmanager
def environment(settings: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = {k: os.environ.get(k) for k in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


async def _key(session: Session, org_id: UUID, user_id: UUID, tier: str) -> str:
    rights = frozenset({"*", "installation:admin"})
    actor = Actor(org_id, str(user_id), "system", permissions=rights, user_id=user_id)
    new = ApiKeyCreate.model_validate({"name": "journey", "tier": tier})
    return (await identity.create_api_key(session, actor, new)).secret


async def make_people(org: str, roles: list[str], tier: str = "service") -> dict[str, Person]:
    """Make an organisation and one person per role, by role; the first is its administrator."""
    core = CoreSettings()
    async with open_process(core, MODULES) as db, db.transaction() as session:
        email = f"admin@{org}.example"
        made = await identity.bootstrap(
            session, organisation=org, admin_email=email, admin_name="Chief", password=PASSWORD
        )
        system = Actor.system(made.org_id)
        await spaces.ensure_default(session, system)
        ids = {"admin": (made.user_id, email)}
        for role in roles:
            email = f"{role}@{org}.example"
            user = await identity.create_user(
                session, system, email=email, name=role.title(), roles=[role]
            )
            ids[role] = (user.id, email)
        found = {}
        for role, (user_id, email) in ids.items():
            key = await _key(session, made.org_id, user_id, tier)
            found[role] = Person(str(made.org_id), str(user_id), email, key)
        return found


@dataclass
class World:
    """The platform, who may call it, and what is in the first organisation.

    Properties are things that stay; methods make a new thing each time, to be used up.
    """

    platform: Platform
    http: httpx.Client
    people: dict[str, Person]
    stranger: Person
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def admin(self) -> Person:
        """The administrator of the first organisation, and of the installation."""
        return self.people["admin"]

    @property
    def url(self) -> str:
        """Address of the API."""
        return str(self.http.base_url).rstrip("/")

    def name(self) -> str:
        """Return a name that nothing else has."""
        return f"thing-{next(self.numbers)}-{uuid4().hex[:6]}"

    def ask(self, method: str, path: str, who: Person | None = None, **more: Any) -> Json:
        """Call as a person (the administrator) and return the JSON; AssertionError if refused."""
        headers = {**(who or self.admin).headers, **more.pop("headers", {})}
        answer = self.http.request(method, path, headers=headers, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        found: Json = answer.json() if answer.content else {}
        return found

    def wait(self, what: str, probe: Callable[[], Any], seconds: float = 90) -> Any:
        """Ask until the probe gives something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = probe()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{what} did not come\n{self.platform.logs()}")

    # Images

    def store(self, objects: list[bytes], space: str = "default") -> Json:
        """Store objects through STOW-RS and return the study, found by its UID."""
        body, kind = related(objects)
        headers = {"Content-Type": kind}
        self.ask("POST", f"/dicomweb/{space}/studies", content=body, headers=headers)
        uid = uids_of(objects[0]).study
        page = self.ask("GET", "/v1/studies", params={"study_uid": uid})
        study: Json = page["items"][0]
        return study

    def new_study(self, space: str = "default", modality: str = "OT") -> Json:
        """Store a new study of two small slices, which no application wants, and close it."""
        study = self.store(ct_series(2, PatientID=self.name(), Modality=modality), space)
        self.ask("POST", f"/v1/studies/{study['id']}/close", json={"space": space})
        return study

    @cached_property
    def space(self) -> Json:
        """A space with a slug that the other organisation does not have."""
        return self.ask("POST", "/v1/spaces", json={"slug": "ward-7"})

    def new_space(self) -> Json:
        """Make a space."""
        return self.ask("POST", "/v1/spaces", json={"slug": self.name()})

    @cached_property
    def study(self) -> Json:
        """A study in the space ``ward-7`` as well as in 'default'."""
        study = self.new_study()
        path = f"/v1/studies/{study['id']}/spaces"
        return self.ask("POST", path, json={"space": self.space["slug"]})

    @cached_property
    def instance(self) -> Json:
        """One instance of the study."""
        page = self.ask("GET", f"/v1/studies/{self.study['id']}/instances")
        found: Json = page["items"][0]
        return found

    @cached_property
    def uids(self) -> dict[str, str]:
        """Path parameters of DICOMweb for the instance."""
        found = self.study
        return {
            "space": self.space["slug"],
            "study": found["study_uid"],
            "series": found["series"][0]["series_uid"],
            "instance": self.instance["sop_uid"],
        }

    def new_upload(self) -> tuple[Json, bytes]:
        """Agree on the upload of a picture that is not sent yet."""
        data = picture(next(self.numbers))
        body = {"filename": "p.png", "size": len(data), "meta": {"patient_id": self.name()}}
        return self.ask("POST", "/v1/uploads", json=body), data

    def sent_upload(self) -> Json:
        """Send a picture that is not completed yet."""
        upload, data = self.new_upload()
        for part in upload["parts"]:
            target = urlsplit(part["url"])
            path = f"{target.path}?{target.query}"
            answer = self.http.put(path, content=data, headers=part["headers"])
            assert answer.status_code == 201, answer.text
        return upload

    @cached_property
    def upload(self) -> Json:
        """An upload that is done, with its original kept."""
        path = f"/v1/uploads/{self.sent_upload()['id']}"
        self.ask("POST", f"{path}/complete", json={})

        def done() -> Json | None:
            found = self.ask("GET", path)
            return found if found["state"] in ("done", "failed") else None

        found: Json = self.wait("the upload", done)
        assert found["state"] == "done", found
        return found

    def presigned(self) -> str:
        """Return path and query of a signed URL for bytes that lie ready."""
        part = self.sent_upload()["parts"][0]
        key = urlsplit(part["url"]).path.removeprefix("/v1/blobs/")
        name = key.split("/", 2)[2]

        async def make() -> str:
            async with open_process(CoreSettings(), MODULES) as db:
                org = UUID(self.admin.org_id)
                signed = await storage.presign_get(
                    db, org, name, expires_s=600, content_type="image/png"
                )
                return signed.url

        with environment(self.platform.environment):
            target = urlsplit(asyncio.run(make()))
        return f"{target.path}?{target.query}"

    def quarantined(self) -> Json:
        """Have a broken object refused and return its entry."""
        objects = ct_series(1)
        broken = objects[0][:-300] + bytes([next(self.numbers) % 251])
        body, kind = related([broken])
        headers = {**self.admin.headers, "Content-Type": kind}
        self.http.post("/dicomweb/default/studies", content=body, headers=headers)
        found: Json = self.ask("GET", "/v1/quarantine")["items"][0]
        return found

    # Analysis

    @cached_property
    def chest(self) -> Json:
        """A study of a chest phantom, closed, so that the default rule analyses it."""
        volume = phantom(701, SMALL).volume
        meta = SeriesMeta(patient_id="JOURNEY-1", modality="CT", body_part="CHEST")
        study = self.store(list(to_dicom_series(from_volume(volume), meta, uid_salt="journey")))
        self.ask("POST", f"/v1/studies/{study['id']}/close", json={})
        return study

    @cached_property
    def result(self) -> Json:
        """A full result of lung-ct for the phantom, with its outputs."""
        study = self.chest

        def found() -> Json | None:
            tasks = self.ask("GET", "/v1/tasks", params={"study": study["id"]})["items"]
            assert not [t for t in tasks if t["state"] == "failed"], tasks
            page = self.ask("GET", "/v1/results", params={"study": study["id"]})
            return page["items"][0] if page["items"] else None

        item: Json = self.wait("the result", found, 120)
        return self.ask("GET", f"/v1/results/{item['id']}")

    def new_task(self) -> Json:
        """Submit a task for a new study."""
        study = self.store(ct_series(2, PatientID=self.name()))
        body = {"study_id": study["id"], "application": "lung-ct", "priority": "bulk"}
        return self.ask("POST", "/v1/tasks", json=body)

    def waiting_task(self) -> Json:
        """Submit two tasks; the second waits while the only slot runs the first."""
        self.new_task()
        return self.new_task()

    @cached_property
    def ended_task(self) -> Json:
        """A task that came to its end: two slices of 16 x 16 are no chest."""
        return self.task_at_end(self.new_task()["id"])

    def task_at_end(self, task_id: str) -> Json:
        """Wait until a task has ended."""

        def ended() -> Json | None:
            found = self.ask("GET", f"/v1/tasks/{task_id}")
            return found if found["state"] not in ("queued", "running") else None

        task: Json = self.wait("the end of a task", ended)
        return task

    @cached_property
    def batch(self) -> Json:
        """A batch that is finished."""
        made = self.ask("POST", "/v1/batches", json={"studies": [self.study["id"]]})

        def finished() -> Json | None:
            found = self.ask("GET", f"/v1/batches/{made['id']}")
            return found if found["finished"] else None

        batch: Json = self.wait("the batch", finished)
        return batch

    def new_rule(self) -> Json:
        """Make a rule that never holds."""
        body = {"name": self.name(), "expression": "Modality == 'XX'", "enabled": False}
        return self.ask("POST", "/v1/rules", json=body)

    # Accounts

    def new_user(self) -> Json:
        """Invite a person; the answer has the token."""
        body = {"email": f"{self.name()}@a.example", "name": "New", "roles": ["viewer"]}
        return self.ask("POST", "/v1/users", json=body)

    def new_person(self) -> tuple[str, str]:
        """Invite a person who accepts; returns (user id, e-mail)."""
        email = f"{self.name()}@a.example"
        body = {"email": email, "name": "New", "roles": ["viewer"]}
        made = self.ask("POST", "/v1/users", json=body)
        answer = {"token": made["token"], "password": PASSWORD}
        self.ask("POST", "/v1/invites/accept", json=answer)
        return made["user_id"], email

    def token_of(self, email: str) -> Json:
        """Sign a person in by password and return the token answer."""
        form = {"grant_type": "password", "client_id": "healthvision-cli"}
        form.update(username=email, password=PASSWORD)
        return self.ask("POST", "/oauth/token", data=form)

    def new_team(self) -> Json:
        """Make a team."""
        return self.ask("POST", "/v1/teams", json={"name": self.name()})

    def new_role(self) -> Json:
        """Make a role."""
        body = {"name": self.name(), "permissions": ["users:read"]}
        return self.ask("POST", "/v1/roles", json=body)

    def new_key(self) -> Json:
        """Make an API key."""
        return self.ask("POST", "/v1/api-keys", json={"name": self.name()})

    def new_client(self) -> Json:
        """Register an OAuth client with a secret."""
        body = {"name": self.name(), "grants": ["client_credentials"], "scopes": ["users:read"]}
        return self.ask("POST", "/v1/clients", json=body)

    # Notify

    def new_subscription(self, channel: str = "inapp", **config: Any) -> Json:
        """Subscribe to something that never happens."""
        body = {"name": self.name(), "topics": ["notify.never_*"], "channel": channel}
        return self.ask("POST", "/v1/subscriptions", json={**body, "config": config})

    def new_delivery(self) -> Json:
        """Have a webhook fail for good, so that it can be sent again."""
        made = self.new_subscription()
        return self.ask("POST", f"/v1/subscriptions/{made['id']}/test")

    def new_notification(self) -> Json:
        """Have a message put into the administrator's inbox."""
        self.new_delivery()
        page = self.wait(
            "a notification",
            lambda: self.ask("GET", "/v1/notifications", params={"unread": True})["items"],
        )
        found: Json = page[0]
        return found


@contextmanager
def opened_world(folder: Path) -> Iterator[World]:
    """Start the platform with its two organisations; stop it at the end."""
    with platform(folder, **SETTINGS) as running:
        with environment(running.environment):
            schema.upgrade(CoreSettings().resolved_database_url())
            people = asyncio.run(make_people("alpha", ["viewer", "auditor", "radiologist"]))
            other = asyncio.run(make_people("beta", []))["admin"]
        process = running.add("all")
        process.wait_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{process.port}", timeout=60) as client:
            world = World(running, client, people, other)
            assert world.chest  # its analysis runs while the rest is made
            yield world
