"""Network addresses of visitors: which count as one, for the API and the live program."""

import ipaddress


def group_network_address(address: str, prefix: int = 64) -> str:
    """Return what is counted as one network address: of IPv6 the /64 that one subscriber has, or a wider range.

    A socket that serves both versions names a client of IPv4 as `::ffff:192.0.2.1`: that is its IPv4 address.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, prefix), strict=False))
