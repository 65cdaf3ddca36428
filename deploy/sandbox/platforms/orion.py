"""ESII Orion: one search by POST, whose body is the page's own; its answer lists the days that have slots.

What a day holds nobody has written down. Here it is a key that says nothing; two modes write moments, as ours would be.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.clock import today
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.request_body import read_body
from deploy.sandbox.sites.json_calendar import (
    Calendar,
    as_json,
    days_from,
    desk_page,
    form_in,
    lacking,
    missing,
    moments_on,
)
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from datetime import date, datetime

    from aiohttp import web

    from deploy.sandbox.request_body import Body

_SEARCH: Final = "/orion/api/1/rdv/bookings/availableSlotByDay"
_PAGE: Final = "/orion-reservation/slots"
_FILTERS: Final = ("filterChannel", "filterDay", "filterPlaceCode", "filterPlaceUrlCode")


class _Calendar(Calendar):
    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        app.router.add_post(_SEARCH, self.search)
        super().add_routes(app)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Show the page that a person opens, whose script searches at once."""
        form = self.site.form_of(request)
        return desk_page(self.site, request, search=(_SEARCH, _posted(form)) if form else None)

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Answer with a page of the open hours, by days; a body that the page would not post is refused."""
        form, body = self.site.form_of(request), await read_body(request)
        if form is None or not request.headers.get("Origin"):
            return missing()
        if key := _wrong(form, body):
            return as_json({"status": 400, "error": "Bad Request", "message": key}, 400)
        self.site.counters.calendars += 1
        free = moments_on(self.site, form.plannings, days_from(today(), body["numberOfDay"]))
        first = (body["indexPagination"] - 1) * body["slotsPerPage"]
        shown = free[first : first + body["slotsPerPage"]]
        days = groupby(shown, key=lambda moment: moment.date())
        return as_json({"daySlots": [_day(request[MODE].name, day, list(hours)) for day, hours in days]})


def _posted(form: Form) -> dict[str, object]:
    """Return what the page posts, in as many words as our search reads."""
    places: dict[str, object] = {key: [] for key in _FILTERS}
    return {
        "date": None,
        "numberOfDay": 6,
        "accountId": "SANDBOX",
        "configId": f"config-{form.number}",
        "purposes": [{"id": f"purpose-{form.number}", "name": form.title}],
        "duration": 20,
        "filterRequest": places | {"filterChannel": ["PHYSICAL"], "filterDay": [1, 2, 3, 4, 5]},
        "maxElement": "100",
        "indexPagination": 1,
        "slotsPerPage": 100,
    }


def _wrong(form: Form, body: Body) -> str:
    """Return the key of the body that is not as the page posts it."""
    wanted = {"accountId": "SANDBOX", "configId": f"config-{form.number}", "duration": 20, "date": None}
    figures = dict.fromkeys(("numberOfDay", "maxElement", "indexPagination", "slotsPerPage"))
    if key := lacking(body, purposes=None, filterRequest=None, **wanted, **figures):
        return key
    ids = [purpose.get("id") for purpose in body["purposes"]]
    if ids != [f"purpose-{form.number}"]:
        return "purposes"
    return lacking(body["filterRequest"], **dict.fromkeys(_FILTERS))


def _day(mode: str, day: date, hours: list[datetime]) -> dict[str, Any]:
    key = day.toordinal()
    if mode == "empty_days":
        return {"date": f"{day}", "slots": []}
    if mode == "dated":
        return {"date": f"{day}", "slots": [{"label": f"{hour:%H:%M}"} for hour in hours]}
    if mode == "timed":
        return {"date": f"{day}", "slots": [{"start": hour.isoformat()} for hour in hours]}
    return {"key": key, "slots": [{"key": 10_000 * key + hour.hour * 60 + hour.minute} for hour in hours]}


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "orion",
            "Orion réservation",
            "en Ille-et-Vilaine",
            "Rennes",
            platform_host("custom", 2),
            (
                Form(
                    995101,
                    "Remise de titre",
                    (Planning(9951011, "Guichet A"), Planning(9951012, "Guichet B")),
                ),
            ),
        ),
    ),
    add_routes=_Calendar.add_to,
    page=lambda form: f"{_PAGE}?account=SANDBOX&config=REMISE{form.number}&usemode=app&code=V1",
    form_asked=form_in,
    is_calendar=lambda request: request.path == _SEARCH,
    modes={"dated": {}, "timed": {}, "empty_days": {}},
    mode_names={
        "dated": "Jours avec leur date",
        "timed": "Créneaux avec leur heure",
        "empty_days": "Jours sans créneau",
    },
)
