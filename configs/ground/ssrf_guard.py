"""SSRF guard: which network addresses are of the public internet.

Addresses from outside (a link, a redirect) must not lead into a private network. A
name is resolved once, refused where any of its addresses is not public, and connected to as resolved.
"""

import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")  # NAT64, RFC 6052: the last 32 bits are an address of IPv4


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
    return address.is_global and not address.is_multicast and all(map(is_public, _within(address)))


def _within(address: Address) -> Iterator[Address]:
    if isinstance(address, ipaddress.IPv6Address):
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
        if address in _TRANSLATED:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
