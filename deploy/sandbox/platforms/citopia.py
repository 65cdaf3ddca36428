"""Citopia: town halls around a point, what people come for there; a session first, then the weeks of a structure.

A week may hold hours that are not shown, or be a message.
Written from what public programs ask and read; the message's words are ours.
"""

from __future__ import annotations

import json
import secrets
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
    moments_on,
)
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from deploy.sandbox.sites.site import Site

_STRUCTURES: Final = "/api-web/search-structures/{service}/{place}/{latitude}/{longitude}"
_SERVICES: Final = "/api-web/structures/{structure}/services"
_SESSION: Final = "/api-web/auth/session"
_WEEK: Final = "/api-web/structures/{structure}/availabilities/week"
_DAYS: Final = 7
_NOTHING: Final = "Aucune disponibilité sur cette période."
_TROUBLE: Final = "Une erreur est survenue, veuillez recommencer."


class _Calendar(Calendar):
    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._sessions: set[str] = set()
        site.forget.append(self._sessions.clear)

    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        app.router.add_get(_STRUCTURES, self.structures)
        app.router.add_get(_SERVICES, self.services)
        app.router.add_get(_SESSION, self.session)
        app.router.add_get(_WEEK, self.week)
        super().add_routes(app)

    async def structures(self, request: web.Request) -> web.StreamResponse:
        """Answer with all town halls, wherever the point is; a structure has its form's number."""
        if not {"reasons_number", "radius", "page", "per_page"} <= set(request.query):
            return missing()
        found = [
            {"id": form.number, "name": form.title, "alias": _alias(form), "reasons": [_reason(form)]}
            for form in self.site.about.forms
        ]
        return as_json({"results": found, "total": len(found)})

    async def services(self, request: web.Request) -> web.StreamResponse:
        """Answer with what people come for at a structure."""
        form = self.site.form_of(request)
        return as_json([{"name": "Titres", "reasons": [_reason(form)]}]) if form else missing()

    async def session(self, _request: web.Request) -> web.StreamResponse:
        """Begin a session."""
        key = secrets.token_hex(20)
        self._sessions.add(key)
        return as_json({"session_id": key})

    async def week(self, request: web.Request) -> web.StreamResponse:
        """Answer with a week of a structure, which has the form's number as its reason has, or with a message."""
        asked, form = request.query, self.site.form_of(request)
        if asked.get("session_id") not in self._sessions:
            return as_json({"message": "Unauthenticated."}, 401)
        if form is None or asked["direction"] != "1" or json.loads(asked["reasons"]) != {f"{form.number}": 1}:
            return missing()
        self.site.counters.calendars += 1
        if request[MODE].name == "error_message":
            return as_json({"message": _TROUBLE})
        days = self._days(request, form, date.fromisoformat(asked["date"]))
        free = moments_on(self.site, form.plannings, days)
        if not free and request[MODE].name != "empty_weeks":
            return as_json({"message": _NOTHING})
        return as_json({f"{day}": _day(day, free, shown=request[MODE].name != "hidden") for day in days})

    def _days(self, request: web.Request, form: Form, first: date) -> list[date]:
        """Return the week that is shown: the one asked for or, in the mode `jumping`, the next that has an hour."""
        if request[MODE].name == "jumping":
            later = [each.date() for each in moments(self.site, form.plannings) if each.date() >= first]
            first = later[0] if later else first
        return days_from(first, _DAYS)


def _alias(form: Form) -> str:
    return f"poitiers-86000-{form.number}"


def _reason(form: Form) -> dict[str, object]:
    return {"id": form.number, "name": form.title}


def _day(day: date, free: list[datetime], *, shown: bool) -> dict[str, Any]:
    hours = [
        {"start_at": f"{each:%Y-%m-%d %H:%M:%S}", "hour": f"{each:%H:%M}", "is_visible": shown}
        for each in free
        if each.date() == day
    ]
    return {"date": f"{day}", "availabilities": hours}


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "citopia",
            "Rendez-vous en ligne",
            "dans la Vienne",
            "Poitiers",
            platform_host("custom", 3),
            (Form(995103, "Dépôt de passeport", (Planning(9951031, "Mairie"),)),),
            home="https://rendezvousonline.fr",
        ),
    ),
    add_routes=_Calendar.add_to,
    page=lambda form: f"/alias/{_alias(form)}",
    form_asked=form_in,
    is_calendar=lambda request: request.path.endswith("/availabilities/week"),
    modes={"hidden": {}, "empty_weeks": {}, "error_message": {}, "jumping": {}},
    mode_names={
        "hidden": "Créneaux non visibles",
        "empty_weeks": "Semaines vides sans message",
        "error_message": "Message d'erreur",
        "jumping": "Première semaine libre seulement",
    },
)
