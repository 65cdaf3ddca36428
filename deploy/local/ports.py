"""Ports of the local stack: the usual one of each program, or the next that is free."""

import os
from dataclasses import dataclass, fields

from deploy.local.processes import StartFailed, is_free
from deploy.sandbox.addresses import PUSH, SENDGRID, SMTP, STRIPE, TELEGRAM, TWILIO, TWILIO_CALLS
from deploy.sandbox.platforms import stand_ins

_TRIES = 50


@dataclass(frozen=True)
class StackPorts:
    """The ports of a local stack. Servers of data take any free port; people type only these."""

    api: int = 4000
    inbox: int = 8025
    sites: int = 8800
    providers: int = 8850
    scrapyd: int = 6800
    live: int = 4010
    metrics: int = 9464

    def describe_moves(self, usual: "StackPorts") -> list[str]:
        """Say in words which ports are not the usual ones."""
        return [
            f"port {getattr(usual, field.name)} is taken: {field.name} listens on {getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(usual, field.name)
        ]


# Where each program binds: stand-ins have loopback addresses of their own (deploy/sandbox/addresses.py).
_ADDRESSES = {
    "sites": tuple(site.host for _, site in stand_ins().values()),
    "providers": (SENDGRID, SMTP, TWILIO, TWILIO_CALLS, TELEGRAM, PUSH, STRIPE),
}


def usual(*, any_port: bool) -> StackPorts:
    """Return where to begin looking for ports: the known ones, or higher up, by process.

    Below 32768, from where on the kernel gives ports to outgoing connections: one of them could take ours meanwhile.
    """
    if not any_port:
        return StackPorts()
    base = 20000 + os.getpid() % 120 * 100
    return StackPorts(*range(base, base + 70, 10))


def choose(usual: StackPorts) -> StackPorts:
    """Return free ports, each the usual one or the next above it.

    Raises:
        StartFailed: fifty in a row are taken.
    """
    chosen: dict[str, int] = {}
    for field in fields(usual):
        first = getattr(usual, field.name)
        addresses = _ADDRESSES.get(field.name, ("127.0.0.1",))
        candidates = (port for port in range(first, first + _TRIES) if port not in chosen.values())
        port = next((port for port in candidates if all(is_free(each, port) for each in addresses)), None)
        if port is None:
            where = " or ".join(addresses)
            raise StartFailed(
                f"{field.name}: ports {first} to {first + _TRIES - 1} are all taken on {where}: free one"
            )
        chosen[field.name] = port
    return StackPorts(**chosen)
