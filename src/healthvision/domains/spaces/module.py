# SPDX-License-Identifier: Apache-2.0
"""The plug of the spaces room."""

from healthvision.domains.identity.events import OrganisationCreated
from healthvision.domains.spaces import api, service
from healthvision.kernel.module import Module

MODULE = Module(
    name="spaces",
    routers=[api.routes],
    subscriptions={OrganisationCreated: [service.on_organisation_created]},
    permissions={"spaces:manage": "Make, change and remove spaces and the rights in them"},
)
