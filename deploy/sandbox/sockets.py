"""Binds the stand-ins' sockets before anything starts, so that a taken port is one clear message."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BACKLOG: Final = 1024
_TRIES: Final = 20


class PortTaken(Exception):
    """A port that cannot be had; the text says which, why, and what to do."""


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a listening socket that does not block.

    Raises:
        OSError: the port is taken, or this machine has no such address.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    made.settimeout(0)
    return made


def _all_bound(hosts: Sequence[str], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for host in hosts:
            bound.append(bind_socket(host, port))
            # Port 0 is chosen by the first host; the others take the same.
            port = bound[0].getsockname()[1]
    except OSError as error:
        for made in bound:
            made.close()
        error.filename = f"{host}:{port}"
        raise
    return bound


def listen(hosts: Sequence[str], port: int, option: str) -> list[socket.socket]:
    """Return a listening socket for each host, all on one port (0: any that is free on all).

    Raises:
        PortTaken: names the address and the command line's ``option`` that moves it.
    """
    tries = _TRIES if port == 0 else 1
    for left in reversed(range(tries)):
        try:
            return _all_bound(hosts, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and left:
                continue
            raise PortTaken(_explain(error, option)) from error
    raise PortTaken(f"no free port on {hosts[0]} after {tries} tries; choose one with {option}")


def _explain(error: OSError, option: str) -> str:
    where = error.filename
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken: stop what listens there or choose another port with {option} PORT"
    if error.errno == errno.EADDRNOTAVAIL:
        host = where.split(":")[0]
        return f"this machine has no address {host}; on macOS add it: sudo ifconfig lo0 alias {host} up"
    return f"cannot listen on {where}: {error.strerror}; choose another port with {option} PORT"
