"""ANTS, the national search for passport and identity card slots in town halls: its list and its socket.

Its shapes are those of the server's last public version, which our spider reads in
tests/crawler/crawls/test_real_ants_server.py. Hours are the town hall's wall clock with a `Z` that is not true, on the
list with an offset of nought. That version asks for no token on the socket; this does, as the site of today is said to.
"""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from aiohttp import WSMsgType, web
from pydantic import BaseModel, ValidationError

from deploy.sandbox.clock import PARIS, now
from deploy.sandbox.modes import MODE, Mode
from deploy.sandbox.platforms import StandInPlatform
from deploy.sandbox.sites.pages import as_json, html

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.platforms import Form, Planning
    from deploy.sandbox.sites.site import Site

_LIST: Final = "/api/SlotsFromPosition"
_SOCKET: Final = "/api/SlotsFromPositionStreaming"
_HEADER: Final = "X-HUB-RDV-AUTH-TOKEN"
_RADII: Final = (0.99, 5, 10, 15, 20, 25, 30)
_A_MINUTE: Final = 30  # requests and messages of one address
_BY_SOCKET, _BY_LIST = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00"
_EARTH: Final = 6371.0  # km
_FORMS_FROM: Final = 880_000  # a department's form: its code behind this, Corsica's written in figures


@dataclass(frozen=True)
class _Area:
    """A department: where its town halls stand, about its chef-lieu, and which clock is on their walls."""

    code: str
    city: str
    longitude: float
    latitude: float
    zone: ZoneInfo = PARIS


_AREAS: Final = {
    880075: _Area("75", "PARIS", 2.3522, 48.8566),
    880091: _Area("91", "EVRY-COURCOURONNES", 2.4297, 48.6239),
    880974: _Area("974", "SAINT-DENIS", 55.4481, -20.8823, ZoneInfo("Indian/Reunion")),
}


def _number(code: str) -> int:
    """Return the form of a department, 0 where there can be none."""
    figures = code.upper().replace("A", "01").replace("B", "02")
    return _FORMS_FROM + int(figures) if figures.isdecimal() and len(code) in (2, 3) else 0


def _area(form: Form) -> _Area:
    """Return the area of a form; of a department without a stand-in only the code is known."""
    figures = f"{form.number - _FORMS_FROM:02}"
    code = {"201": "2A", "202": "2B"}.get(figures, figures)
    return _AREAS.get(form.number) or _Area(code, f"VILLE {code}", math.nan, math.nan)


class _Criteria(BaseModel):
    longitude: float
    latitude: float
    start_date: date
    end_date: date
    radius_km: float = 0
    department_code: str | None = None


class _ListCriteria(_Criteria):
    radius_km: int = 40


class _Search:
    """The search of one site, and how often it was asked in the last minute."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._asked: deque[float] = deque()
        site.forget.append(self._asked.clear)

    async def list_places(self, request: web.Request) -> web.StreamResponse:
        """Answer GET: a list of the places that have slots; editors that fail are left out without a word."""
        if refused := self._refused(request):
            return refused
        if self._too_often():
            return as_json({"error": f"Rate limit exceeded: {_A_MINUTE} per 1 minute"}, 429)
        try:
            criteria = _ListCriteria.model_validate(dict(request.query))
        except ValidationError as errors:
            # What is missing or wrong, as the server's validation says it.
            found = errors.errors(include_url=False, include_context=False, include_input=False)
            return as_json({"detail": [{**each, "loc": ["query", *each["loc"]]} for each in found]}, 422)
        if criteria.radius_km not in _RADII:
            return as_json({"detail": "radius_km value not allowed"}, 403)
        return as_json([hall for frame in self._frames(criteria, request, _BY_LIST) for hall in frame])

    async def streamed(self, request: web.Request) -> web.StreamResponse:
        """Answer a socket: a frame for each editor, then how many there were and how many failed."""
        if refused := self._refused(request):
            return refused
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            mode = request[MODE]
            if self._too_often() or mode.name == "bare_end":
                await socket.send_str("end_of_search")
                break
            criteria = _criteria(message.data) if message.type is WSMsgType.TEXT else None
            if criteria is None:
                await socket.receive()  # the server says nothing, and leaves the socket open
                break
            for frame in self._frames(criteria, request, _BY_SOCKET):
                await socket.send_str(json.dumps(frame))
            if mode.name == "no_end":
                break
            editors, failed = self._editors, self._failed(criteria, mode)
            await socket.send_str(json.dumps({"step": "end_of_search", "editors_number": editors,
                                              "editor_errors_number": failed, "settings": {}}))  # fmt: skip
        await socket.close()
        return socket

    def _refused(self, request: web.Request) -> web.Response | None:
        given = request.headers.get(_HEADER)
        return None if given else as_json({"detail": f"{_HEADER} header invalid"}, 401)

    def _too_often(self) -> bool:
        moment = now().timestamp()
        while self._asked and self._asked[0] <= moment - 60:
            self._asked.popleft()
        self._asked.append(moment)
        return len(self._asked) > _A_MINUTE

    @property
    def _editors(self) -> int:
        """Return how many editors there are, also elsewhere: the end of a search counts all of them."""
        return sum(len(form.plannings) for form in self._site.about.forms)

    def _asked_halls(self, criteria: _Criteria) -> list[tuple[Form, Planning]]:
        """Return the town halls of the area; each has an editor of its own."""
        if code := criteria.department_code:
            forms = [form] if (form := self._site.agenda.find_form(_number(code))) else []
        else:
            forms = [form for form in self._site.about.forms if _within(_AREAS[form.number], criteria)]
        return [(form, planning) for form in forms for planning in form.plannings]

    def _failed(self, criteria: _Criteria, mode: Mode) -> int:
        return len(self._asked_halls(criteria)) if mode.name == "editors_fail" else 0

    def _frames(
        self, criteria: _Criteria, request: web.Request, spelling: str
    ) -> Iterable[list[dict[str, object]]]:
        failed = self._failed(criteria, request[MODE])
        for form, planning in self._asked_halls(criteria)[failed:]:
            area = _area(form)
            hours = [datetime.fromtimestamp(slot, area.zone) for slot in self._site.agenda.slots(planning)]
            there = [hour for hour in hours if criteria.start_date <= hour.date() <= criteria.end_date]
            link = f"{request.url.origin()}/reserver"
            yield [_hall(area, planning, there, spelling, link)] if there else []


def _criteria(sent: str) -> _Criteria | None:
    """Return what a message asks for; None where the server would say nothing more."""
    try:
        criteria = _Criteria.model_validate_json(sent)
    except ValidationError:
        return None
    return criteria if criteria.department_code or criteria.radius_km in _RADII else None


def _within(area: _Area, criteria: _Criteria) -> bool:
    east, north = math.radians(criteria.longitude), math.radians(criteria.latitude)
    there = math.radians(area.longitude), math.radians(area.latitude)
    angle = math.sin(north) * math.sin(there[1])
    angle += math.cos(north) * math.cos(there[1]) * math.cos(east - there[0])
    return _EARTH * math.acos(min(1.0, angle)) <= criteria.radius_km


def _hall(
    area: _Area, planning: Planning, hours: Iterable[datetime], spelling: str, root: str
) -> dict[str, object]:
    place = {"longitude": area.longitude, "latitude": area.latitude, "distance_km": 0.0}
    address = {
        "public_entry_address": "1 place de la Mairie",
        "zip_code": f"{area.code:0<5}",
        "city_name": area.city,
        "decoded_city_name": area.city.lower(),
    }
    site = {"website": "https://mairie.invalid", "city_logo": "https://mairie.invalid/logo.png"}
    link = f"{root}/{planning.number}"
    slots = [
        {"datetime": hour.strftime(spelling), "callback_url": f"{link}/{int(hour.timestamp())}"}
        for hour in hours
    ]
    named = {"id": str(planning.number), "name": planning.label}
    return {**named, **place, **address, **site, "available_slots": slots}


def _add_routes(app: web.Application, site: Site) -> None:
    search = _Search(site)

    async def front(_request: web.Request) -> web.Response:
        head = f'<title>{site.about.name}</title><link rel="canonical" href="{site.about.home}/">'
        return html(site, f"<!DOCTYPE html><html>{head}<h1>Trouver un rendez-vous</h1></html>")

    async def reserve(_request: web.Request) -> web.Response:
        site.reservations += 1
        return html(site, "<!DOCTYPE html><html><title>Mairie</title><h1>Votre rendez-vous</h1></html>")

    app.router.add_get("/", front)
    app.router.add_get(_LIST, search.list_places)
    app.router.add_get(_SOCKET, search.streamed)
    app.router.add_get("/reserver/{hall}/{slot}", reserve)


def _page(form: Form) -> str:
    return f"/?departement={_area(form).code}"


def _form_asked(request: web.Request) -> int | None:
    """Return the department of a page, or of a list's position; a socket names it only in its message."""
    if code := request.query.get("departement"):
        return _number(code) or None
    try:
        criteria = _ListCriteria.model_validate(dict(request.query)) if request.path == _LIST else None
    except ValidationError:
        return None
    return next((number for number, area in _AREAS.items() if criteria and _within(area, criteria)), None)


PLATFORM: Final = StandInPlatform(add_routes=_add_routes, page=_page, form_asked=_form_asked)
