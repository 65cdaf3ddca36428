"""What happens in the world by itself, as a script: when what opens, goes, or has a bad moment."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from deploy.sandbox.departments import DEPARTMENTS, Department, Form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.sandbox.modes import Parameters

FIRST_FORM: Final = 23014
_FIRST_AT: Final = 8.0  # seconds after the start: the desks have been checked once, empty
_FIRST_STAYS: Final = 60.0  # so that the first alert is seen whatever the desk's interval
_CALM: Final = 120.0  # seconds in which the site of the first alert has no bad moment
_BETWEEN: Final = (10.0, 25.0)
_STAYS: Final = (20.0, 60.0)
_BAD_EVERY: Final = 5  # one event in so many is a bad moment instead of slots
_BAD_LASTS: Final = (10.0, 20.0)
_BAD: Final[tuple[tuple[str, Parameters], ...]] = (
    ("overload", {}),
    ("overload_502", {}),
    ("maintenance", {"retry_after": 15}),
)


@dataclass(frozen=True)
class Event:
    """Something that happens ``at`` seconds after the start.

    ``take`` names by ``batch`` the slots that an earlier ``open`` opened; ``mode`` sets a site's mode.
    """

    at: float
    kind: Literal["open", "take", "mode"]
    code: str
    form: int = 0
    planning: int = 0
    count: int = 0
    batch: int = 0
    mode: str = "normal"
    parameters: tuple[tuple[str, float | str], ...] = ()


def first_place(form: int = FIRST_FORM) -> tuple[Department, Form]:
    """Return the department and form where the first slots open.

    Raises:
        LookupError: there is no such form; the text names those that exist.
    """
    places = {each.number: (department, each) for department in DEPARTMENTS for each in department.forms}
    if form not in places:
        known = ", ".join(str(number) for number in places)
        raise LookupError(f"no form {form} in the sandbox; those that exist: {known}")
    return places[form]


def script(seed: int | None = None, first_form: int = FIRST_FORM) -> Iterator[Event]:
    """Yield what happens, in the order of time, without end; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - a world, not a secret
    later: list[tuple[float, int, Event]] = []
    for number, event in enumerate(_openings(rng, first_form)):
        while later and later[0][0] <= event.at:
            yield heapq.heappop(later)[2]
        yield event
        end = _end_of(event, rng)
        heapq.heappush(later, (end.at, number, end))


def _end_of(event: Event, rng: random.Random) -> Event:
    if event.kind == "mode":
        return Event(event.at + rng.uniform(*_BAD_LASTS), "mode", event.code)
    stays = _FIRST_STAYS if event.at == _FIRST_AT else rng.uniform(*_STAYS)
    return Event(event.at + stays, "take", event.code, event.form, event.planning, batch=event.batch)


def _openings(rng: random.Random, first_form: int) -> Iterator[Event]:
    first, form = first_place(first_form)
    # On every counter: a polite watcher asks one or two of them in its first visit.
    for batch, planning in enumerate(form.plannings):
        yield Event(_FIRST_AT, "open", first.code, form.number, planning.number, count=2, batch=batch)
    at, batch = _FIRST_AT, len(form.plannings)
    while True:
        at += rng.uniform(*_BETWEEN)
        batch += 1
        yield _bad_moment(rng, at, first.code) if batch % _BAD_EVERY == 0 else _opening(rng, at, batch)


def _opening(rng: random.Random, at: float, batch: int) -> Event:
    department = rng.choice(DEPARTMENTS)
    form = rng.choice(department.forms)
    planning = rng.choice(form.plannings)
    return Event(
        at, "open", department.code, form.number, planning.number, count=rng.randint(1, 4), batch=batch
    )


def _bad_moment(rng: random.Random, at: float, first_code: str) -> Event:
    mode, parameters = rng.choice(_BAD)
    codes = [each.code for each in DEPARTMENTS if at >= _CALM or each.code != first_code]
    return Event(at, "mode", rng.choice(codes), mode=mode, parameters=tuple(parameters.items()))
