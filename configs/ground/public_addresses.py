"""Public network addresses: what an address from outside may lead to, told from private networks."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NETWORK = ipaddress.ip_network
# The last 32 bits are an address of IPv4: NAT64 (RFC 6052), and how sockets write one (RFC 4291).
_TRANSLATED = (_NETWORK("64:ff9b::/96"), _NETWORK("::ffff:0:0/96"))
# Global to the standard library, but they carry another address or are a site's own: what RFC 4291 has given up, SIIT
# (RFC 2765), local NAT64 (RFC 8215), 6to4 (RFC 3056), site-local.
_APART = [_NETWORK(each) for each in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2002::/16", "fec0::/10")]


def parse_address(host: str) -> Address | None:
    """Return a host that is written as an address; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Tell whether an address is of the public internet; an IPv4 address inside one of IPv6 decides."""
    if any(address in each for each in _TRANSLATED):
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address.is_global and not address.is_multicast and not any(address in each for each in _APART)
