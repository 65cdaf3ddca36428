"""The plannings that step 1 of a form offers: as they are, with one gone, or with texts of absurd length."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from deploy.sandbox.modes import Mode, Table
    from deploy.sandbox.stand_in_types import Form, Planning

# planning_gone: step 1 no longer offers the planning of that number (0: the form's last one). huge: the key and the
# label of the form's last planning have that many characters, and its calendar links a number of as many digits.
OFFER_MODES: Final[Table] = {"planning_gone": {"planning": 0}, "huge": {"key": 6_000, "label": 100_000}}
_WORD: Final = "Guichet "


def offered_plannings(form: Form, mode: Mode) -> dict[str, tuple[str, Planning]]:
    """Return what a form offers in this mode: by the key that its page sends, the label and the planning."""
    offered = {str(each.number): (each.label, each) for each in form.plannings}
    last = form.plannings[-1]
    if mode.name == "planning_gone":
        offered.pop(str(int(mode.number("planning")) or last.number), None)
    if mode.name == "huge":
        del offered[str(last.number)]
        label = _WORD * (int(mode.number("label")) // len(_WORD))
        offered[huge_number(last.number, int(mode.number("key")))] = (label, last)
    return offered


@lru_cache(maxsize=64)
def huge_number(seed: int, digits: int) -> str:
    """Return a number of so many digits that no server's compression makes short: the same for the same seed."""
    return "9" + "".join(random.Random(seed).choices("0123456789", k=digits - 1))  # noqa: S311 - no secret


def odd_hour(form: int, mode: Mode) -> str:
    """Return a link to an hour of absurdly many unix seconds, in mode huge; else nothing."""
    if mode.name != "huge":
        return ""
    return f'<p><a href="/booking/create/{form}/5/{huge_number(form, int(mode.number("key")))}">libre</a></p>'
