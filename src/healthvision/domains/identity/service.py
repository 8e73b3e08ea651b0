# SPDX-License-Identifier: Apache-2.0
"""The identity room as others use it."""

from healthvision.domains.identity.clients import (
    COMMAND_LINE,
    create_api_key,
    create_client,
    get_api_key,
    get_client,
    list_api_keys,
    list_clients,
    patch_client,
    revoke_api_key,
    rotate_client_secret,
)
from healthvision.domains.identity.granting import register_permissions
from healthvision.domains.identity.joining import accept_invite, change_password, complete_reset
from healthvision.domains.identity.organisations import (
    bootstrap,
    create_organisation,
    get_organisation,
    list_organisations,
    patch_organisation,
)
from healthvision.domains.identity.people import (
    create_user,
    disable_user,
    enable_user,
    get_user,
    invite,
    list_users,
    me,
    patch_user,
    start_reset,
)
from healthvision.domains.identity.signin import Caller, sign_in

__all__ = [
    "COMMAND_LINE",
    "Caller",
    "accept_invite",
    "bootstrap",
    "change_password",
    "complete_reset",
    "create_api_key",
    "create_client",
    "create_organisation",
    "create_user",
    "disable_user",
    "enable_user",
    "get_api_key",
    "get_client",
    "get_organisation",
    "get_user",
    "invite",
    "list_api_keys",
    "list_clients",
    "list_organisations",
    "list_users",
    "me",
    "patch_client",
    "patch_organisation",
    "patch_user",
    "register_permissions",
    "revoke_api_key",
    "rotate_client_secret",
    "sign_in",
    "start_reset",
]
