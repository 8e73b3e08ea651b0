# SPDX-License-Identifier: Apache-2.0
"""What the interface shows to each role, and to a person with hardly any right."""

import json

import httpx
import pytest

from tests.web.conftest import Workstation

pytestmark = [pytest.mark.service, pytest.mark.long, pytest.mark.timeout(900)]
ROLES = ("radiologist", "technician", "researcher", "auditor", "viewer", "nobody")
PASSWORD = "Tidal-lantern-42"


def _person(client: httpx.Client, role: str) -> tuple[str, str, str]:
    """Invite a person with a role and set the password; returns role, email, password."""
    email = f"{role}@roles.example"
    invite = {"email": email, "name": f"角色 {role}", "roles": [role]}
    answer = client.post("/v1/users", json=invite)
    assert answer.status_code == 201, answer.text
    body = {"token": answer.json()["token"], "password": PASSWORD}
    accepted = client.post("/v1/invites/accept", json=body)
    assert accepted.status_code < 300, accepted.text
    return role, email, PASSWORD


class TestRoles:
    def test_every_role_sees_what_it_may(self, workstation: Workstation) -> None:
        headers = {"Authorization": f"Bearer {workstation.people.admin_key}"}
        with httpx.Client(base_url=workstation.url, headers=headers, timeout=60) as client:
            empty = {"name": "nobody", "description": "", "permissions": ["schedule:read"]}
            assert client.post("/v1/roles", json=empty).status_code == 201
            people = [_person(client, role) for role in ROLES]
        workstation.browse("roles", HV_E2E_PEOPLE=json.dumps(people))
