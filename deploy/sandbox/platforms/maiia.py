"""Maiia: a center in its page's JSON, what people come for there, the closest availability as a hint, all of them.

Moments are in UTC. Written from recorded answers as others describe them: their shape, none of their content.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.clock import as_utc
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.json_calendar import Calendar, as_json, desk_page, form_in, missing, moments
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from aiohttp import web


_CLOSEST: Final = "/api/pat-public/availability-closests"
_REASONS: Final = "/api/pat-public/consultation-reason-hcd"
_BETWEEN: Final = "/api/pat-public/availabilities"


class _Calendar(Calendar):
    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        app.router.add_get(_CLOSEST, self.closest)
        app.router.add_get(_REASONS, self.reasons)
        app.router.add_get(_BETWEEN, self.between)
        super().add_routes(app)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Answer the page that a person opens, rendered from its center, which has the form's number."""
        item = {"center": {"id": f"{form_in(request)}"}}
        state = {"props": {"initialState": {"cards": {"item": item}}}}
        return desk_page(self.site, request, state=state)

    async def reasons(self, request: web.Request) -> web.StreamResponse:
        """Answer with what people come for at a center."""
        form = self.site.form_of(request)
        if form is None or not request.query.get("rootCenterId"):
            return missing()
        reason = {"id": f"{form.number}", "name": form.title, "consultationType": "PHYSICAL"}
        return as_json({"items": [reason], "total": 1})

    async def closest(self, request: web.Request) -> web.StreamResponse:
        """Answer with the first open hour from an instant on; a center has the form's number."""
        form = self.site.form_of(request)
        if form is None:
            return missing()
        free = [each for each in moments(self.site, form.plannings) if each >= _instant(request, "from")]
        if not free:
            return as_json({"availabilityCount": 0})
        first = as_utc(free[0])
        closest = {"startDateTime": first, "centerId": f"{form.number}"}
        return as_json(
            {
                "availabilityCount": 1,
                "closestPhysicalAvailability": closest,
                "firstPhysicalStartDateTime": first,
            }
        )

    async def between(self, request: web.Request) -> web.StreamResponse:
        """Answer with the open hours between two instants; in the mode `hint_only`, with none of them."""
        form = self.site.form_of(request)
        if form is None:
            return missing()
        self.site.counters.calendars += 1
        begin, end = _instant(request, "from"), _instant(request, "to")
        free = [each for each in moments(self.site, form.plannings) if begin <= each < end]
        items = (
            [] if request[MODE].name == "hint_only" else [{"startDateTime": as_utc(each)} for each in free]
        )
        return as_json({"items": items[: int(request.query["limit"])], "total": len(items)})


def _instant(request: web.Request, end: str) -> datetime:
    return datetime.fromisoformat(request.query[end])


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "maiia",
            "Consultations en ligne",
            "dans le Rhône",
            "Villeurbanne",
            platform_host("doctolib", 3),
            (Form(994004, "Remise de titre", (Planning(9940041, "Guichet A"),)),),
            home="https://www.maiia.com",
        ),
    ),
    add_routes=_Calendar.add_to,
    page=lambda form: f"/prefecture/69100-villeurbanne/guichet-{form.number}",
    form_asked=form_in,
    is_calendar=lambda request: request.path == _BETWEEN,
    modes={"hint_only": {}},
    mode_names={"hint_only": "Indice sans créneaux"},
)
