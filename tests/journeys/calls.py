# SPDX-License-Identifier: Apache-2.0
"""For every operation of the API one call that succeeds, by operation id.

Every test of the whole API takes its seeds from here: the owner's call must reach a 2xx, the
stranger's the same call a 404. An operation that is not here fails those tests with its name.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from healthvision.domains.modelhub.reading import read
from healthvision.domains.modelhub.service import Shelf
from healthvision.kernel.clock import now
from tests.factories.dicom import ct_bytes, ct_series
from tests.factories.notes import note_bytes
from tests.journeys.material import AUTHORIZE, PASSWORD, hidden, picture, related
from tests.journeys.world import World
from tests.support import own_models


@dataclass(frozen=True)
class Call:
    """What goes into one operation. ``anonymous``: the call carries its own proof."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    json: Any = None
    form: dict[str, str] | None = None
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    anonymous: bool = False

    def send(
        self, client: httpx.Client, method: str, template: str, headers: dict[str, str]
    ) -> httpx.Response:
        """Send the call to an operation with the headers of a caller."""
        path = template
        for name, value in self.path.items():
            safe = "/" if name in ("key", "path") else ""
            path = path.replace("{" + name + "}", quote(value, safe=safe))
        own = {} if self.anonymous else headers
        return client.request(
            method,
            path,
            params=self.query or None,
            json=self.json,
            data=self.form,
            content=self.content,
            headers={**own, **self.headers},
        )


Maker = Callable[[World], Call]
MAKERS: dict[str, Maker] = {}


def _call(*operations: str) -> Callable[[Maker], Maker]:
    def keep(maker: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(operations, maker))
        return maker

    return keep


def _plain(_world: World) -> Call:
    return Call()


_WITHOUT_SEED = """
health ready version limits get_me list_users list_organisations list_teams
list_roles list_permissions list_api_keys list_clients list_signing_keys
openid_configuration oauth_authorization_server jwks list_events export_events
access_log operation_log verify list_patients list_subscriptions list_channels
list_notifications count_unread mark_all_read list_spaces list_studies get_limits
list_uploads list_quarantine list_models get_analysis_limits get_deadlines list_tasks list_rules
list_rule_attributes list_batches search_results oauth_device_page list_called_aes
list_remote_aes get_integrity get_my_preferences list_audit_actions
"""
MAKERS |= dict.fromkeys(_WITHOUT_SEED.split(), _plain)

# Accounts


@_call("change_my_password")
def _password(w: World) -> Call:
    _, email = w.new_person()
    token = w.token_of(email)["access_token"]
    body = {"current": PASSWORD, "new": PASSWORD + "!"}
    return Call(json=body, headers={"Authorization": f"Bearer {token}"}, anonymous=True)


@_call("accept_invite")
def _accept(w: World) -> Call:
    return Call(json={"token": w.new_user()["token"], "password": PASSWORD}, anonymous=True)


@_call("complete_password_reset")
def _reset(w: World) -> Call:
    user_id, _ = w.new_person()
    made = w.ask("POST", f"/v1/users/{user_id}/password-reset")
    return Call(json={"token": made["token"], "password": PASSWORD + "?"}, anonymous=True)


def _at_the_pages(w: World) -> tuple[dict[str, str], dict[str, Any]]:
    """Sign a new person in at the web interface; return the proof and the session."""
    _, email = w.new_person()
    body = {"email": email, "password": PASSWORD}
    with httpx.Client(base_url=w.url, timeout=60) as browser:
        session: dict[str, Any] = browser.post("/ui/session", json=body).json()
        cookie = browser.cookies["hv_session"]
    return {"Cookie": f"hv_session={cookie}", "X-CSRF-Token": session["csrf_token"]}, session


@_call("get_session", "sign_out")
def _session(w: World) -> Call:
    proof, _ = _at_the_pages(w)
    return Call(headers=proof, anonymous=True)


@_call("sign_in")
def _sign_in(w: World) -> Call:
    _, email = w.new_person()
    return Call(json={"email": email, "password": PASSWORD}, anonymous=True)


@_call("switch_organisation")
def _switch(w: World) -> Call:
    proof, session = _at_the_pages(w)
    return Call(json={"org_id": session["me"]["org_id"]}, headers=proof, anonymous=True)


@_call("create_organisation")
def _organisation(w: World) -> Call:
    name = w.name()
    body = {
        "name": name,
        "title": name,
        "admin_email": f"chief@{name}.example",
        "admin_name": "Chen Hui",
    }
    return Call(json=body)


_ORG: Maker = lambda w: Call({"org_id": w.admin.org_id})  # noqa: E731 (one of many seeds)
MAKERS["get_organisation"] = _ORG
MAKERS["patch_organisation"] = lambda w: Call({"org_id": w.admin.org_id}, json={"title": "Alpha"})


def _spare_organisation(w: World) -> Call:
    """Generated input may switch this one off without ending the caller's own rights."""
    made = w.ask("POST", "/v1/organisations", json=_organisation(w).json)
    return Call({"org_id": made["organisation"]["id"]}, json={"title": "Spare"})


SPARE: dict[str, Maker] = {"patch_organisation": _spare_organisation}
MAKERS["invite_user"] = lambda w: Call(
    json={"email": f"{w.name()}@a.example", "name": "Wang Min", "roles": ["viewer"]}
)
MAKERS["get_user"] = lambda w: Call({"user_id": w.people["viewer"].user_id})
MAKERS["patch_user"] = lambda w: Call(
    {"user_id": w.new_user()["user_id"]}, json={"name": "Wang Min-Li"}
)
MAKERS["disable_user"] = lambda w: Call({"user_id": w.new_user()["user_id"]})
MAKERS["enable_user"] = lambda w: Call({"user_id": w.new_user()["user_id"]})
MAKERS["start_password_reset"] = lambda w: Call({"user_id": w.new_person()[0]})
MAKERS["change_my_preferences"] = lambda _w: Call(
    json={"keys": {"length": "m"}, "layouts": {"CT": "mpr"}, "opacity": 0.5}
)
MAKERS["create_team"] = lambda w: Call(json={"name": w.name()})
MAKERS["get_team"] = lambda w: Call({"team_id": w.new_team()["id"]})
MAKERS["delete_team"] = MAKERS["get_team"]
MAKERS["patch_team"] = lambda w: Call(
    {"team_id": w.new_team()["id"]}, json={"description": "Reads chest CT at night"}
)
MAKERS["join_team"] = lambda w: Call(
    {"team_id": w.new_team()["id"], "user_id": w.people["viewer"].user_id}
)


@_call("leave_team")
def _leave(w: World) -> Call:
    team, user = w.new_team()["id"], w.people["viewer"].user_id
    w.ask("PUT", f"/v1/teams/{team}/members/{user}")
    return Call({"team_id": team, "user_id": user})


MAKERS["create_role"] = lambda w: Call(json={"name": w.name(), "permissions": ["users:read"]})
MAKERS["get_role"] = lambda w: Call({"name": w.new_role()["name"]})
MAKERS["delete_role"] = MAKERS["get_role"]
MAKERS["patch_role"] = lambda w: Call(
    {"name": w.new_role()["name"]}, json={"description": "Sees who has an account"}
)
MAKERS["create_api_key"] = lambda w: Call(json={"name": w.name()})
MAKERS["get_api_key"] = lambda w: Call({"key_id": w.new_key()["key"]["id"]})
MAKERS["revoke_api_key"] = MAKERS["get_api_key"]
MAKERS["create_client"] = lambda w: Call(
    json={"name": w.name(), "grants": ["client_credentials"], "scopes": ["users:read"]}
)
MAKERS["get_client"] = lambda w: Call({"client_id": w.new_client()["client"]["client_id"]})
MAKERS["rotate_client_secret"] = MAKERS["get_client"]
MAKERS["patch_client"] = lambda w: Call(
    {"client_id": w.new_client()["client"]["client_id"]}, json={"name": "Other"}
)
MAKERS["rotate_signing_key"] = lambda w: Call(json={"algorithm": "EdDSA"})

# OAuth


def _proof(w: World) -> dict[str, str]:
    made = w.new_client()
    return {"client_id": made["client"]["client_id"], "client_secret": made["client_secret"]}


@_call("oauth_token")
def _token(w: World) -> Call:
    return Call(form={"grant_type": "client_credentials", **_proof(w)}, anonymous=True)


@_call("oauth_introspect", "oauth_revoke")
def _introspect(w: World) -> Call:
    proof = _proof(w)
    token = w.ask("POST", "/oauth/token", data={"grant_type": "client_credentials", **proof})
    return Call(form={"token": token["access_token"], **proof}, anonymous=True)


MAKERS["oauth_device_authorization"] = lambda w: Call(
    form={"client_id": "healthvision-cli"}, anonymous=True
)
MAKERS["oauth_authorize_page"] = lambda w: Call(query=dict(AUTHORIZE), anonymous=True)


def _page_form(page: httpx.Response) -> tuple[dict[str, str], dict[str, str]]:
    cookie = page.headers["set-cookie"].split(";")[0]
    return hidden(page.text), {"Cookie": cookie}


@_call("oauth_authorize")
def _authorize(w: World) -> Call:
    _, email = w.new_person()
    body = {"email": email, "name": "Two", "roles": ["viewer"]}
    token = w.ask("POST", "/v1/users", w.stranger, json=body)["token"]
    w.ask("POST", "/v1/invites/accept", json={"token": token, "password": PASSWORD})
    form, cookie = _page_form(w.http.get("/oauth/authorize", params=AUTHORIZE))
    form |= {"username": email, "password": PASSWORD, "decision": "allow"}
    return Call(form=form, headers=cookie, anonymous=True)


@_call("oauth_device")
def _device(w: World) -> Call:
    _, email = w.new_person()
    made = w.ask("POST", "/oauth/device_authorization", data={"client_id": "healthvision-cli"})
    form, cookie = _page_form(w.http.get("/oauth/device", params={"user_code": made["user_code"]}))
    form |= {"user_code": made["user_code"], "username": email, "password": PASSWORD}
    return Call(form={**form, "decision": "allow"}, headers=cookie, anonymous=True)


# Audit


def _period(**more: str) -> dict[str, str]:
    moment = now()
    since = (moment - timedelta(days=1)).isoformat()
    return {"from": since, "to": (moment + timedelta(days=1)).isoformat(), **more}


MAKERS["viewers"] = lambda w: Call(query={"study_id": w.study["id"]})
MAKERS["security_events"] = lambda w: Call(query=_period())
MAKERS["compliance_report"] = lambda w: Call(query=_period())


@_call("prove")
def _prove(w: World) -> Call:
    def sealed() -> str | None:
        page = w.ask("GET", "/v1/audit/events", params={"limit": 50})
        events = page["items"]
        oldest = events[-1]["id"]
        answer = w.http.get(f"/v1/audit/proof/{oldest}", headers=w.admin.headers)
        return str(oldest) if answer.status_code == 200 else None

    return Call({"event_id": w.wait("a sealed event", sealed)})


# Signed URLs


@_call("put_blob")
def _put_blob(w: World) -> Call:
    upload, data = w.new_upload()
    part = upload["parts"][0]
    target = urlsplit(part["url"])
    query = {k: v[0] for k, v in parse_qs(target.query).items()}
    key = target.path.removeprefix("/v1/blobs/")
    return Call({"key": key}, query, content=data, headers=part["headers"], anonymous=True)


@_call("get_blob")
def _get_blob(w: World) -> Call:
    target = urlsplit(w.presigned())
    query = {k: v[0] for k, v in parse_qs(target.query).items()}
    return Call({"key": target.path.removeprefix("/v1/blobs/")}, query, anonymous=True)


# Notify

MAKERS["create_subscription"] = lambda w: Call(
    json={"name": w.name(), "topics": ["analysis.result_*"], "channel": "inapp"}
)
MAKERS["get_subscription"] = lambda w: Call({"subscription_id": w.new_subscription()["id"]})
MAKERS["remove_subscription"] = MAKERS["get_subscription"]
MAKERS["list_deliveries"] = MAKERS["get_subscription"]
MAKERS["send_test"] = MAKERS["get_subscription"]
MAKERS["update_subscription"] = lambda w: Call(
    {"subscription_id": w.new_subscription()["id"]}, json={"enabled": False}
)


@_call("rotate_secret")
def _rotate(w: World) -> Call:
    made = w.new_subscription("webhook", url="http://127.0.0.1:9/hook")
    return Call({"subscription_id": made["id"]})


@_call("redeliver")
def _redeliver(w: World) -> Call:
    made = w.new_delivery()
    return Call({"subscription_id": made["subscription_id"], "delivery_id": made["id"]})


MAKERS["mark_read"] = lambda w: Call({"notification_id": w.new_notification()["id"]})

# Images

MAKERS["get_patient"] = lambda w: Call({"patient_ref": w.study["patient_ref"]})
MAKERS["create_space"] = lambda w: Call(json={"slug": w.name()})
MAKERS["get_space"] = lambda w: Call({"space": w.space["slug"]})
MAKERS["change_space"] = lambda w: Call(
    {"space": w.new_space()["slug"]}, json={"title_en": "Emergency ward"}
)
MAKERS["remove_space"] = lambda w: Call({"space": w.new_space()["slug"]})
MAKERS["list_grants"] = lambda w: Call({"space": w.space["slug"]})


def _grant(w: World) -> dict[str, str]:
    return {"kind": "user", "principal": w.people["viewer"].user_id, "right": "read"}


MAKERS["grant_right"] = lambda w: Call({"space": w.new_space()["slug"]}, json=_grant(w))


@_call("revoke_right")
def _revoke(w: World) -> Call:
    slug = w.new_space()["slug"]
    made = w.ask("POST", f"/v1/spaces/{slug}/grants", json=_grant(w))
    return Call({"space": slug, "grant_id": made["id"]})


_STUDY: Maker = lambda w: Call({"study_id": w.study["id"]})  # noqa: E731
MAKERS |= dict.fromkeys(
    ("get_study", "list_instances", "export_study", "list_study_results"), _STUDY
)
MAKERS["change_study"] = lambda w: Call({"study_id": w.study["id"]}, json={"legal_hold": False})
MAKERS["delete_study"] = lambda w: Call({"study_id": w.new_study()["id"]})
MAKERS["close_study"] = lambda w: Call({"study_id": w.study["id"]}, json={"space": w.space["slug"]})
MAKERS["add_to_space"] = lambda w: Call(
    {"study_id": w.new_study()["id"]}, json={"space": w.space["slug"]}
)


@_call("remove_from_space")
def _take_out(w: World) -> Call:
    study = w.new_study()["id"]
    w.ask("POST", f"/v1/studies/{study}/spaces", json={"space": w.space["slug"]})
    return Call({"study_id": study, "space": w.space["slug"]})


MAKERS["get_series"] = lambda w: Call({"series_id": w.study["series"][0]["id"]})
MAKERS["get_instance"] = lambda w: Call({"instance_id": w.instance["id"]})
MAKERS["get_instance_metadata"] = MAKERS["get_instance"]
MAKERS["get_original_instance"] = MAKERS["get_instance"]

# Corrections

_WHY = {"reason": "Wrong patient chosen at the console"}


@_call("merge_patient")
def _merge(w: World) -> Call:
    one, other = w.new_study(), w.new_study()
    body = {"into": other["patient_ref"], "reason": "Registered twice"}
    return Call({"patient_ref": one["patient_ref"]}, json=body)


MAKERS["edit_patient"] = lambda w: Call(
    {"patient_ref": w.new_study()["patient_ref"]}, json={"name": "Li^Na=李^娜", **_WHY}
)


@_call("move_study")
def _move(w: World) -> Call:
    one, other = w.new_study(), w.new_study()
    return Call({"study_id": one["id"]}, json={"patient": other["patient_ref"], **_WHY})


@_call("split_study")
def _split(w: World) -> Call:
    study = w.ask("GET", f"/v1/studies/{w.new_study()['id']}")
    body = {"series": [s["id"] for s in study["series"]], "reason": "Two visits in one study"}
    return Call({"study_id": study["id"]}, json=body)


MAKERS["edit_study"] = lambda w: Call(
    {"study_id": w.new_study()["id"]}, json={"description": "Chest CT, plain", **_WHY}
)
MAKERS["reject_study"] = lambda w: Call(
    {"study_id": w.new_study()["id"]}, json={"code": "quality", "reason": "Patient moved"}
)


@_call("edit_series")
def _edit_series(w: World) -> Call:
    study = w.ask("GET", f"/v1/studies/{w.new_study()['id']}")
    body = {"body_part": "KNEE", "reason": "Protocol of another region"}
    return Call({"series_id": study["series"][0]["id"]}, json=body)


def _corrected(w: World) -> dict[str, Any]:
    path = f"/v1/studies/{w.new_study()['id']}/edit"
    return w.ask("POST", path, json={"description": "Chest CT, plain", **_WHY})


@_call("get_correction", "undo_correction")
def _correction(w: World) -> Call:
    return Call({"correction_id": _corrected(w)["id"]})


MAKERS["get_study_history"] = lambda w: Call({"study_id": _corrected(w)["study_id"]})
MAKERS["get_patient_history"] = lambda w: Call({"patient_ref": _corrected(w)["patient_ref"]})
_UNDO = MAKERS["undo_correction"]
MAKERS["undo_correction"] = lambda w: Call(_UNDO(w).path, json={"reason": "It was right"})


def _disagreed(w: World) -> str:
    """Let two objects disagree about a patient; return the id of the conflict."""
    number = w.name()
    w.store([ct_bytes(PatientID=number, PatientName="Wang^Xiao", Modality="OT")])
    study = w.store([ct_bytes(PatientID=number, PatientName="Wang^XiaoDong", Modality="OT")])
    found: str = w.ask("GET", f"/v1/patients/{study['patient_ref']}")["conflicts"][0]["id"]
    return found


@_call("list_conflicts")
def _conflicts(w: World) -> Call:
    _disagreed(w)
    return Call()


@_call("resolve_conflict")
def _decide(w: World) -> Call:
    return Call({"conflict_id": _disagreed(w)}, json={"take": "other", "reason": "As on the card"})


@_call("list_rejection_notes")
def _notes(w: World) -> Call:
    slices = ct_series(2, PatientID=w.name(), Modality="OT")
    study = w.store([*slices, note_bytes(slices[:1])])

    def held() -> bool:
        page = w.ask("GET", "/v1/rejection-notes", params={"limit": 200})
        return any(note["study"]["id"] == study["id"] for note in page["items"])

    w.wait("a note that is held", held)
    return Call()


MAKERS["create_upload"] = lambda w: Call(json={"filename": "a.png", "size": len(picture(1))})
MAKERS["get_upload"] = lambda w: Call({"upload_id": w.upload["id"]})
MAKERS["get_original"] = MAKERS["get_upload"]
MAKERS["complete_upload"] = lambda w: Call({"upload_id": w.sent_upload()["id"]}, json={})
MAKERS["get_quarantined"] = lambda w: Call({"quarantine_id": w.quarantined()["id"]})
MAKERS |= dict.fromkeys(
    ("delete_quarantined", "download_quarantined", "release_quarantined"),
    MAKERS["get_quarantined"],
)

# Application entities


def _new_called(w: World) -> dict[str, str]:
    return {"title": f"ARCHIVE{next(w.numbers)}", "space": w.space["slug"]}


def _new_remote(w: World) -> dict[str, Any]:
    title = f"CT{next(w.numbers)}"
    return {"title": title, "host": "192.0.2.7", "port": 11112, "operations": ["store"]}


MAKERS["add_called_ae"] = lambda w: Call(json=_new_called(w))
MAKERS["add_remote_ae"] = lambda w: Call(json=_new_remote(w))


def _called(w: World) -> Call:
    return Call({"title": w.ask("POST", "/v1/called-aes", json=_new_called(w))["title"]})


def _remote(w: World) -> Call:
    title = w.ask("POST", "/v1/remote-aes", json=_new_remote(w))["title"]
    return Call({"title": title}, json={"port": 104})


MAKERS["remove_called_ae"] = _called
MAKERS["change_remote_ae"] = _remote
MAKERS["remove_remote_ae"] = lambda w: Call(_remote(w).path)

# DICOMweb

MAKERS |= dict.fromkeys(
    (
        *("search_studies", "search_series", "search_instances"),
        *("retrieve_capabilities", "ask_capabilities"),
    ),
    lambda w: Call({"space": w.uids["space"]}),
)


def _uids(*names: str) -> Maker:
    return lambda w: Call({"space": w.uids["space"], **{n: w.uids[n] for n in names}})


for _level in (("study",), ("study", "series"), ("study", "series", "instance")):
    _maker = _uids(*_level)
    _what = _level[-1]
    MAKERS |= {f"retrieve_{_what}{s}": _maker for s in ("", "_metadata", "_thumbnail")}
_WADO_NAMES = {"study": "study", "series": "series", "object": "instance"}
MAKERS["search_series_of_study"] = _uids("study")
MAKERS["search_instances_of_study"] = _uids("study")
MAKERS["search_instances_of_series"] = _uids("study", "series")
MAKERS["retrieve_rendered_study"] = _uids("study")
MAKERS["retrieve_rendered_series"] = _uids("study", "series")
MAKERS["retrieve_rendered_instance"] = _uids("study", "series", "instance")
MAKERS["wado_uri"] = lambda w: Call(
    {"space": w.uids["space"]},
    {"requestType": "WADO", **{f"{k}UID": w.uids[v] for k, v in _WADO_NAMES.items()}},
)
MAKERS["retrieve_frames"] = lambda w: Call({**w.uids, "frames": "1"})
MAKERS["retrieve_rendered_frame"] = MAKERS["retrieve_frames"]


@_call("retrieve_bulk_data")
def _bulk(w: World) -> Call:
    path = f"/dicomweb/{w.uids['space']}/studies/{w.uids['study']}/metadata"
    answer = w.http.get(path, headers=w.admin.headers).json()
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(v for k, v in value.items() if k == "BulkDataURI")
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                look(item)

    look(answer)
    target = urlsplit(found[0]).path
    before, _, tail = target.partition("/bulkdata/")
    instance = before.rsplit("/", 1)[1]
    return Call({**w.uids, "instance": instance, "path": tail})


def _stow(objects: list[bytes], path: dict[str, str]) -> Call:
    body, kind = related(objects)
    return Call(path, content=body, headers={"Content-Type": kind})


MAKERS["store_instances"] = lambda w: _stow(ct_series(1), {"space": w.space["slug"]})
MAKERS["store_study_instances"] = lambda w: _stow(
    [ct_bytes(study_uid=w.uids["study"])], {"space": w.uids["space"], "study": w.uids["study"]}
)


@_call("delete_study_from_space")
def _delete_study(w: World) -> Call:
    study = w.new_study(w.space["slug"])
    return Call({"space": w.space["slug"], "study": study["study_uid"]})


@_call("delete_series", "delete_instance")
def _delete_part(w: World) -> Call:
    study = w.ask("GET", f"/v1/studies/{w.new_study(w.space['slug'])['id']}")
    instance = w.ask("GET", f"/v1/studies/{study['id']}/instances")["items"][0]
    path = {"study": study["study_uid"], "series": study["series"][0]["series_uid"]}
    return Call({"space": w.space["slug"], **path, "instance": instance["sop_uid"]})


# Work items

_WORKLIST, _VIEWER = "1.2.840.10008.5.1.4.34.5", "VIEWER1"


def _entry(vr: str, value: str) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]}


_CLAIM = {"00741000": _entry("CS", "IN PROGRESS"), "00081195": _entry("UI", "2.25.77")}
_WORKITEM = {
    "00100020": _entry("LO", "P1"),
    "00404005": _entry("DT", "20260301120000"),
    "00404041": _entry("CS", "READY"),
    "00741200": _entry("CS", "HIGH"),
    "00741204": _entry("LO", "Read chest CT"),
}
MAKERS["search_workitems"] = lambda w: Call({"space": w.space["slug"]})
MAKERS["create_workitem"] = lambda w: Call({"space": w.space["slug"]}, json=_WORKITEM)


@_call("retrieve_workitem", "request_workitem_cancellation")
def _workitem(w: World) -> Call:
    path = f"/dicomweb/{w.space['slug']}/workitems"
    made = w.http.post(path, json=_WORKITEM, headers=w.admin.headers)
    uid = made.headers["location"].rsplit("/", 1)[1]
    return Call({"space": w.space["slug"], "workitem": uid})


MAKERS["update_workitem"] = lambda w: Call(
    _workitem(w).path, json={"00741200": _entry("CS", "MEDIUM")}
)
MAKERS["change_workitem_state"] = lambda w: Call(_workitem(w).path, json=_CLAIM)
MAKERS["subscribe_to_workitem"] = lambda w: Call({**_workitem(w).path, "aetitle": _VIEWER})


def _subscribed(w: World, path: dict[str, str]) -> Call:
    target = f"/dicomweb/{path['space']}/workitems/{path['workitem']}/subscribers/{_VIEWER}"
    assert w.http.post(target, headers=w.admin.headers).is_success
    return Call({**path, "aetitle": _VIEWER})


MAKERS["unsubscribe_from_workitem"] = lambda w: _subscribed(w, _workitem(w).path)
MAKERS["suspend_worklist_subscription"] = lambda w: _subscribed(
    w, {"space": w.space["slug"], "workitem": _WORKLIST}
)


# Models and analysis

MAKERS["get_model"] = lambda w: Call({"model_id": "lung-ct"})
MAKERS["get_model_card"] = MAKERS["get_model"]
MAKERS["change_model"] = lambda w: Call({"model_id": "lung-ct"}, json={"enabled": True})
_PACKAGE = b"a package that is no zip is judged soon"
_ANNOUNCED = {"size": len(_PACKAGE), "sha256": hashlib.sha256(_PACKAGE).hexdigest()}
MAKERS["announce_model"] = lambda _w: Call(json=_ANNOUNCED)


def _addition(w: World) -> dict[str, str]:
    return {"addition_id": w.ask("POST", "/v1/models", json=_ANNOUNCED)["id"]}


MAKERS["get_model_addition"] = lambda w: Call(_addition(w))
MAKERS["put_model_package"] = lambda w: Call(
    _addition(w), content=_PACKAGE, headers={"Content-Type": "application/zip"}
)


@_call("remove_model")
def _own_model(w: World) -> Call:
    """Add a model that fits no image, as the command line does."""
    name = w.name()
    folder = own_models.folder(w.platform.folder / name, id=name, accepts="Modality == 'XX'")
    proposal = read(folder)
    data = Path(w.platform.environment["HV_DATA_DIR"])
    Shelf(data / "models").put(proposal.description, proposal.weights)
    return Call({"model_id": name})


MAKERS["create_task"] = lambda w: Call(
    json={"study_id": w.new_study(modality="CT")["id"], "application": "lung-ct"}
)
MAKERS["get_task"] = lambda w: Call({"task_id": w.ended_task["id"]})
MAKERS["watch_task"] = MAKERS["get_task"]


def _waiting(w: World) -> Call:
    return Call({"task_id": w.waiting_task()["id"]})


MAKERS["change_task"] = lambda w: Call(
    {"task_id": w.waiting_task()["id"]}, json={"priority": "stat"}
)
MAKERS["cancel_task"] = _waiting


@_call("retry_task")
def _retry(w: World) -> Call:
    task = w.waiting_task()["id"]
    w.ask("POST", f"/v1/tasks/{task}/cancel")
    return Call({"task_id": task})


MAKERS["create_rule"] = lambda w: Call(json={"name": w.name(), "expression": "Modality == 'XX'"})
MAKERS["dry_run_rule"] = lambda w: Call(
    json={"space": w.space["slug"], "expression": "Modality == 'CT'"}
)
MAKERS["get_rule"] = lambda w: Call({"rule_id": w.new_rule()["id"]})
MAKERS["delete_rule"] = MAKERS["get_rule"]
MAKERS["change_rule"] = lambda w: Call({"rule_id": w.new_rule()["id"]}, json={"enabled": False})
MAKERS["create_batch"] = lambda w: Call(json={"studies": [w.new_study()["id"]]})
MAKERS["get_batch"] = lambda w: Call({"batch_id": w.batch["id"]})
MAKERS["get_batch_summary"] = MAKERS["get_batch"]
MAKERS["get_result"] = lambda w: Call({"result_id": w.result["item"]["id"]})
MAKERS["export_result"] = MAKERS["get_result"]
MAKERS["compare_results"] = lambda w: Call(
    {"result_id": w.result["item"]["id"]}, {"with": w.result["item"]["id"]}
)


@_call("get_key_image")
def _key_image(w: World) -> Call:
    names = [o["name"] for o in w.result["outputs"] if o["kind"] == "PNG"]
    return Call({"result_id": w.result["item"]["id"], "name": names[0]})


# Reading

_RESULT: Maker = lambda w: Call({"result_id": w.result["item"]["id"]})  # noqa: E731 (a seed)
MAKERS |= dict.fromkeys(
    (
        "search_worklist",
        "count_worklist",
        "watch_worklist",
        "search_verdicts",
        "search_reports",
        "get_agreement",
    ),
    _plain,
)
MAKERS["give_verdict"] = lambda w: Call(
    {"result_id": w.result["item"]["id"]}, json={"decision": "accept"}
)
MAKERS["list_result_verdicts"] = _RESULT


@_call("withdraw_verdict")
def _verdict(w: World) -> Call:
    path = f"/v1/results/{w.result['item']['id']}/verdicts"
    return Call({"verdict_id": w.ask("POST", path, json={"decision": "accept"})["id"]})


def _report(w: World, state: str = "draft", *, radiologist: bool = False) -> dict[str, Any]:
    """Return a new report in a state; its author is the administrator or the radiologist."""
    author, other = w.people["radiologist"], w.admin
    author, other = (author, other) if radiologist else (other, author)
    new = {"study_id": w.new_study()["id"], "prefill": False}
    report: dict[str, Any] = w.ask("POST", "/v1/reports", author, json=new)
    path = f"/v1/reports/{report['id']}"
    if state != "draft":
        body = {"polarity": "negative", "findings": "Clear.", "impression": "No finding."}
        w.ask("PUT", f"{path}/draft", author, json=body, headers={"If-Match": "*"})
        report = w.ask("POST", f"{path}/submit", author)
    if state == "final":
        report = w.ask("POST", f"{path}/review", other, json={"approve": True})
    return report


_REPORT: Maker = lambda w: Call({"report_id": _report(w)["id"]})  # noqa: E731 (a seed)
_SIGNED: Maker = lambda w: Call({"report_id": _report(w, "final")["id"]})  # noqa: E731 (a seed)
MAKERS |= dict.fromkeys(("get_report", "take_over_report", "discard_draft"), _REPORT)
MAKERS |= dict.fromkeys(("amend_report", "count_print", "check_signature"), _SIGNED)
MAKERS["export_report"] = lambda w: Call(
    {"report_id": _report(w, "final")["id"]}, {"format": "json"}
)
MAKERS["create_report"] = lambda w: Call(json={"study_id": w.new_study()["id"]})
MAKERS["save_draft"] = lambda w: Call(
    {"report_id": _report(w)["id"]}, json={"impression": "Clear."}, headers={"If-Match": "*"}
)
MAKERS["recall_report"] = lambda w: Call({"report_id": _report(w, "submitted")["id"]})
MAKERS["review_report"] = lambda w: Call(
    {"report_id": _report(w, "submitted", radiologist=True)["id"]}, json={"approve": True}
)
MAKERS["add_addendum"] = lambda w: Call(
    {"report_id": _report(w, "final")["id"]}, json={"text": "Told by phone."}
)


@_call("submit_report")
def _complete_draft(w: World) -> Call:
    report = _report(w, "submitted")
    w.ask("POST", f"/v1/reports/{report['id']}/recall")
    return Call({"report_id": report["id"]})


MAKERS["get_study_report"] = lambda w: Call({"study_id": _report(w)["study_id"]})
MAKERS["get_report_prefill"] = _STUDY

# Destinations and the worklist of modalities

MAKERS |= dict.fromkeys(
    ("list_destinations", "list_destination_kinds", "list_worklist_entries"), _plain
)


def _new_destination(w: World) -> dict[str, Any]:
    """A destination that nobody may connect to, so that its deliveries end at once."""
    config = {"url": "https://127.0.0.1:9/dicom-web", "username": "hv", "password": PASSWORD}
    return {"name": w.name(), "kind": "dicomweb", "config": config, "automatic": False}


def _destination(w: World) -> dict[str, str]:
    made = w.ask("POST", "/v1/destinations", json=_new_destination(w))
    return {"destination_id": made["id"]}


def _sent(w: World, state: str = "") -> Call:
    """Return the delivery of a study with one image; with a state once it is in it."""
    place = _destination(w)
    body = {"destination": place["destination_id"], "profile": {"images": True}}
    made = w.ask("POST", f"/v1/studies/{w.new_study()['id']}/send", json=body)
    path = f"/v1/destinations/{place['destination_id']}/deliveries/{made['id']}"
    if state:
        w.wait(f"a {state} delivery", lambda: w.ask("GET", path)["state"] == state)
    return Call({**place, "delivery_id": made["id"]})


MAKERS["create_destination"] = lambda w: Call(json=_new_destination(w))
MAKERS |= dict.fromkeys(
    (
        *("get_destination", "remove_destination", "try_destination"),
        "list_destination_deliveries",
    ),
    lambda w: Call(_destination(w)),
)
MAKERS["change_destination"] = lambda w: Call(_destination(w), json={"enabled": False})
MAKERS["get_destination_delivery"] = lambda w: _sent(w)
MAKERS["retry_destination_delivery"] = lambda w: _sent(w, "dead")
MAKERS["list_study_deliveries"] = _STUDY
MAKERS["send_study"] = lambda w: Call(
    {"study_id": w.study["id"]}, json={"destination": _destination(w)["destination_id"]}
)


def _new_entry(w: World) -> dict[str, Any]:
    return {
        "patient_id": "P-0815",
        "patient_name": "Wang^Min=王^敏",
        "patient_birth_date": "1970-06-15",
        "patient_sex": "F",
        "accession_number": w.name()[-8:],
        "procedure_description": "Chest CT without contrast",
        "modality": "CT",
        "station_ae": "CT1",
        "scheduled_date": "2026-03-04",
        "scheduled_time": "08:30:00",
    }


_ENTRY: Maker = lambda w: Call(  # noqa: E731 (a seed)
    {"entry_id": w.ask("POST", "/v1/modality-worklist", json=_new_entry(w))["id"]}
)
MAKERS["create_worklist_entry"] = lambda w: Call(json=_new_entry(w))
MAKERS |= dict.fromkeys(("get_worklist_entry", "cancel_worklist_entry"), _ENTRY)
