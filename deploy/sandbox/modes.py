"""Failure modes of a booking site: their names, their parameters, and which one a request meets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from pydantic import ConfigDict, PositiveInt

from deploy.sandbox.request_body import Body, Refusal

Parameters = dict[str, float | str]
Table = Mapping[str, Parameters]

# What every site knows (a platform may add its own), with parameters and their defaults. Seconds and minutes are
# what they say.
MODES: Final[Table] = {
    "normal": {},
    "overload": {},
    "overload_502": {},
    "overload_503": {},
    "overload_504": {},
    "block": {},
    "cloudflare": {},
    "captcha": {},
    "maintenance": {"retry_after": 120},
    "hang": {"seconds": 5},
    "hang_forever": {},
    "layout": {},
    "closed": {},
    "rate_limited": {"retry_after": 30},
    "reset": {},
    "drip": {},
    "big": {},
    "empty": {},
    "error200": {},
    "truncated_gzip": {},
    "endless": {},
    "redirect_loop": {},
    "redirect_away": {},
}


@dataclass
class Mode:
    """One way to answer; ``left`` is how many requests it still lasts, None for ever."""

    name: str = "normal"
    parameters: Parameters = field(default_factory=dict)
    left: int | None = None

    def number(self, key: str) -> float:
        """Return a numeric parameter."""
        return float(self.parameters[key])

    def word(self, key: str) -> str:
        """Return a parameter as text."""
        return str(self.parameters[key])

    def to_json(self) -> dict[str, object]:
        """Return it as the control API shows it; one that is used up is ``normal``."""
        if self.left == 0:
            return Mode().to_json()
        return {"mode": self.name, **self.parameters, "count": self.left}


class ModeBody(Body):
    """Which mode a control call asks for: of one ``form`` or the site, for ``count`` requests or for good."""

    model_config = ConfigDict(extra="allow")

    mode: str = ""
    form: int | None = None
    count: PositiveInt | None = None


def read_mode(body: ModeBody, table: Table = MODES) -> Mode:
    """Return the mode of ``table`` that a control call asks for, with its defaults; a Refusal names what exists.

    What the body has besides are the mode's parameters.
    """
    name, parameters = body.mode, body.model_extra or {}
    if name not in table:
        raise Refusal(f"unknown mode {name!r}", known=table)
    defaults = table[name]
    if unknown := parameters.keys() - defaults:
        raise Refusal(f"mode {name} has no parameter {min(unknown)!r}", known=defaults)
    return Mode(name, {**defaults, **parameters}, body.count)


MODE: Final = web.RequestKey("mode", Mode)


class Modes:
    """The modes of one site: one for the whole site and one for each form that has its own."""

    def __init__(self) -> None:
        self.site = Mode()
        self.forms: dict[int, Mode] = {}

    def set(self, mode: Mode, form: int | None = None) -> None:
        """Set the mode of a form, or of the whole site; ``normal`` for the site ends those of its forms."""
        if form is not None:
            self.forms[form] = mode
            return
        self.site = mode
        if mode.name == "normal":
            self.forms.clear()

    def met_by(self, form: int | None = None) -> Mode:
        """Return the mode this request meets, and count it; a form's own mode goes before the site's."""
        own = self.forms.get(form) if form is not None else None
        if own is not None and own.name != "normal":
            return _spend(own)
        return _spend(self.site)


def _spend(mode: Mode) -> Mode:
    if mode.left is None:
        return mode
    if mode.left == 0:
        return Mode()
    mode.left -= 1
    return mode
