# SPDX-License-Identifier: Apache-2.0
"""The plug of the storage room."""

from healthvision.domains.identity.events import OrganisationCreated
from healthvision.domains.storage import api, service, starting
from healthvision.kernel.module import Module

MODULE = Module(
    name="storage",
    routers=[api.routes],
    subscriptions={OrganisationCreated: [service.on_organisation_created]},
    start=starting.start,
)
