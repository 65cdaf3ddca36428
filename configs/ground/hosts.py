"""Hosts: what a budget, a back-off and a block belong to. A host is a name and a port."""

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_REMEMBERED = 1 << 15  # addresses; each check asks for its own host a dozen times


@lru_cache(_REMEMBERED)
def host_of(url: str) -> str:
    """Return `name:port` of an address, the scheme's port where none is written."""
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def resolve_stand_in(url: str, stand_ins: Mapping[str, str]) -> str:
    """Return where an address is really asked: at its stand-in (keys are `name` or `name:port`), else itself.

    Stand-ins speak without TLS: `http`, or `ws` for a socket.
    """
    if not stand_ins:
        return url
    host = host_of(url)
    stand_in = stand_ins.get(host) or stand_ins.get(host.rpartition(":")[0])
    if not stand_in:
        return url
    parts = urlsplit(url)
    plain = "ws" if parts.scheme in ("ws", "wss") else "http"
    return urlunsplit(parts._replace(scheme=plain, netloc=stand_in))


@lru_cache(_REMEMBERED)
def is_loopback(name: str) -> bool:
    """Tell whether a host name is this machine without asking DNS (names may resolve to anything)."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def is_private(name: str) -> bool:
    """Tell whether a host's name is an address that only a network of its own has; this machine's is none of those."""
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return not (address.is_global or address.is_loopback)
