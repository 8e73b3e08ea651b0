# SPDX-License-Identifier: Apache-2.0
"""Hostile addresses (server-side request forgery): none is connected to."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthvision.kernel.egress import (
    BadTarget,
    Unreachable,
    checked_address,
    is_allowed,
    is_public,
    parse_url,
    system_resolver,
)

NAMES = {
    "localhost.evil.test": ["127.0.0.1"],
    "metadata.evil.test": ["169.254.169.254"],
    "mixed.evil.test": ["93.184.216.34", "10.0.0.5"],
    "mapped.evil.test": ["::ffff:10.0.0.5"],
    "nat64.evil.test": ["64:ff9b::a00:5"],
    "zone.evil.test": ["fe80::1%eth0"],
    "good.example.test": ["93.184.216.34", "2606:2800:220:1::1"],
}

HOSTILE = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://127.0.0.1./",
    "https://0/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:a00:1::f5ff:fffe]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
    "https://example.org@127.0.0.1/",
    "https://127.0.0.1:80@example.org/",
    "https://example.org\\@127.0.0.1/",
    "https://example.org/\r\nHost: x",
    "https://exa mple.org/",
    "https://ex\u0430mple.org/",
    "https://\u2460\u2461\u2466.0.0.1/",
    "https:///path",
    "https://example.org:0/",
    "https://example.org:99999/",
    "https://example.org/#fragment",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "ftp://example.org/",
    "//example.org/",
    "javascript:alert(1)",
    "https://localhost.evil.test/",
    "https://metadata.evil.test/",
    "https://mixed.evil.test/",
    "https://mapped.evil.test/",
    "https://nat64.evil.test/",
    "https://zone.evil.test/",
]


async def table(host: str, port: int) -> list[str]:
    """Resolve by the table, like a name server that an attacker holds."""
    if host not in NAMES:
        raise socket.gaierror("no such name")
    return NAMES[host]


class TestCheckedAddress:
    @pytest.mark.parametrize("url", HOSTILE)
    async def test_refuses_hostile_addresses(self, url: str) -> None:
        with pytest.raises((BadTarget, Unreachable)) as caught:
            target = parse_url(url)
            await checked_address(target.host, target.port, (), table, setting="HV_X")
        if isinstance(caught.value, Unreachable):
            assert caught.value.permanent

    async def test_gives_a_public_address(self) -> None:
        checked = await checked_address("good.example.test", 443, (), table, setting="HV_X")
        assert (str(checked.address), checked.private) == ("93.184.216.34", False)

    @pytest.mark.parametrize("allow", ["127.0.0.0/8", "localhost.evil.test", "127.0.0.1"])
    async def test_heeds_the_allow_list(self, allow: str) -> None:
        checked = await checked_address("localhost.evil.test", 443, (allow,), table, setting="HV_X")
        assert checked.private

    async def test_asks_for_the_address_only_once(self) -> None:
        answers = iter([["93.184.216.34"], ["127.0.0.1"]])

        async def rebinding(host: str, port: int) -> list[str]:
            return next(answers)

        checked = await checked_address("rebind.evil.test", 443, (), rebinding, setting="HV_X")
        assert str(checked.address) == "93.184.216.34"

    async def test_an_unknown_name_may_be_tried_again(self) -> None:
        with pytest.raises(Unreachable) as caught:
            await checked_address("nowhere.test", 443, (), table, setting="HV_X")
        assert not caught.value.permanent

    async def test_refuses_the_machine_itself_by_the_real_resolver(self) -> None:
        with pytest.raises(Unreachable, match="not public"):
            await checked_address("localhost", 443, (), system_resolver, setting="HV_X")


class TestIsPublic:
    @given(st.integers(0, 2**32 - 1))
    def test_hidden_forms_are_as_private_as_the_address_in_them(self, value: int) -> None:
        plain = ip_address(value)
        if is_public(plain):
            return
        hidden = [
            0xFFFF << 32 | value,
            0x64FF9B << 96 | value,
            0x2002 << 112 | value << 80,
            value,
        ]
        assert not any(is_public(ip_address(h.to_bytes(16, "big"))) for h in hidden)

    @pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
    def test_knows_the_open_internet(self, text: str) -> None:
        assert is_public(ip_address(text))


class TestIsAllowed:
    def test_ignores_entries_that_are_neither_name_nor_network(self) -> None:
        assert not is_allowed("a.test", ip_address("10.0.0.1"), {"???", "11.0.0.0/8"})
        assert is_allowed("a.test.", ip_address("10.0.0.1"), {"a.test"})
        assert is_allowed("x", ip_address("::ffff:10.0.0.1"), {"10.0.0.0/8"})


class TestParseUrl:
    def test_takes_an_address_apart(self) -> None:
        target = parse_url("https://Hook.Example.org:8443/a/b?c=d")
        assert (target.secure, target.host, target.port) == (True, "hook.example.org", 8443)
        assert target.path == "/a/b?c=d"
        assert target.header() == "hook.example.org:8443"
        assert parse_url("http://[2606::1]").header() == "[2606::1]"

    @given(st.text(max_size=60))
    def test_raises_nothing_else_on_any_text(self, text: str) -> None:
        try:
            parse_url(f"https://{text}")
        except BadTarget:
            return
