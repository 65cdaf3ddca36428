"""The stand-in platforms, found by being here: a module with a ``PLATFORM``, or a file that describes one in JSON."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.sandbox.platform import StandInPlatform
    from deploy.sandbox.stand_in_types import StandIn


@cache
def platforms() -> dict[str, StandInPlatform]:
    """Return every platform by name, which is its module's or its file's."""
    from deploy.sandbox.sites.json_platform import read_platform  # noqa: PLC0415 - sites read this registry

    found = {file.stem: read_platform(file) for file in Path(__file__).parent.glob("*.yaml")}
    for module in iter_modules(__path__):
        found[module.name] = import_module(f"{__name__}.{module.name}").PLATFORM
    return dict(sorted(found.items()))


@cache
def stand_ins() -> dict[str, tuple[str, StandIn]]:
    """Return every stand-in with its platform's name, by code, in the order of their addresses.

    Raises:
        ValueError: two share a code, an address, or a form's number.
    """
    found = [(name, site) for name, platform in platforms().items() for site in platform.sites]
    found.sort(key=lambda each: ip_address(each[1].host))
    taken: dict[str, list[str]] = {
        "code": [site.code for _, site in found],
        "address": [site.host for _, site in found],
        "form": [str(form.number) for _, site in found for form in site.forms],
    }
    for what, values in taken.items():
        if twice := sorted({value for value in values if values.count(value) > 1}):
            raise ValueError(
                f"two stand-ins have the {what} {twice[0]}: choose another in deploy/sandbox/platforms"
            )
    return {site.code: (name, site) for name, site in found}
