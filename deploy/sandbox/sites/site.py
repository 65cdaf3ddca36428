"""One booking site: what it is, its open slots, its mode, all it was asked; its web application, and acts on it."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web
from pydantic import AwareDatetime, PositiveInt

from deploy.sandbox.clock import PARIS, as_paris, as_utc, now, today
from deploy.sandbox.modes import MODE, MODES, Mode, ModeBody, Modes, read_mode
from deploy.sandbox.platforms import Form, Planning, platforms, stand_ins
from deploy.sandbox.request_body import Body, Handler, Refusal, read_body, refusals
from deploy.sandbox.sites.failure_modes import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from deploy.sandbox.platforms import StandIn

_KEPT: Final = 20_000  # requests; a load run must not eat the memory


# Counter hours: appointments of half an hour on weekdays, as the week table shows them.
HOURS: Final = tuple(time(9 + half // 2, 30 * (half % 2)) for half in range(14))
_SATURDAY: Final = 5
_APART: Final = 1000  # first number of invented forms' plannings, beyond all real ones


class SlotStore:
    """Open slots by form and planning, as unix seconds; a slot that has begun is no longer open.

    With ``any_form`` there is a form of whatever number is asked for, with one planning: real desks name real numbers.
    """

    def __init__(self, forms: Iterable[Form], *, any_form: bool = False) -> None:
        self.forms = {form.number: form for form in forms}
        self._any_form = any_form
        self._open: dict[int, set[int]] = {}

    def form(self, number: int) -> Form:
        """Return a form of this site; a Refusal (404) names the forms that exist."""
        if number not in self.forms and self._any_form and number > 0:
            self.forms[number] = _made_up(number)
        if number not in self.forms:
            raise Refusal(f"this site has no form {number}", known=self.forms, status=404)
        return self.forms[number]

    def find_form(self, number: int | None) -> Form | None:
        """Return a form of this site; None where it has none of that number."""
        try:
            return self.form(number or 0)
        except Refusal:
            return None

    def planning(self, form: Form, number: int | None) -> Planning:
        """Return a planning of the form, its first one when no number is given."""
        if number is None:
            return form.plannings[0]
        for planning in form.plannings:
            if planning.number == number:
                return planning
        known = [planning.number for planning in form.plannings]
        raise Refusal(f"form {form.number} has no planning {number}", known=known, status=404)

    def slots(self, planning: Planning) -> list[int]:
        """Return what is open in a planning from now on, sorted, in unix seconds."""
        moment = now().timestamp()
        return sorted(slot for slot in self._open.get(planning.number, ()) if slot > moment)

    def open_at(self, planning: Planning, at: Iterable[int]) -> list[int]:
        """Open these instants (unix seconds) and return them; a Refusal when one has passed."""
        moments = sorted(set(at))
        past = [moment for moment in moments if moment <= now().timestamp()]
        if past:
            raise Refusal(f"a slot must lie in the future, {as_paris(past[0])} does not")
        self._open.setdefault(planning.number, set()).update(moments)
        return moments

    def open_some(self, planning: Planning, count: int, *, days: int = 28) -> list[int]:
        """Open ``count`` slots at counter hours that are not open yet, within ``days`` from tomorrow."""
        free = sorted(set(_counter_hours(days)) - set(self.slots(planning)))
        if count > len(free):
            raise Refusal(f"only {len(free)} counter hours are left in the next {days} days, not {count}")
        return self.open_at(planning, random.sample(free, count))

    def take(self, planning: Planning, at: Iterable[int] | None = None) -> list[int]:
        """Take these slots, all of the planning when ``at`` is None; return those that were open."""
        there = self._open.get(planning.number, set())
        gone = sorted(there if at is None else there & set(at))
        there.difference_update(gone)
        return gone

    def clear(self) -> None:
        """Take everything."""
        self._open.clear()


def _made_up(number: int) -> Form:
    return Form(number, f"Démarche {number}", (Planning(number * _APART + 1, "Guichet 1"),))


def _counter_hours(days: int) -> Iterable[int]:
    first = today()
    for ahead in range(1, days + 1):
        day = first + timedelta(days=ahead)
        if day.weekday() < _SATURDAY:
            yield from (int(datetime.combine(day, hour, PARIS).timestamp()) for hour in HOURS)


@dataclass
class SeenRequest:
    """One request that a site saw: when (ISO 8601, UTC), what, and the status sent (0: none yet)."""

    at: str
    method: str
    path: str
    status: int = 0


class RobotsFile(Body):
    """The robots.txt that a site shows in place of its platform's own."""

    text: str = ""
    status: int = 200

    async def answer(self, _: web.Request) -> web.StreamResponse:
        """Return the file."""
        return web.Response(text=self.text, status=self.status)


class Site:
    """The state of one booking site.

    ``about`` says what it is; ``forget`` holds what its platform does at a reset (ends sessions, say). ``reservations``
    is what must stay zero: how often somebody called step 5, which takes a slot.
    """

    def __init__(self, about: StandIn, *, any_form: bool = False) -> None:
        self.about = about
        self.platform_name = stand_ins()[about.code][0]
        self.platform = platforms()[self.platform_name]
        self.agenda = SlotStore(about.forms, any_form=any_form)
        self.forget: list[Callable[[], None]] = []
        self.reset()

    def reset(self) -> None:
        """Reset: nothing open, no session, mode normal, counters zero."""
        self.agenda.clear()
        for forget in self.forget:
            forget()
        self.modes = Modes()
        self.robots: RobotsFile | None = None
        self.asked = self.reservations = 0  # from the start, or the last reset
        self.requests: deque[SeenRequest] = deque(maxlen=_KEPT)

    def form_of(self, request: web.Request) -> Form | None:
        """Return the form that a request is about; None where this site has none of that number."""
        return self.agenda.find_form(self.platform.form_asked(request))

    def set_mode(self, body: ModeBody) -> Mode:
        """Set a mode for the site or one form, as a control's body says."""
        if body.form is not None:
            self.agenda.form(body.form)
        mode = read_mode(body, {**MODES, **self.platform.modes})
        self.modes.set(mode, body.form)
        return mode

    def to_json(self) -> dict[str, object]:
        """Return the state as the control API and the inbox page show it."""
        return {
            "site": self.about.code,
            "name": self.about.name,
            "town": self.about.town,
            "platform": self.platform_name,
            "own_modes": dict(self.platform.mode_names),
            **self.modes.site.to_json(),
            "forms": [self._form_shown(form) for form in self.agenda.forms.values()],
            "counters": {"requests": self.asked, "reservations": self.reservations},
        }

    def _form_shown(self, form: Form) -> dict[str, object]:
        return {
            "form": form.number,
            "title": form.title,
            "page": self.platform.page(form),
            **self.modes.forms.get(form.number, Mode()).to_json(),
            "plannings": [
                {
                    "planning": planning.number,
                    "label": planning.label,
                    "slots": [as_paris(slot) for slot in self.agenda.slots(planning)],
                }
                for planning in form.plannings
            ],
        }


def make_site_app(site: Site) -> web.Application:
    """Build the application of a site."""

    @web.middleware
    async def visit(request: web.Request, handler: Handler) -> web.StreamResponse:
        site.asked += 1
        # Noted before the answer, which may never come (hang, reset).
        seen = SeenRequest(as_utc(now()), request.method, request.path_qs)
        site.requests.append(seen)
        mode = site.modes.met_by(site.platform.form_asked(request))
        request[MODE] = mode
        shown = site.robots.answer if site.robots and request.path == "/robots.txt" else handler
        response = await answer(mode, request, site, shown)
        seen.status = response.status
        return response

    app = web.Application(middlewares=[refusals, visit])
    site.platform.add_routes(app, site)
    return app


class _Slots(Body):
    """Slots of a planning: its instants ``at``, or ``count`` (1) counter hours to open.

    Without a planning: the first to open at, all to take from; without instants: all to take.
    """

    form: int
    planning: int | None = None
    at: list[AwareDatetime] | None = None
    count: PositiveInt | None = None


def _change_slots(agenda: SlotStore, action: str, body: _Slots) -> list[int]:
    form, at = agenda.form(body.form), None
    if body.at is not None:
        at = [int(each.timestamp()) for each in body.at]
    if action == "take":
        plannings = form.plannings if body.planning is None else (agenda.planning(form, body.planning),)
        return sorted(slot for planning in plannings for slot in agenda.take(planning, at))
    planning = agenda.planning(form, body.planning)
    return agenda.open_some(planning, body.count or 1) if at is None else agenda.open_at(planning, at)


async def act(site: Site, request: web.Request) -> dict[str, object]:
    """Carry out the action that an address names, with the request's body; return its answer."""
    match request.match_info["action"]:
        case "open" | "take" as action:
            slots = _change_slots(site.agenda, action, await read_body(request, _Slots))
            return {"slots": [as_paris(slot) for slot in slots]}
        case "mode":
            return site.set_mode(await read_body(request, ModeBody)).to_json()
        case "robots":
            site.robots = await read_body(request, RobotsFile)
            return site.robots.model_dump()
        case "reset":
            site.reset()
            return site.to_json()
        case other:
            raise Refusal(
                f"no such action {other!r}", known=("open", "take", "mode", "robots", "reset"), status=404
            )
