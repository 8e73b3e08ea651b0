# SPDX-License-Identifier: Apache-2.0
"""The plug of the patients room."""

from healthvision.domains.patients import api
from healthvision.kernel.module import Module

MODULE = Module(
    name="patients",
    routers=[api.routes],
    permissions={"patients:read": "Find and read patients"},
)
