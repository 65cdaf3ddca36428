"""EZBooking, the old booking module of the prefectures' sites: its wizard, its sessions, its calendar.

Written from what several public bots agree on; the wording around the known sentences is ours.
"""

from __future__ import annotations

import base64
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.clock import PARIS, WEEKDAYS, today
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.pages import Pages, html, redirect, render_page
from deploy.sandbox.sites.slot_store import HOURS
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.platform import Form, StandIn
    from deploy.sandbox.sites.site import Site

PICTURES: Final = "/extension/booking/design/images"
_STEPS: Final = {
    1: "Prise de rendez-vous",
    3: "Descriptif",
    4: "Choix d'une plage",
    6: "Contrôle de sécurité",
    8: "Coordonnées personnelles",
    9: "Valider et terminer",
}
# By page: the current step, and the last one that is done.
_MARKS: Final = {0: (1, 0), 1: (1, 0), 2: (None, 1), 3: (3, 1), 4: (4, 3)}
_WEEK: Final = 7
_SATURDAY: Final = 5


def _progress(current: int | None, done: int = 0) -> list[tuple[str, str]]:
    """Return (picture, title) of the steps; ``r`` marks the current one, ``G`` those up to ``done``."""
    return [
        (f"{PICTURES}/etape_{step}{'r' if step == current else 'G' if step <= done else ''}.png", title)
        for step, title in _STEPS.items()
    ]


@lru_cache(maxsize=1024)
def page(
    template: str,
    site: StandIn,
    form: Form,
    *,
    prefix: str,
    step: int,
    planning: int = 0,
    offered: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Return a page of the wizard as UTF-8; rendered once, since only slots change and they are not in it.

    ``prefix`` stands before ``/booking`` in links ("" or "/index.php"); the page of step 4 names the ``planning``
    chosen in its script; ``offered`` are key and label of each counter that step 1 offers.
    """
    shown = {"site": site, "form": form, "prefix": prefix, "step": step, "planning": planning}
    shown |= {"base": f"{prefix}/booking/create/{form.number}", "steps": _progress(*_MARKS[step])}
    return render(f"ezbooking/{template}", **shown, offered=offered).encode()


def week_fragment(form: int, slots: Iterable[int], days_from_today: int) -> str:
    """Return the table of the seven days that begin ``days_from_today`` days after today.

    Args:
        form: number of the form.
        slots: open slots in unix seconds; those of other weeks are left out.
        days_from_today: 0 for the week that begins today. That a week begins on the day asked for,
            and not on its Monday, is our reading: no recording of a calendar exists.
    """
    first = today() + timedelta(days=days_from_today)
    week = [first + timedelta(days=ahead) for ahead in range(_WEEK)]
    # Pairs, not a dict: two instants can share a wall clock in the hour that is repeated in October.
    here = [(datetime.fromtimestamp(slot, PARIS), slot) for slot in slots]
    here = [(moment, slot) for moment, slot in here if moment.date() in week]
    hours = sorted({*HOURS, *(moment.time() for moment, _ in here)})
    rows = [[_cell(day, hour, here) for day in week] for hour in hours]
    heads = [f"{WEEKDAYS[day.weekday()].capitalize()} {day:%d/%m}" for day in week]
    ends = {"first": f"{week[0]:%d/%m/%Y}", "last": f"{week[-1]:%d/%m/%Y}"}
    return render("ezbooking/calendar", form=form, **ends, heads=heads, rows=rows)


def _cell(day: date, hour: time, here: Iterable[tuple[datetime, int]]) -> dict[str, object]:
    found = [slot for moment, slot in here if moment.date() == day and moment.time() == hour]
    works = hour in HOURS and day.weekday() < _SATURDAY
    return {"hour": f"{hour:%Hh%M}", "slots": found, "works": works}


# Of the wizard's progress: a grey dot for each step, whatever its mark.
_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGN4+vQpAAXTAulVxSF3AAAAAElFTkSuQmCC"
)
log = logging.getLogger("sandbox")
_COOKIE: Final = "eZSESSID"
_CALL: Final = re.compile(r"bookingserver::planning::assign::(\d{1,15})::(\d+)::(\d{1,4})")
_KEPT: Final = 10_000  # visitors; the longest unseen is forgotten, as a real site's sessions end
_CONDITIONS, _CHOICE, _VERDICT, _TERMS, _CALENDAR, _RESERVE = range(6)
Step = Callable[["WizardVisit"], Awaitable[web.StreamResponse]]


@dataclass
class WizardProgress:
    """How far a visitor is in one form: the last step passed and the planning chosen."""

    passed: int = 0
    planning: int | None = None


@dataclass
class WizardVisit:
    """One request to a step of a form, with how far its visitor has come."""

    site: Site
    request: web.Request
    form: Form
    progress: WizardProgress | None

    @property
    def prefix(self) -> str:
        """What stands before ``/booking``: links keep the way the visitor came."""
        return "/index.php" if self.request.path.startswith("/index.php/") else ""

    def to(self, step: int) -> web.Response:
        """Redirect to another step."""
        return redirect(self.site, f"{self.prefix}/booking/create/{self.form.number}/{step}")


class EZBooking(Pages):
    """The pages of one site, which knows its visitors by a cookie until it is reset."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        # By cookie: progress by form; a form that is not in it is at its conditions.
        self._sessions: OrderedDict[str, dict[int, WizardProgress]] = OrderedDict()
        site.forget.append(self._sessions.clear)
        self._steps: dict[int, Step] = {
            _CONDITIONS: self._conditions,
            _CHOICE: self._choice,
            _VERDICT: self._verdict,
            _TERMS: self._terms,
            _CALENDAR: self._calendar_page,
        }

    def add_routes(self, app: web.Application) -> None:
        """Add the wizard under both addresses, the calendar, pictures, home page."""
        for prefix in ("", "/index.php"):
            create = f"{prefix}/booking/create/{{form:\\d+}}"
            for address in (create, f"{create}/", f"{create}/{{step:\\d+}}"):
                app.router.add_route("*", address, self._step)
            app.router.add_route("*", f"{create}/5/{{slot:\\d+}}", self._reserve)
            app.router.add_route("*", f"{prefix}/ezjscore/call/{{call}}", self._week)
        app.router.add_get(f"{PICTURES}/etape_{{step:\\d}}{{mark:[rG]?}}.png", self._picture)
        app.router.add_get("/", self._home)
        super().add_routes(app)

    async def _step(self, request: web.Request) -> web.StreamResponse:
        form = self.site.form_of(request)
        if form is None:
            return await self.missing(request)
        session = self._find_session(request)
        visit = WizardVisit(self.site, request, form, session.get(form.number) if session else None)
        number = int(request.match_info.get("step", _CONDITIONS))
        if number == _CONDITIONS:
            return await self._conditions(visit)
        if visit.progress is None or number not in self._steps:
            return visit.to(_CONDITIONS)
        return await self._steps[number](visit)

    def _find_session(self, request: web.Request) -> dict[int, WizardProgress] | None:
        key = request.cookies.get(_COOKIE, "")
        if key in self._sessions:
            self._sessions.move_to_end(key)
        return self._sessions.get(key)

    def _begin_session(self) -> str:
        key = secrets.token_hex(16)
        self._sessions[key] = {}
        if len(self._sessions) > _KEPT:
            self._sessions.popitem(last=False)
        return key

    def _page(
        self, visit: WizardVisit, template: str, step: int, planning: int = 0, **more: Any
    ) -> web.Response:
        about: dict[str, Any] = {"prefix": visit.prefix, "step": step, "planning": planning}
        return html(self.site, page(template, self.site.about, visit.form, **about, **more))

    async def _conditions(self, visit: WizardVisit) -> web.StreamResponse:
        session = self._find_session(visit.request)
        if visit.request.method == "POST" and session is not None:
            sent = await visit.request.post()
            if sent.get("condition") == "on" and "nextButton" in sent:
                visit.progress = session[visit.form.number] = WizardProgress()
                return visit.to(_CHOICE) if visit.form.asks_planning else self._judge(visit)
            return self._page(visit, "conditions_refused", _CONDITIONS)
        answer = self._page(visit, "conditions", _CONDITIONS)
        if session is None:
            answer.set_cookie(_COOKIE, self._begin_session(), path="/", httponly=True)
        return answer

    async def _choice(self, visit: WizardVisit) -> web.StreamResponse:
        if not visit.form.asks_planning:
            return self._judge(visit)
        offered = tuple((str(each.number), each.label) for each in visit.form.plannings)
        if visit.request.method == "POST":
            chosen = str((await visit.request.post()).get("planning", ""))
            if chosen not in dict(offered):
                return self._page(visit, "choice_refused", _CHOICE, offered=offered)
            self._progress(visit).planning = int(chosen)
            return self._judge(visit)
        return self._page(visit, "choice", _CHOICE, offered=offered)

    def _progress(self, visit: WizardVisit) -> WizardProgress:
        if visit.progress is None:  # every step but the first was refused without it
            raise RuntimeError(f"a visit to form {visit.form.number} without progress")
        return visit.progress

    def _planning(self, visit: WizardVisit) -> int | None:
        if not visit.form.asks_planning:
            return visit.form.plannings[0].number
        return self._progress(visit).planning

    def _free(self, visit: WizardVisit) -> bool:
        planning = self.site.agenda.planning(visit.form, self._planning(visit))
        return bool(self.site.agenda.slots(planning))

    def _judge(self, visit: WizardVisit) -> web.Response:
        return visit.to(_TERMS if self._free(visit) else _VERDICT)

    async def _verdict(self, visit: WizardVisit) -> web.StreamResponse:
        if self._planning(visit) is None:
            return visit.to(_CHOICE)
        if visit.request.method == "POST":
            return redirect(self.site, "/")
        if self._free(visit):
            return visit.to(_TERMS)
        return self._page(visit, "no_slot", _VERDICT)

    async def _terms(self, visit: WizardVisit) -> web.StreamResponse:
        if self._planning(visit) is None:
            return visit.to(_CHOICE)
        if not self._free(visit):
            return visit.to(_VERDICT)
        if visit.request.method == "POST":
            self._progress(visit).passed = _TERMS
            return visit.to(_CALENDAR)
        return self._page(visit, "terms", _TERMS)

    async def _calendar_page(self, visit: WizardVisit) -> web.StreamResponse:
        planning = self._planning(visit)
        if planning is None or self._progress(visit).passed < _TERMS:
            return visit.to(_TERMS)
        if visit.request.method == "POST":
            return self._take_first(visit, planning)
        return self._page(visit, "slots", _CALENDAR, planning)

    async def _week(self, request: web.Request) -> web.StreamResponse:
        call = _CALL.fullmatch(request.match_info["call"])
        mode = request[MODE]
        if not call:
            return await self.missing(request)
        if "User-Agent" not in request.headers:
            return html(self.site, render("site/refused", reason="Requête sans navigateur."), status=403)
        if mode.name == "calendar_broken":
            return html(self.site, "<table><tr><td>Fatal error: bookingserver", int(mode.number("status")))
        return await self._week_of(request, int(call[1]), call[2], int(call[3]))

    async def _week_of(self, request: web.Request, number: int, key: str, days: int) -> web.StreamResponse:
        form = self.site.agenda.find_form(number)
        known = form.plannings if form else ()
        planning = next((each for each in known if str(each.number) == key), None)
        if form is None or planning is None:
            return await self.missing(request)
        slots = self.site.agenda.slots(planning)
        session = self._find_session(request)
        if session is None or number not in session:
            return WizardVisit(self.site, request, form, None).to(_CONDITIONS)
        return html(self.site, week_fragment(number, slots, days))

    def _take_first(self, visit: WizardVisit, planning: int) -> web.Response:
        """Do what the button "Première plage horaire libre" does: it takes the first hour, says public code."""
        free = sorted(self.site.agenda.slots(self.site.agenda.planning(visit.form, planning)))
        return self._reserve_slot(visit.request, visit.form, free[0]) if free else visit.to(_VERDICT)

    async def _reserve(self, request: web.Request) -> web.StreamResponse:
        form = self.site.form_of(request)
        if form is None:
            return await self.missing(request)
        return self._reserve_slot(request, form, int(request.match_info["slot"]))

    def _reserve_slot(self, request: web.Request, form: Form, slot: int) -> web.Response:
        self.site.counters.reservations += 1
        log.error("A SLOT WAS TAKEN: %s %s reserves one", self.site.about.name, request.path)
        for planning in form.plannings:
            self.site.agenda.take(planning, [slot])
        return render_page(self.site, "ezbooking/reserved", form=form)

    async def _picture(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=_PIXEL, content_type="image/png")

    async def _home(self, _request: web.Request) -> web.StreamResponse:
        return render_page(self.site, "ezbooking/home", prefix="")


PLATFORM: Final = StandInPlatform(add_routes=EZBooking.add_to)
