# SPDX-License-Identifier: Apache-2.0
"""Where we may connect to: public addresses, and what the administrator allows.

A name is resolved once, every address it has is checked, and the connection goes to exactly a
checked address, so a name that changes its address in between (DNS rebinding) gains nothing.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import httpx

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")
_COMPATIBLE = IPv6Network("::/96")
_NAME = re.compile(r"^(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?$")
_NUMERIC = re.compile(r"^(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?$")


class Unreachable(Exception):
    """A receiver may not or cannot be connected to; ``permanent``: trying again is of no use.

    The text names the rule or the kind of failure, never an address.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class BadTarget(ValueError):
    """The address cannot be sent to; the text says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class Target:
    """A web address taken apart. ``host`` is lower-case and without brackets."""

    secure: bool
    host: str
    port: int
    path: str  # with query

    def literal(self) -> Address | None:
        """Return the address when the host is one."""
        return literal_address(self.host)

    def header(self) -> str:
        """Return the Host header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


def literal_address(host: str) -> Address | None:
    """Return the address when the text is one in its usual form."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def parse_url(url: str) -> Target:
    """Take a web address apart; raises BadTarget.

    Refused: other schemes, user information, fragments, blanks and control characters, a
    backslash, numbers that only some programs take for an address (decimal, octal,
    hexadecimal, short forms), zone ids, names with foreign letters (give their xn-- form).
    """
    if len(url) > 2000 or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise BadTarget("url: only printable ASCII without blanks and backslashes, 2000 at most")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadTarget("url: not a web address") from None
    if parts.scheme not in ("http", "https"):
        raise BadTarget("url: must start with https:// (http:// only to allowed addresses)")
    if "@" in parts.netloc:
        raise BadTarget("url: must not hold a user name")
    if parts.fragment or "#" in url:
        raise BadTarget("url: must not have a fragment")
    secure = parts.scheme == "https"
    host = check_host(parts.hostname or "")
    if port == 0:
        raise BadTarget("url: port 0")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, host, port or (443 if secure else 80), path)


def check_host(host: str) -> str:
    """Return a host in its usual form; raises BadTarget."""
    host = host.lower()
    if literal_address(host) is not None and "%" not in host:
        return host
    if not host or len(host) > 253 or ":" in host or "%" in host:
        raise BadTarget("host: not a name or an address")
    if _NUMERIC.match(host):
        raise BadTarget("host: an address must be written as four decimal numbers")
    if not _NAME.match(host):
        raise BadTarget("host: not a name or an address")
    return host


def embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address leads to, if it is of such a kind."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    value = int(address)
    if address in _SIX_TO_FOUR:
        return IPv4Address((value >> 80) & 0xFFFFFFFF)
    if address in _TEREDO:
        return IPv4Address((value & 0xFFFFFFFF) ^ 0xFFFFFFFF)
    if address in _COMPATIBLE or any(address in net for net in _NAT64):
        return IPv4Address(value & 0xFFFFFFFF)
    return None


def is_public(address: Address) -> bool:
    """Tell whether an address is one on the open internet, whatever form it hides in."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None or address in _COMPATIBLE:
            return False
        inner = embedded(address)
        if inner is not None and not is_public(inner):
            return False
        if address.ipv4_mapped is not None:
            return True
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def is_allowed(host: str, address: Address, allow: Collection[str]) -> bool:
    """Tell whether the administrator allows this name or address although it is private."""
    if host.rstrip(".") in allow:
        return True
    plain: Address = address
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        plain = address.ipv4_mapped
    for entry in allow:
        try:
            net = ip_network(entry, strict=False)
        except ValueError:
            continue
        if net.version == plain.version and plain in net:
            return True
    return False


def check_literal(host: str, allow: Collection[str], *, setting: str) -> None:
    """Raise ValueError for an address in figures that could never be sent to.

    ``setting``: name of the allow-list, for the administrator.
    """
    address = literal_address(host)
    if address is not None and not is_public(address) and not is_allowed(host, address, allow):
        raise ValueError(
            f"the address is not public; an administrator of the installation allows it with "
            f"{setting}"
        )


@cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the usual authorities and, if given, the hospital's own.

    OSError when the file is missing or holds no certificate.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


async def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses of a name by the operating system."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class Checked:
    """An address that may be connected to; ``private``: by the administrator's allow-list."""

    address: Address
    private: bool


async def checked_address(
    host: str,
    port: int,
    allow: Collection[str],
    resolve: Resolver = system_resolver,
    *,
    setting: str,
) -> Checked:
    """Resolve a host, check *every* address, and return the one to connect to.

    ``setting``: name of the allow-list, for the administrator. Raises Unreachable: permanent
    when an address is not allowed, else to be tried again.
    """
    literal = literal_address(host)
    texts = [host] if literal is not None else await _resolved(host, port, resolve)
    checked = []
    for text in texts:
        address = literal_address(text)
        if address is None:
            raise Unreachable("the receiver's name has no usable address", permanent=True)
        private = not is_public(address)
        if private and not is_allowed(host, address, allow):
            raise Unreachable(
                "the receiver's address is not public; an administrator of the installation "
                f"allows it with {setting}",
                permanent=True,
            )
        checked.append(Checked(address, private or is_allowed(host, address, allow)))
    if not checked:
        raise Unreachable("the receiver's name has no address")
    return checked[0]


async def _resolved(host: str, port: int, resolve: Resolver) -> list[str]:
    try:
        return await resolve(host, port)
    except (OSError, UnicodeError):
        raise Unreachable("the receiver's name cannot be resolved") from None
