# SPDX-License-Identifier: Apache-2.0
"""Permissions of identity with one line of help each."""

from healthvision.domains.identity.roles import INSTALLATION_ADMIN

PERMISSIONS = {
    "organisation:write": "Change the own organisation.",
    "users:read": "See the people and teams of the organisation.",
    "users:write": "Invite, change, disable and reset people.",
    "teams:write": "Make and change teams.",
    "roles:write": "Make and change the organisation's own roles.",
    "api_keys:write": "Manage all API keys of the organisation, also of programs.",
    "clients:read": "See the organisation's OAuth clients.",
    "clients:write": "Register and change OAuth clients.",
    INSTALLATION_ADMIN: "Make organisations, rotate signing keys (never part of a role).",
}
