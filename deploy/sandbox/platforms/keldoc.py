"""Keldoc: a clinic's cabinets and motives, the agendas of a motive, and its timetable.

A timetable may be a date alone or a phone number. Written from recorded answers as others describe
them: their shape, none of their content.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.json_calendar import Calendar, as_json, form_in, missing, moments, with_offset
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from aiohttp import web


_MOTIVES: Final = (
    "/api/patients/v2/clinics/{clinic}/specialties/{specialty}/cabinets/{cabinet}/motive_categories"
)
_RESOURCE: Final = "/api/patients/v2/searches/resource"
_CABINETS: Final = "/api/patients/v2/clinics/{clinic}/specialties/{specialty}/cabinets"
_TIMETABLE: Final = "/api/patients/v2/timetables/{motive}"
_SPECIALTY: Final = 7


class _Calendar(Calendar):
    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        app.router.add_get(_RESOURCE, self.clinic)
        app.router.add_get(_CABINETS, self.cabinets)
        app.router.add_get(_MOTIVES, self.motives)
        app.router.add_get(_TIMETABLE, self.timetable)
        super().add_routes(app)

    async def clinic(self, request: web.Request) -> web.StreamResponse:
        """Answer with the clinic that an address is of, which has the form's number; the address is asked in parts."""
        form = self.site.form_of(request)
        if form is None or not {"type", "location", "slug"} <= set(request.query):
            return missing()
        cabinets = [{"id": form.number, "name": "Guichets", "location": self.site.about.town}]
        specialties = [{"id": _SPECIALTY, "name": "Titres", "skills": []}]
        clinic = {"type": "Clinic", "title": form.title, "cabinets": cabinets, "specialties": specialties}
        return as_json({"id": form.number, **clinic})

    async def cabinets(self, request: web.Request) -> web.StreamResponse:
        """Answer with the cabinets of a specialty."""
        form = self.site.form_of(request)
        if form is None or request.match_info["specialty"] != f"{_SPECIALTY}":
            return missing()
        return as_json([{"id": form.number, "name": "Guichets"}])

    async def motives(self, request: web.Request) -> web.StreamResponse:
        """Answer with the motives of a cabinet, which has the form's number as its motive has."""
        form = self.site.form_of(request)
        if form is None:
            return missing()
        agendas = [{"id": planning.number, "name": planning.label} for planning in form.plannings]
        motive = {"id": form.number, "name": form.title, "agendas": agendas}
        return as_json([{"motive_category_id": 1, "name": "Titres", "motives": [motive]}])

    async def timetable(self, request: web.Request) -> web.StreamResponse:
        """Answer with the hours between two days; where there are none, with the next date."""
        form = self.site.form_of(request)
        if form is None:
            return missing()
        self.site.counters.calendars += 1
        if request[MODE].name == "phone_only":
            return as_json(
                {
                    "text": "Uniquement par téléphone :",
                    "num": "01 00 00 00 00",
                    "num_text": "01 00 00 00 00",
                    "phone_number": "+33100000000",
                }
            )
        first, last = (date.fromisoformat(request.query[end]) for end in ("from", "to"))
        asked = request.query.getall("agenda_ids[]", [])
        free = moments(self.site, [each for each in form.plannings if str(each.number) in asked])
        here = [moment for moment in free if first <= moment.date() <= last]
        later = [moment for moment in free if moment.date() >= first]
        if later and (not here or request[MODE].name == "dates_only"):
            return as_json({"text": f"Prochain RDV le {later[0]:%d/%m/%Y}", "date": with_offset(later[0])})
        days: dict[str, list[object]] = {}
        for moment in here:
            days.setdefault(f"{moment.date()}", []).append({"start_time": with_offset(moment)})
        return as_json({"availabilities": days})


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "keldoc",
            "Calendrier en ligne",
            "dans le Bas-Rhin",
            "Strasbourg",
            platform_host("doctolib", 2),
            (
                Form(
                    994003,
                    "Remise de titre",
                    (Planning(9940031, "Guichet A"), Planning(9940032, "Guichet B")),
                ),
            ),
            home="https://www.keldoc.com",
        ),
    ),
    add_routes=_Calendar.add_to,
    page=lambda form: f"/prefecture/strasbourg-67000/guichet-{form.number}",
    form_asked=form_in,
    is_calendar=lambda request: "/timetables/" in request.path,
    modes={"phone_only": {}, "dates_only": {}},
    mode_names={"phone_only": "Par téléphone seulement", "dates_only": "Prochaine date seulement"},
)
