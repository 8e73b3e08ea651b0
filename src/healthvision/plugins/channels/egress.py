# SPDX-License-Identifier: Apache-2.0
"""Where a channel may connect to, by the rules of ``kernel.egress``, in the words of notify."""

from collections.abc import Collection

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.kernel import egress
from healthvision.kernel.egress import Checked, Resolver, Unreachable, system_resolver

SETTING = "HV_NOTIFY_PRIVATE_ALLOW"


def check_literal(host: str, allow: Collection[str]) -> None:
    """Raise ValueError for an address in figures that could never be sent to."""
    egress.check_literal(host, allow, setting=SETTING)


async def checked_address(
    host: str, port: int, allow: Collection[str], resolve: Resolver = system_resolver
) -> Checked:
    """Resolve a host, check *every* address, and return the one to connect to.

    Raises DeliveryFailed: permanent when an address is not allowed, else to be tried again.
    """
    try:
        return await egress.checked_address(host, port, allow, resolve, setting=SETTING)
    except Unreachable as failure:
        raise DeliveryFailed(failure.reason, permanent=failure.permanent) from None
