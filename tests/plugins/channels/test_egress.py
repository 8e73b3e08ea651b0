# SPDX-License-Identifier: Apache-2.0
"""The kernel's rules of where we may connect to, told in the words of notify."""

import socket

import pytest

from healthvision.domains.notify.errors import DeliveryFailed
from healthvision.plugins.channels.egress import check_literal, checked_address


async def nowhere(host: str, port: int) -> list[str]:
    """Know no name."""
    raise socket.gaierror("no such name")


class TestCheckedAddress:
    async def test_gives_a_public_address(self) -> None:
        checked = await checked_address("93.184.216.34", 443, ())
        assert (str(checked.address), checked.private) == ("93.184.216.34", False)

    async def test_what_is_not_public_is_refused_for_good(self) -> None:
        with pytest.raises(DeliveryFailed, match="HV_NOTIFY_PRIVATE_ALLOW") as caught:
            await checked_address("localhost", 443, ())
        assert caught.value.permanent
        with pytest.raises(ValueError, match="HV_NOTIFY_PRIVATE_ALLOW"):
            check_literal("10.0.0.1", ())

    async def test_an_unknown_name_may_be_tried_again(self) -> None:
        with pytest.raises(DeliveryFailed) as caught:
            await checked_address("nowhere.test", 443, (), nowhere)
        assert not caught.value.permanent
