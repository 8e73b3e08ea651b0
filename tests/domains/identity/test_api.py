# SPDX-License-Identifier: Apache-2.0
"""People, teams, roles, keys and clients through the door; strangers get 404."""

from uuid import UUID, uuid4

import httpx
import pytest

from healthvision.domains.identity import service
from healthvision.domains.identity.schemas import ApiKeyCreate
from healthvision.kernel.db import Database
from healthvision.kernel.security import Actor
from tests.domains.identity.conftest import PASSWORD, Hospital, bearer, sign_in

NEW_PASSWORD = "a brand new secret 7"


async def invite(web: httpx.AsyncClient, boss: dict[str, str], email: str) -> dict[str, str]:
    body = {"email": email, "name": "Li Na", "roles": ["technician"]}
    answer = await web.post("/v1/users", json=body, headers=boss)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, str] = answer.json()
    return found


class TestInvite:
    async def test_an_invited_person_sets_a_password_and_comes_in(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        made = await invite(web, boss, "li.na@east.example")
        user = await web.get(f"/v1/users/{made['user_id']}", headers=boss)
        assert user.json()["status"] == "invited"
        body = {"token": made["token"], "password": PASSWORD}
        assert (await web.post("/v1/invites/accept", json=body)).status_code == 200
        assert (await web.post("/v1/invites/accept", json=body)).status_code == 410
        token = (await sign_in(web, "li.na@east.example"))["access_token"]
        me = (await web.get("/v1/me", headers=bearer(token))).json()
        assert me["user"]["roles"] == ["technician"]

    async def test_a_weak_password_is_refused_and_the_link_stays_good(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        made = await invite(web, boss, "li.na@east.example")
        for weak in ("short", "aaaaaaaaaaaaaaa", "li.na li.na 12345"):
            body = {"token": made["token"], "password": weak}
            answer = await web.post("/v1/invites/accept", json=body)
            assert answer.json()["code"] == "weak-password"
            assert weak not in answer.text
        body = {"token": made["token"], "password": PASSWORD}
        assert (await web.post("/v1/invites/accept", json=body)).status_code == 200

    async def test_somebody_known_elsewhere_proves_it_with_that_password(
        self, web: httpx.AsyncClient, boss: dict[str, str], west: Hospital
    ) -> None:
        made = await invite(web, boss, west.reader_email)
        wrong = {"token": made["token"], "password": "a stranger's choice 1"}
        assert (await web.post("/v1/invites/accept", json=wrong)).status_code == 401
        right = {"token": made["token"], "password": PASSWORD}
        assert (await web.post("/v1/invites/accept", json=right)).status_code == 200
        assert (await sign_in(web, west.reader_email, org="west"))["org"] == str(west.org_id)

    async def test_a_member_cannot_be_invited_again(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        body = {"email": east.reader_email.upper(), "name": "x", "roles": ["viewer"]}
        answer = await web.post("/v1/users", json=body, headers=boss)
        assert answer.json()["code"] == "already-member"

    @pytest.mark.parametrize("email", ["no-address", "a@b@c", "a b@c.example", "<x>@y.example"])
    async def test_a_malformed_address_is_refused(
        self, web: httpx.AsyncClient, boss: dict[str, str], email: str
    ) -> None:
        body = {"email": email, "name": "x", "roles": ["viewer"]}
        assert (await web.post("/v1/users", json=body, headers=boss)).status_code == 422


class TestDisable:
    async def test_ends_tokens_keys_and_refresh_at_once_and_enable_gives_back(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        tokens = await sign_in(web, east.reader_email)
        header = bearer(tokens["access_token"])
        key = await web.post("/v1/api-keys", json={"name": "mine"}, headers=header)
        secret = {"X-API-Key": key.json()["secret"]}
        assert (await web.get("/v1/me", headers=secret)).status_code == 200
        path = f"/v1/users/{east.reader_id}"
        off = await web.post(f"{path}/disable", headers=boss)
        assert off.json()["status"] == "disabled"
        assert (await web.get("/v1/me", headers=header)).status_code == 401
        assert (await web.get("/v1/me", headers=secret)).status_code == 401
        form = {
            "grant_type": "refresh_token",
            "client_id": "healthvision-cli",
            "refresh_token": tokens["refresh_token"],
        }
        assert (await web.post("/oauth/token", data=form)).status_code == 400
        on = await web.post(f"{path}/enable", headers=boss)
        assert on.json()["status"] == "active"
        assert (await web.get("/v1/me", headers=secret)).status_code == 200

    async def test_the_last_administrator_stays(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        answer = await web.post(f"/v1/users/{east.admin_id}/disable", headers=boss)
        assert answer.json()["code"] == "last-administrator"
        answer = await web.patch(
            f"/v1/users/{east.admin_id}", json={"roles": ["viewer"]}, headers=boss
        )
        assert answer.json()["code"] == "last-administrator"
        assert (await web.get("/v1/users", headers=boss)).status_code == 200

    async def test_does_not_reach_into_another_organisation(
        self, web: httpx.AsyncClient, boss: dict[str, str], west: Hospital
    ) -> None:
        made = await invite(web, boss, west.reader_email)
        body = {"token": made["token"], "password": PASSWORD}
        await web.post("/v1/invites/accept", json=body)
        await web.post(f"/v1/users/{west.reader_id}/disable", headers=boss)
        token = (await sign_in(web, west.reader_email))["access_token"]
        assert (await web.get("/v1/me", headers=bearer(token))).status_code == 200


class TestReset:
    async def test_sets_a_new_password_once_and_ends_old_sessions(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        old = bearer((await sign_in(web, east.reader_email))["access_token"])
        reset = await web.post(f"/v1/users/{east.reader_id}/password-reset", headers=boss)
        body = {"token": reset.json()["token"], "password": NEW_PASSWORD}
        assert (await web.post("/v1/password-resets/complete", json=body)).status_code == 200
        assert (await web.post("/v1/password-resets/complete", json=body)).status_code == 410
        assert (await web.get("/v1/me", headers=old)).status_code == 401
        fresh = await sign_in(web, east.reader_email, password=NEW_PASSWORD)
        assert (await web.get("/v1/me", headers=bearer(fresh["access_token"]))).status_code == 200

    async def test_an_organisation_cannot_take_over_a_shared_account(
        self, web: httpx.AsyncClient, east: Hospital, west: Hospital, neighbour: dict[str, str]
    ) -> None:
        for email in (east.reader_email, east.admin_email):
            made = await invite(web, neighbour, email)
            path = f"/v1/users/{made['user_id']}/password-reset"
            assert (await web.post(path, headers=neighbour)).status_code in (403, 409)

    async def test_the_own_password_needs_the_old_one(
        self, web: httpx.AsyncClient, east: Hospital
    ) -> None:
        header = bearer((await sign_in(web, east.reader_email))["access_token"])
        wrong = {"current": "not the password", "new": NEW_PASSWORD}
        assert (await web.post("/v1/me/password", json=wrong, headers=header)).status_code == 401
        right = {"current": PASSWORD, "new": NEW_PASSWORD}
        assert (await web.post("/v1/me/password", json=right, headers=header)).status_code == 200
        assert (await web.get("/v1/me", headers=header)).status_code == 401


class TestRoles:
    async def test_an_own_role_gives_exactly_its_permissions(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        role = {"name": "front-desk", "permissions": ["users:read"]}
        assert (await web.post("/v1/roles", json=role, headers=boss)).status_code == 201
        reader = bearer((await sign_in(web, east.reader_email))["access_token"])
        assert (await web.get("/v1/users", headers=reader)).status_code == 403
        path = f"/v1/users/{east.reader_id}"
        await web.patch(path, json={"roles": ["front-desk"]}, headers=boss)
        assert (await web.get("/v1/users", headers=reader)).status_code == 200
        assert (await web.delete("/v1/roles/front-desk", headers=boss)).status_code == 409
        await web.patch("/v1/roles/front-desk", json={"permissions": []}, headers=boss)
        assert (await web.get("/v1/users", headers=reader)).status_code == 403

    @pytest.mark.parametrize("right", ["no:such", "installation:admin", "installation:*"])
    async def test_unknown_and_installation_rights_are_refused(
        self, web: httpx.AsyncClient, boss: dict[str, str], right: str
    ) -> None:
        role = {"name": "x", "permissions": [right]}
        assert (await web.post("/v1/roles", json=role, headers=boss)).status_code == 422

    async def test_nobody_gives_more_than_he_holds(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        role = {"name": "hr", "permissions": ["users:read", "users:write", "roles:write"]}
        await web.post("/v1/roles", json=role, headers=boss)
        await web.patch(f"/v1/users/{east.reader_id}", json={"roles": ["hr"]}, headers=boss)
        header = bearer((await sign_in(web, east.reader_email))["access_token"])
        body = {"email": "x@y.example", "name": "x", "roles": ["admin"]}
        assert (await web.post("/v1/users", json=body, headers=header)).status_code == 403
        own = await web.patch(
            f"/v1/users/{east.reader_id}", json={"roles": ["admin"]}, headers=header
        )
        assert own.status_code == 403
        more = {"name": "more", "permissions": ["clients:write"]}
        assert (await web.post("/v1/roles", json=more, headers=header)).status_code == 403
        path = f"/v1/users/{east.admin_id}/password-reset"
        assert (await web.post(path, headers=header)).status_code == 403


class TestApiKeys:
    async def test_is_bound_by_scopes_and_ends_when_revoked(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        body = {"name": "list", "scopes": ["users:read"], "service": True}
        made = (await web.post("/v1/api-keys", json=body, headers=boss)).json()
        for header in ({"X-API-Key": made["secret"]}, bearer(made["secret"])):
            assert (await web.get("/v1/users", headers=header)).status_code == 200
            assert (await web.get("/v1/clients", headers=header)).status_code == 403
        listed = await web.get("/v1/api-keys", headers=boss)
        assert made["secret"] not in listed.text
        assert made["key"]["prefix"] in listed.text
        await web.delete(f"/v1/api-keys/{made['key']['id']}", headers=boss)
        gone = await web.get("/v1/users", headers={"X-API-Key": made["secret"]})
        assert gone.status_code == 401

    async def test_a_scoped_key_cannot_make_a_wider_one(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        body = {"name": "narrow", "scopes": ["users:read"]}
        made = (await web.post("/v1/api-keys", json=body, headers=boss)).json()
        narrow = {"X-API-Key": made["secret"]}
        child = (await web.post("/v1/api-keys", json={"name": "wide"}, headers=narrow)).json()
        assert child["key"]["scopes"] == ["users:read"]
        wide = {"name": "wide", "scopes": ["users:write"]}
        assert (await web.post("/v1/api-keys", json=wide, headers=narrow)).status_code == 403

    async def test_the_service_tier_is_the_installations_to_give(
        self, web: httpx.AsyncClient, neighbour: dict[str, str], boss: dict[str, str]
    ) -> None:
        body = {"name": "x", "tier": "service"}
        assert (await web.post("/v1/api-keys", json=body, headers=neighbour)).status_code == 403
        assert (await web.post("/v1/api-keys", json=body, headers=boss)).status_code == 201

    async def test_a_wrong_secret_of_a_right_prefix_is_refused(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        made = (await web.post("/v1/api-keys", json={"name": "k"}, headers=boss)).json()
        wrong = made["secret"][:16] + "A" * 43
        assert (await web.get("/v1/me", headers={"X-API-Key": wrong})).status_code == 401


class TestClients:
    async def test_an_unsafe_redirect_is_refused(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        for uri in (
            "http://hospital.example/back",
            "https://x.example/#here",
            "https://*.example/",
            "javascript:alert(1)",
            "https://u@x.example/",
            "/relative",
            "http://127.0.0.1:99999/",
        ):
            body = {"name": "x", "grants": ["authorization_code"], "redirect_uris": [uri]}
            answer = await web.post("/v1/clients", json=body, headers=boss)
            assert answer.status_code == 422, uri

    async def test_a_new_secret_replaces_the_old_one(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        path = f"/v1/clients/{east.client_id}/secret"
        secret = (await web.post(path, headers=boss)).json()["client_secret"]
        form = {"grant_type": "client_credentials"}
        for value, status in ((east.secret, 401), (secret, 200)):
            answer = await web.post("/oauth/token", data=form, auth=(east.client_id, value))
            assert answer.status_code == status


class TestTeams:
    async def test_people_join_and_leave(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        team = (await web.post("/v1/teams", json={"name": "Chest"}, headers=boss)).json()
        path = f"/v1/teams/{team['id']}"
        twice = [await web.put(f"{path}/members/{east.reader_id}", headers=boss) for _ in range(2)]
        assert twice[1].json()["members"] == [str(east.reader_id)]
        left = await web.delete(f"{path}/members/{east.reader_id}", headers=boss)
        assert left.json()["members"] == []
        same = await web.post("/v1/teams", json={"name": "Chest"}, headers=boss)
        assert same.json()["code"] == "name-taken"
        assert (await web.delete(path, headers=boss)).status_code == 204
        assert (await web.get(path, headers=boss)).status_code == 404


class TestOrganisations:
    async def test_only_the_installation_administrator_makes_one(
        self, web: httpx.AsyncClient, boss: dict[str, str], neighbour: dict[str, str]
    ) -> None:
        body = {
            "name": "north",
            "title": "North Hospital",
            "admin_email": "boss@north.example",
            "admin_name": "Chief",
        }
        refused = await web.post("/v1/organisations", json=body, headers=neighbour)
        assert refused.status_code == 403
        made = await web.post("/v1/organisations", json=body, headers=boss)
        assert made.status_code == 201
        answer = {"token": made.json()["invite"]["token"], "password": PASSWORD}
        assert (await web.post("/v1/invites/accept", json=answer)).status_code == 200
        token = (await sign_in(web, "boss@north.example"))["access_token"]
        listed = await web.get("/v1/organisations", headers=bearer(token))
        assert [o["name"] for o in listed.json()["items"]] == ["north"]
        again = await web.post("/v1/organisations", json=body, headers=boss)
        assert again.json()["code"] == "name-taken"

    async def test_a_disabled_one_is_closed_to_its_people(
        self,
        web: httpx.AsyncClient,
        boss: dict[str, str],
        neighbour: dict[str, str],
        west: Hospital,
    ) -> None:
        path = f"/v1/organisations/{west.org_id}"
        own = await web.patch(path, json={"disabled": True}, headers=neighbour)
        assert own.status_code == 403
        assert (await web.patch(path, json={"disabled": True}, headers=boss)).status_code == 200
        assert (await web.get("/v1/me", headers=neighbour)).status_code == 401

    async def test_a_stale_if_match_is_refused(
        self, web: httpx.AsyncClient, boss: dict[str, str], east: Hospital
    ) -> None:
        path = f"/v1/organisations/{east.org_id}"
        tag = (await web.get(path, headers=boss)).headers["etag"]
        for status in (200, 412):
            answer = await web.patch(
                path, json={"title": f"T{status}"}, headers={**boss, "If-Match": tag}
            )
            assert answer.status_code == status


class TestStranger:
    async def test_gets_404_for_everything_of_another_organisation(
        self,
        web: httpx.AsyncClient,
        boss: dict[str, str],
        neighbour: dict[str, str],
        east: Hospital,
    ) -> None:
        team = (await web.post("/v1/teams", json={"name": "Chest"}, headers=boss)).json()["id"]
        key = (await web.post("/v1/api-keys", json={"name": "k"}, headers=boss)).json()
        role = {"name": "own", "permissions": ["users:read"]}
        await web.post("/v1/roles", json=role, headers=boss)
        user, org, client = east.reader_id, east.org_id, east.client_id
        key_id = key["key"]["id"]
        calls: list[tuple[str, str, object]] = [
            ("GET", f"/v1/organisations/{org}", None),
            ("PATCH", f"/v1/organisations/{org}", {"title": "x"}),
            ("GET", f"/v1/users/{user}", None),
            ("PATCH", f"/v1/users/{user}", {"roles": ["viewer"]}),
            ("POST", f"/v1/users/{user}/disable", None),
            ("POST", f"/v1/users/{user}/enable", None),
            ("POST", f"/v1/users/{user}/password-reset", None),
            ("GET", f"/v1/teams/{team}", None),
            ("PATCH", f"/v1/teams/{team}", {"name": "x"}),
            ("DELETE", f"/v1/teams/{team}", None),
            ("PUT", f"/v1/teams/{team}/members/{user}", None),
            ("DELETE", f"/v1/teams/{team}/members/{user}", None),
            ("GET", "/v1/roles/own", None),
            ("PATCH", "/v1/roles/own", {"permissions": []}),
            ("DELETE", "/v1/roles/own", None),
            ("GET", f"/v1/api-keys/{key_id}", None),
            ("DELETE", f"/v1/api-keys/{key_id}", None),
            ("GET", f"/v1/clients/{client}", None),
            ("PATCH", f"/v1/clients/{client}", {"name": "x"}),
            ("POST", f"/v1/clients/{client}/secret", None),
        ]
        for method, path, body in calls:
            answer = await web.request(method, path, json=body, headers=neighbour)
            assert answer.status_code == 404, (method, path, answer.text)
        for path in ("users", "teams", "roles", "api-keys", "clients", "organisations"):
            listed = await web.get(f"/v1/{path}", headers=neighbour)
            assert listed.status_code == 200
            for secret in (str(user), str(org), team, key_id, client, '"own"'):
                assert secret not in listed.text
        count = await web.get("/v1/users?total=true", headers=neighbour)
        assert count.json()["total"] == 2
        own = (await web.post("/v1/teams", json={"name": "Chest"}, headers=neighbour)).json()
        path = f"/v1/teams/{own['id']}/members/{user}"
        assert (await web.put(path, headers=neighbour)).status_code == 404

    async def test_unknown_ids_are_404_and_malformed_ones_a_clear_error(
        self, web: httpx.AsyncClient, boss: dict[str, str]
    ) -> None:
        for path in ("users", "teams", "api-keys", "organisations"):
            assert (await web.get(f"/v1/{path}/{uuid4()}", headers=boss)).status_code == 404
            assert (await web.get(f"/v1/{path}/%00", headers=boss)).status_code == 422
        assert (await web.get("/v1/clients/%00", headers=boss)).status_code == 422


class TestSecrecy:
    async def test_no_answer_and_no_log_holds_a_password(
        self,
        web: httpx.AsyncClient,
        boss: dict[str, str],
        east: Hospital,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        texts = []
        for path in ("/v1/me", "/v1/users", "/v1/clients", "/v1/api-keys", "/v1/signing-keys"):
            answer = await web.get(path, headers=boss)
            assert answer.status_code == 200
            texts.append(answer.text)
        bad = {"current": 12345678901234, "new": PASSWORD, "extra": PASSWORD}
        texts.append((await web.post("/v1/me/password", json=bad, headers=boss)).text)
        weak = {"token": "x", "password": PASSWORD * 20}
        texts.append((await web.post("/v1/invites/accept", json=weak)).text)
        out = capfd.readouterr()
        for text in (*texts, out.out, out.err):
            assert PASSWORD not in text
            assert "argon2" not in text
            assert '"d":' not in text


class TestPaging:
    async def test_every_row_comes_once(
        self, web: httpx.AsyncClient, boss: dict[str, str], db: Database, east: Hospital
    ) -> None:
        async with db.transaction() as session:
            for number in range(5):
                await service.create_api_key(
                    session,
                    Actor.system(east.org_id),
                    ApiKeyCreate(name=f"k{number}", scopes=["users:read"]),
                )
        seen: list[UUID] = []
        cursor = ""
        while True:
            page = (await web.get(f"/v1/api-keys?limit=2{cursor}", headers=boss)).json()
            seen += [UUID(i["id"]) for i in page["items"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert len(seen) == len(set(seen)) == 5
        bad = await web.get("/v1/api-keys?cursor=nonsense", headers=boss)
        assert bad.json()["code"] == "bad-cursor"


class TestBootstrap:
    async def test_is_safe_to_run_twice_and_makes_one_installation_administrator(
        self, db: Database, web: httpx.AsyncClient, boss: dict[str, str], neighbour: dict[str, str]
    ) -> None:
        async with db.transaction() as session:
            again = await service.bootstrap(
                session, organisation="east", admin_email="boss@east.example", admin_name="Chief"
            )
        assert (again.created, again.password) == (False, None)
        mine = (await web.get("/v1/me", headers=boss)).json()["permissions"]
        theirs = (await web.get("/v1/me", headers=neighbour)).json()["permissions"]
        assert "installation:admin" in mine
        assert "installation:admin" not in theirs
