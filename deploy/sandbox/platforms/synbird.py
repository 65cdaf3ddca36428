"""Synbird: a company by its name, what people come for there, and one search by POST.

The search's body names the company, its places and the answers to its questions.
Written from what public programs ask and read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.addresses import platform_host
from deploy.sandbox.clock import today
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.request_body import read_body
from deploy.sandbox.sites.json_calendar import (
    Calendar,
    as_json,
    days_from,
    form_in,
    lacking,
    missing,
    moments_on,
)
from deploy.sandbox.stand_in_types import Form, Planning, StandIn

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.request_body import Body

_COMPANY: Final = "/v6/pro/company/get"
_WIDGET: Final = "/v6/pro/company/getWidget"
_SEARCH: Final = "/v6/pro/company/getSlotsFor"


class _Calendar(Calendar):
    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        app.router.add_post(_COMPANY, self.company)
        app.router.add_post(_WIDGET, self.widget)
        app.router.add_post(_SEARCH, self.search)
        super().add_routes(app)

    async def company(self, request: web.Request) -> web.StreamResponse:
        """Answer with the company of a name, which has the form's number, and with its places."""
        form, body = self.site.form_of(request), await read_body(request)
        if form is None or body.get("slug") != _slug(form):
            return missing()
        places = [{"id": each.number, "name": each.label} for each in form.plannings]
        return as_json({"professional": {"id": form.number, "slug": _slug(form), "places": places}})

    async def widget(self, request: web.Request) -> web.StreamResponse:
        """Answer with what people come for at a company, and the one question that is asked before its calendar."""
        form, body = self.site.form_of(request), await read_body(request)
        if form is None or body.get("id_professional_company") != f"{form.number}":
            return missing()
        items = [{"id": form.number, "label": "1 personne"}, {"id": form.number + 1, "label": "2 personnes"}]
        prestation = {
            "id": form.number,
            "name": form.title,
            "additional_informations_start": [{"type": "nbpers", "items": items}],
        }
        activities = [{"name": "Titres", "prestations": [prestation]}]
        return as_json({"companies": [{"corporate_name": self.site.about.name, "activities": activities}]})

    async def search(self, request: web.Request) -> web.StreamResponse:
        """Answer with the open hours of some places; a body that the page would not post is refused."""
        form, body = self.site.form_of(request), await read_body(request)
        if form is None:
            return missing()
        if key := _wrong(form, body):
            return as_json({"error": f"invalid {key}"}, 400)
        self.site.counters.calendars += 1
        asked = [each for each in form.plannings if each.number in body["id_professional_place"]]
        free = moments_on(self.site, asked, days_from(today(), body["duration"]))
        return as_json({"timeSlots": [{"start_date": moment.isoformat()} for moment in free]})


def _slug(form: Form) -> str:
    return f"79000-mairie-{form.number}"


def _wrong(form: Form, body: Body) -> str:
    """Return the key of the body that is not as the page posts it; the one question has the form's number."""
    key = lacking(
        body,
        id_professional_company=form.number,
        id_professional_prestation=form.number,
        id_professional_place=None,
        source_type="widget",
        duration=None,
        number_slots=None,
    )
    answers = [each.get("id") for each in body.get("additional_informations_start", ())]
    return key or ("" if answers == [form.number] else "additional_informations_start")


PLATFORM: Final = StandInPlatform(
    sites=(
        StandIn(
            "synbird",
            "Rendez-vous en mairie",
            "dans les Deux-Sèvres",
            "Niort",
            platform_host("custom", 4),
            (Form(995104, "Carte d'identité", (Planning(9951041, "Mairie"), Planning(9951042, "Annexe"))),),
            home="https://app.synbird.com",
        ),
    ),
    add_routes=_Calendar.add_to,
    page=lambda form: f"/{_slug(form)}",
    form_asked=form_in,
    is_calendar=lambda request: request.path == _SEARCH,
)
