# SPDX-License-Identifier: Apache-2.0
"""Another organisation's administrator finds nothing; roles keep to what they may.

The calls are made from the OpenAPI document: an operation that gets a new id in its path, query
or body is tested by itself, and one without a seed fails with its name.
"""

import csv
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from healthvision.domains.audit.service import act
from healthvision.kernel.clock import now
from tests.factories.dicom import ct_series
from tests.journeys.calls import MAKERS, Call
from tests.journeys.material import related
from tests.journeys.operations import Operation, body_schema, operations
from tests.journeys.world import Json, Person, World

# Ids of the installation, the same for everybody, and parts of a longer path.
SHARED = frozenset({"model_id"})
# Calls that carry their own proof instead of a caller's: a signed URL, a ticket, an OAuth form.
_OWN = """
put_blob get_blob accept_invite complete_password_reset oauth_token oauth_introspect
oauth_revoke oauth_device_authorization oauth_authorize_page oauth_authorize
oauth_device oauth_device_page openid_configuration oauth_authorization_server jwks
health ready version change_my_password get_session sign_in sign_out switch_organisation
"""
OWN_PROOF = frozenset(_OWN.split())
# A batch names each broken study; a grant may name people that are not here yet.
NAMES_BROKEN = frozenset({"create_batch"})
# Somebody else's API key is not even seen without the right to manage keys.
SEEN_BY_OWNERS = frozenset({"revoke_api_key"})
# Whoever may read a space hears of its work items; a subscription is the caller's own.
OWN_SUBSCRIPTION = frozenset(
    {"subscribe_to_workitem", "unsubscribe_from_workitem", "suspend_worklist_subscription"}
)
IMAGES = frozenset(
    o.id
    for o in operations()
    if "image" in o.document["tags"]
    and o.method == "GET"
    and o.id not in {"list_spaces", "get_space", "list_grants", *OWN_PROOF}
)


def _has_uuid(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(_has_uuid(item) for item in schema)
    if not isinstance(schema, dict):
        return False
    return schema.get("format") == "uuid" or any(_has_uuid(v) for v in schema.values())


def _names_a_thing(operation: Operation) -> bool:
    in_path = set(operation.names("path")) - SHARED
    in_body = _has_uuid((body_schema(operation) or {}).get("properties", {}))
    return bool(in_path or in_body)


THINGS = [o for o in operations() if _names_a_thing(o) and o.id not in OWN_PROOF]
LISTS = [
    o for o in operations() if o.method == "GET" and not _names_a_thing(o) and o.id not in OWN_PROOF
]
WRITES = [
    o
    for o in operations()
    if o.method not in ("GET", "OPTIONS")
    and o.id not in OWN_PROOF
    and o.id not in {"create_api_key", *OWN_SUBSCRIPTION}
]


def _send(world: World, operation: Operation, call: Call, who: Person) -> Any:
    return call.send(world.http, operation.method, operation.path, who.headers)


def _without_own_attempts(answer: httpx.Response) -> list[Any]:
    """Return what a list tells, without the caller's own refused attempts.

    The audit log keeps, in the caller's own organisation, which ids he asked for in vain: he sent
    them himself, so they tell him nothing of the neighbour.
    """
    if "csv" in answer.headers.get("content-type", ""):
        rows: list[Any] = list(csv.DictReader(io.StringIO(answer.text)))
    elif "json" in answer.headers.get("content-type", ""):
        body = answer.json()
        rows = [*body.pop("items", []), body] if isinstance(body, dict) else body
    else:
        return [answer.text]
    return [r for r in rows if not (isinstance(r, dict) and _is_attempt(r))]


def _is_attempt(row: Json) -> bool:
    return str(row.get("action", "")).startswith("access.")


class TestStranger:
    @pytest.mark.parametrize("operation", THINGS, ids=lambda o: o.id)
    def test_gets_404_for_what_the_owner_gets(self, operation: Operation, world: World) -> None:
        call = MAKERS[operation.id](world)
        strange = _send(world, operation, call, world.stranger)
        if operation.id in NAMES_BROKEN:
            assert {i["error_code"] for i in strange.json()["items"]} == {"study-not-found"}
        else:
            assert strange.status_code == 404, strange.text
            assert strange.json()["status"] == 404
        own = _send(world, operation, call, world.admin)
        assert own.is_success, own.text

    @pytest.mark.parametrize("operation", LISTS, ids=lambda o: o.id)
    def test_finds_nothing_in_lists_and_counts(self, operation: Operation, world: World) -> None:
        call = MAKERS[operation.id](world)
        answer = _send(world, operation, call, world.stranger)
        assert answer.is_success or answer.status_code in (403, 404), answer.text
        text = json.dumps(_without_own_attempts(answer))
        for secret in self._secrets(world):
            assert secret not in text

    def _secrets(self, world: World) -> list[str]:
        study = world.study
        return [
            world.admin.org_id,
            *(p.user_id for p in world.people.values()),
            *(study[k] for k in ("id", "study_uid", "patient_ref", "patient_id")),
            world.space["id"],
            world.space["slug"],
            world.instance["id"],
            world.upload["id"],
            world.chest["id"],
        ]

    def test_counts_nothing_of_the_neighbour(self, world: World) -> None:
        assert world.study
        paths = ("/v1/studies", "/v1/patients", "/v1/uploads", "/v1/quarantine", "/v1/tasks")
        for path in (*paths, "/v1/results", "/v1/subscriptions"):
            page = world.ask("GET", path, world.stranger)
            assert page["items"] == [], path
            assert page["total"] in (0, None), path
        people = world.ask("GET", "/v1/users", world.stranger, params={"total": True})
        assert people["total"] == len(people["items"])
        assert world.stranger.user_id in {p["id"] for p in people["items"]}
        events = world.ask("GET", "/v1/audit/events", params={"total": True, "limit": 1})
        theirs = world.ask(
            "GET",
            "/v1/audit/events",
            world.stranger,
            params={"total": True, "user_id": world.admin.user_id},
        )
        assert events["total"] > 0
        assert theirs["total"] == 0

    def test_filters_by_the_neighbours_ids_match_nothing(self, world: World) -> None:
        study, result = world.study, world.result["item"]
        searches = {
            "/v1/studies": {"study_uid": study["study_uid"]},
            "/v1/patients": {"patient_id": study["patient_id"]},
            "/v1/tasks": {"study": study["id"]},
        }
        for path, query in searches.items():
            page = world.ask("GET", path, world.stranger, params=query)
            assert (page["items"], page["total"] or 0) == ([], 0), path
        query = {"study_id": study["id"], "total": True}
        page = world.ask("GET", "/v1/audit/events", world.stranger, params=query)
        assert [e for e in page["items"] if not _is_attempt(e)] == []
        assert page["total"] == len(page["items"])  # attempts of the stranger himself
        for query in ({"study": result["study_id"]}, {"patient": result["patient_ref"]}):
            page = world.ask("GET", "/v1/results", world.stranger, params=query)
            assert page["items"] == []
        by_space = {"space": world.space["slug"]}
        for path in ("/v1/studies", "/v1/results", "/v1/rules"):
            headers = world.stranger.headers
            answer = world.http.get(path, params=by_space, headers=headers)
            assert answer.status_code == 404, (path, answer.text)

    def test_gets_404_from_dicomweb_by_the_same_slug(self, world: World) -> None:
        uids = world.uids
        study = f"/dicomweb/default/studies/{uids['study']}"
        series = f"{study}/series/{uids['series']}"
        instance = f"{series}/instances/{uids['instance']}"
        paths = [study, series, instance, f"{study}/metadata", f"{instance}/frames/1"]
        paths += [f"{instance}/rendered", f"{study}/thumbnail"]
        for path in paths:
            assert world.http.get(path, headers=world.admin.headers).status_code == 200, path
            assert world.http.get(path, headers=world.stranger.headers).status_code == 404, path
        found = world.http.get("/dicomweb/default/studies", headers=world.stranger.headers)
        assert (found.status_code, found.json()) == (200, [])
        gone = world.http.delete(study, headers=world.stranger.headers)
        assert gone.status_code == 404

    def test_does_not_meet_the_neighbours_idempotency_keys(self, world: World) -> None:
        key = {"Idempotency-Key": f"same-key-{world.name()}"}
        body = {"name": world.name()}
        first = world.ask("POST", "/v1/teams", json=body, headers=key)
        again = world.ask("POST", "/v1/teams", json=body, headers=key)
        other = world.ask("POST", "/v1/teams", world.stranger, json=body, headers=key)
        assert first["id"] == again["id"] != other["id"]
        changed = {"name": world.name()}
        mine = world.http.post("/v1/teams", json=changed, headers={**world.admin.headers, **key})
        assert mine.status_code == 409

    def test_cannot_change_a_signed_url_to_another_upload(self, world: World) -> None:
        mine, data = world.new_upload()
        theirs = world.ask(
            "POST", "/v1/uploads", world.stranger, json={"filename": "p.png", "size": len(data)}
        )
        own, other = mine["parts"][0], theirs["parts"][0]
        moved = own["url"].split("?")[0] + "?" + other["url"].split("?")[1]
        path = moved.split("/", 3)[3]
        answer = world.http.put(f"/{path}", content=data, headers=own["headers"])
        assert moved != own["url"]
        assert answer.status_code == 404, answer.text
        still = world.ask("GET", f"/v1/uploads/{mine['id']}")
        assert [p["done"] for p in still["parts"]] == [False]


class _Receiver(ThreadingHTTPServer):
    daemon_threads = True
    bodies: list[bytes]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, _Receiver)
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    server = _Receiver(("127.0.0.1", 0), _Handler)
    server.bodies = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class TestWebhooks:
    def test_carry_events_of_their_own_organisation_only(
        self, world: World, receiver: _Receiver
    ) -> None:
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        body = {"name": "all", "topics": ["*"], "channel": "webhook", "config": {"url": url}}
        made = world.ask("POST", "/v1/subscriptions", world.stranger, json=body)
        world.new_study()
        objects = ct_series(1)
        content, kind = related(objects)
        world.ask(
            "POST",
            "/dicomweb/default/studies",
            world.stranger,
            content=content,
            headers={"Content-Type": kind},
        )
        world.wait("an event of the own organisation", lambda: receiver.bodies, 60)
        time.sleep(1.0)
        seen = {json.loads(b).get("org", json.loads(b).get("org_id")) for b in receiver.bodies}
        world.ask(
            "PATCH", f"/v1/subscriptions/{made['id']}", world.stranger, json={"enabled": False}
        )
        assert seen == {world.stranger.org_id}
        assert world.admin.org_id.encode() not in b"".join(receiver.bodies)


class TestSignIn:
    @pytest.mark.parametrize(
        "operation", [o for o in operations() if o.id not in OWN_PROOF], ids=lambda o: o.id
    )
    def test_is_needed(self, operation: Operation, world: World) -> None:
        call = MAKERS[operation.id](world)
        answer = call.send(world.http, operation.method, operation.path, {})
        assert answer.status_code == 401, answer.text


class TestRoles:
    @pytest.mark.parametrize("operation", WRITES, ids=lambda o: o.id)
    def test_a_viewer_cannot_write(self, operation: Operation, world: World) -> None:
        if operation.id in ("mark_all_read", "mark_read", "change_my_preferences"):
            pytest.skip("everybody has an inbox and preferences")
        call = MAKERS[operation.id](world)
        answer = _send(world, operation, call, world.people["viewer"])
        hidden = operation.id in SEEN_BY_OWNERS
        assert answer.status_code == (404 if hidden else 403), answer.text

    @pytest.mark.parametrize("operation_id", sorted(IMAGES))
    def test_an_auditor_cannot_read_images(self, operation_id: str, world: World) -> None:
        operation = next(o for o in operations() if o.id == operation_id)
        call = MAKERS[operation_id](world)
        answer = _send(world, operation, call, world.people["auditor"])
        assert answer.status_code == 403, answer.text

    @pytest.mark.parametrize(
        "operation_id", ["create_task", "store_instances", "create_upload", "export_result"]
    )
    def test_a_radiologist_can_work(self, operation_id: str, world: World) -> None:
        operation = next(o for o in operations() if o.id == operation_id)
        call = MAKERS[operation_id](world)
        answer = _send(world, operation, call, world.people["radiologist"])
        assert answer.is_success, answer.text


# Reads of no one study: of lists and searches, of the log, of tables of the organisation. Those
# of a batch, an upload or the quarantine have that as their subject.
_OF_MANY = re.compile(
    r"(_listed|_searched|worklist_read|worklist_watched|searched|workitem_read|sent_to_ae)$"
    r"|^(audit|identity|spaces|notify|integration|modelhub|quality|storage|access)\."
    r"|^archive\.(upload|quarantine)_|^analysis\.batch_|^patients\."
)
# One study's reads and exports, each by a call of its own.
_READS = """
get_study list_instances get_series get_instance get_instance_metadata export_study
get_study_history get_correction get_original_instance get_task get_result list_study_results
export_result get_key_image list_result_verdicts get_report export_report get_study_report
get_report_prefill get_original retrieve_study retrieve_study_metadata retrieve_rendered_instance
"""
# What they leave in the log each time; reads of images and tasks are counted by the minute.
_NOTED = """
archive.study_read archive.study_exported archive.history_read archive.correction_read
archive.metadata_read analysis.result_read analysis.result_exported analysis.key_image_read
reading.verdicts_read reading.report_read reading.report_exported reading.prefill_read
"""


class TestWhoSawIt:
    """Who asks 'who saw this study, this patient' finds every read of one study."""

    def test_every_read_of_a_study_names_study_and_patient(self, world: World) -> None:
        known, begun = {o.id: o for o in operations()}, now()
        for name in _READS.split():
            answer = _send(world, known[name], MAKERS[name](world), world.admin)
            assert answer.is_success, f"{name}: {answer.text}"
        rows = [r for c in ("access", "export") for r in self._rows(world, c, begun)]
        wanted = [r for r in rows if not _OF_MANY.search(r["action"])]
        assert set(_NOTED.split()) <= {r["action"] for r in wanted}
        bad = {
            f"{r['action']} {r['kind']}"
            for r in wanted
            if r["patient_id"] is None or r["kind"] not in ("study", "patient")
        }
        assert bad == set()
        study = world.study
        mine = [r for r in wanted if r["subject"] == study["id"]]
        assert mine and {r["patient_id"] for r in mine} == {study["patient_ref"]}
        assert {r["action"] for r in wanted if act(r["action"]).en == r["action"]} == set()

    def _rows(self, world: World, category: str, begun: datetime) -> list[Json]:
        rows: list[Json] = []
        query: dict[str, Any] = {"category": category, "outcome": "success", "limit": 200}
        query["from"] = begun.isoformat()
        while True:
            page = world.ask("GET", "/v1/audit/events", params=query)
            rows += page["items"]
            if page["next"] is None:
                return rows
            query["cursor"] = page["next"]
