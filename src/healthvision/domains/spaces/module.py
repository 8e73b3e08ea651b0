# SPDX-License-Identifier: Apache-2.0
"""The plug of the spaces room."""

from healthvision.domains.identity.events import OrganisationCreated
from healthvision.domains.spaces import aes_api, api, service
from healthvision.kernel.module import Module

MODULE = Module(
    name="spaces",
    routers=[api.routes, aes_api.called, aes_api.remote],
    subscriptions={OrganisationCreated: [service.on_organisation_created]},
    permissions={"spaces:manage": "Make, change and remove spaces and the rights in them"},
)
