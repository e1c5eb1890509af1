"""Decides which addresses of a list are fetched: web addresses, and only machines of the public internet."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_LONGEST = 8192
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
_KEPT = "!$%&'()*+,/:;=?@[]~"  # a `%` may begin what is quoted already
_WITH_USER = re.compile(r"^([^/?#]*//)[^/?#]*@")

# All that is routed in public is in 2000::/3: not mapped or translated IPv4, nor local or multicast addresses.
_IPV6 = ipaddress.IPv6Network("2000::/3")
_SPECIAL = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.IPv6Network("2001::/23"),  # protocol assignments, Teredo among them
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation
    ipaddress.IPv6Network("2002::/16"),  # 6to4, which wraps any IPv4 address
    ipaddress.IPv6Network("3fff::/20"),  # documentation
)


class UnfitAddressError(Exception):
    """An address that is not fetched; its text is the reason."""


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A web address in the parts that a request needs: `host` without brackets, `target` the quoted path and query."""

    scheme: str
    host: str
    port: int | None
    target: str

    @property
    def authority(self) -> str:
        """What the header `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def web_address(url: str) -> WebAddress:
    """The parts of an http or https address, with an international host name in ASCII.

    Raises:
        UnfitAddressError: It is no such address, or has a user's name in it.
    """
    if len(url) > _LONGEST or _CONTROL.search(url):
        raise UnfitAddressError(f"an address has at most {_LONGEST:,} characters and no control characters")
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise UnfitAddressError(f"only http and https addresses are fetched, this one begins with {parts.scheme!r}")
        if "@" in parts.netloc:
            raise UnfitAddressError("an address with a user name or password is not fetched")
        host, port = _ascii(parts.hostname or ""), parts.port
    except ValueError as error:
        raise UnfitAddressError(f"not an address that can be read: {error}") from error
    target = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return WebAddress(parts.scheme, host, port, target)


def without_user(url: str) -> str:
    """The address without a user's name and password, which nobody wants in a file."""
    return _WITH_USER.sub(r"\1", url)


def _ascii(host: str) -> str:
    if ":" in host:
        if "%" in host:
            raise ValueError(f"{host!r} names a network interface of this machine")
        return str(ipaddress.IPv6Address(host))
    plain = host.encode("idna").decode("ascii").lower()
    if not _HOST.fullmatch(plain):
        raise ValueError(f"{host!r} is no name of a host")
    return plain


def is_public(address: str) -> bool:
    """Whether a numeric address belongs to a single machine of the public internet.

    False for private, loopback, link-local, shared, multicast, reserved and documentation addresses, and for the IPv6
    forms that carry an IPv4 address (mapped, 6to4, Teredo, NAT64).
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    if any(found in network for network in _SPECIAL if network.version == found.version):
        return False
    return found.version == 4 or found in _IPV6
