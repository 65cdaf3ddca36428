"""Doctolib: the booking file of a place, and its availabilities by windows of days.

Written from recorded answers as others describe them: their shape, none of their content.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.json_calendar import (
    Calendar,
    as_json,
    days_from,
    form_in,
    missing,
    moments,
    with_offset,
)
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web


_AGENDAS: Final = "/booking/{name}.json"
_NEWER: Final = "/online_booking/api/slot_selection_funnel/v1/info.json"
_WINDOW: Final = "/availabilities.json"
_LONGEST: Final = 15  # days of one answer
_NOT_OPEN: Final = {
    "availabilities": [],
    "total": 0,
    "reason": "not_opened_availability",
    "message": "La prise de rendez-vous n'est pas encore ouverte.",
    "next_slot": None,
}


class _Calendar(Calendar):
    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        app.router.add_get(_AGENDAS, self.booking)
        app.router.add_get(_NEWER, self.booking)
        app.router.add_get(_WINDOW, self.window)
        super().add_routes(app)

    async def booking(self, request: web.Request) -> web.StreamResponse:
        """Answer with the place's agendas; its motive and its practice have the form's number."""
        form = self.site.form_of(request)
        if form is None:
            return missing()
        closed = request[MODE].name
        if closed == "booking_moved" and request.path != _NEWER:
            return missing()
        agendas = [
            {
                "id": planning.number,
                "booking_disabled": closed == "booking_disabled",
                "booking_temporary_disabled": closed == "booking_paused",
                "practice_id": form.number,
                "visit_motive_ids_by_practice_id": {str(form.number): [form.number]},
            }
            for planning in reversed(form.plannings)  # an order of its own, which requests must keep
        ]
        address = f"{self.site.about.town}, {form.title}"
        places = [{"id": f"practice-{form.number}", "practice_ids": [form.number], "full_address": address}]
        motives = [{"id": form.number, "name": form.title}]
        return as_json({"data": {"visit_motives": motives, "agendas": agendas, "places": places}})

    async def window(self, request: web.Request) -> web.StreamResponse:
        """Answer with the days asked for and, where they are all taken, when the next hour is free."""
        asked, form = request.query, self.site.form_of(request)
        if form is None:
            return missing()
        plannings = {str(planning.number): planning for planning in reversed(form.plannings)}
        agendas = asked.get("agenda_ids", "").split("-")
        whole = agendas == list(plannings) or (len(agendas) == 1 and agendas[0] in plannings)
        if not whole or asked.get("practice_ids") != str(form.number):
            return as_json({"error": "bad request"}, 400)
        self.site.counters.calendars += 1
        if request[MODE].name == "agenda_not_open" and str(form.plannings[-1].number) in agendas:
            return as_json(_NOT_OPEN)
        days = days_from(date.fromisoformat(asked["start_date"]), min(int(asked["limit"]), _LONGEST))
        free = moments(self.site, [plannings[agenda] for agenda in agendas])
        here = [moment for moment in free if moment.date() in days]
        answer: dict[str, Any] = {
            "availabilities": [
                {
                    "date": f"{day}",
                    "slots": [self._slot(request, each) for each in here if each.date() == day],
                }
                for day in days
            ],
            "total": len(here),
        }
        if not here and (later := [moment for moment in free if moment.date() > days[-1]]):
            answer["next_slot"] = with_offset(later[0])
        return as_json(answer)

    @staticmethod
    def _slot(request: web.Request, moment: datetime) -> object:
        if request[MODE].name != "slots_as_objects":
            return with_offset(moment)
        second = {"start_date": with_offset(moment.replace(year=moment.year + 1))}
        return {"start_date": with_offset(moment), "steps": [{"start_date": with_offset(moment)}, second]}


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "doctolib",
            "Agenda en ligne",
            "dans le Nord",
            "Lille",
            platform_host("doctolib", 1),
            (
                Form(
                    994001,
                    "Remise de titre",
                    (Planning(9940011, "Guichet A"), Planning(9940012, "Guichet B")),
                ),
                Form(994002, "Duplicata", (Planning(9940021, "Guichet C"),)),
            ),
            home="https://www.doctolib.fr",
        ),
    ),
    add_routes=_Calendar.add_to,
    page=lambda form: f"/prefecture/lille/guichet-{form.number}",
    form_asked=form_in,
    is_calendar=lambda request: request.path == _WINDOW,
    modes={
        "agenda_not_open": {},
        "booking_disabled": {},
        "booking_moved": {},
        "booking_paused": {},
        "slots_as_objects": {},
    },
    mode_names={
        "agenda_not_open": "Un guichet pas encore ouvert",
        "booking_disabled": "Réservation fermée",
        "booking_moved": "Fichier de réservation déplacé",
        "booking_paused": "Réservation suspendue",
        "slots_as_objects": "Créneaux en deux étapes",
    },
)
