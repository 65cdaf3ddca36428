"""SSRF guard: which network addresses are of the public internet.

Addresses from outside (a link, a redirect) must not lead into a private network. A
name is resolved once, refused where any of its addresses is not public, and connected to as resolved.
"""

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# The last 32 bits are an address of IPv4: NAT64 (RFC 6052, RFC 8215), SIIT (RFC 2765), what RFC 4291 has given up.
_TRANSLATED = [
    ipaddress.ip_network(each) for each in ("64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96", "::/96")
]


def parse_address(host: str) -> Address | None:
    """Return a host that is written as an address; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet; one that carries another within it is judged by both."""
    if isinstance(address, ipaddress.IPv6Address) and (inner := address.ipv4_mapped):
        return is_public(inner)
    return address.is_global and not _is_apart(address) and all(map(is_public, _within(address)))


def _is_apart(address: Address) -> bool:
    return address.is_multicast or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)


def _within(address: Address) -> Iterator[Address]:
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
        if any(address in each for each in _TRANSLATED):
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
