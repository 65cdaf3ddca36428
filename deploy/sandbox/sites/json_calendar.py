"""Base of the JSON calendars' stand-ins: a page for each form, its open hours by days, answers in JSON."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import PARIS
from deploy.sandbox.sites.pages import Pages, missing_page, render_page

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.request_body import Body
    from deploy.sandbox.sites.site import Site
    from deploy.sandbox.stand_in_types import Planning

_NUMBER: Final = re.compile(r"\d{6}")


def as_json(body: object, status: int = 200) -> web.Response:
    """Return an answer in JSON."""
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))


def form_in(request: web.Request) -> int | None:
    """Return the number of six digits in the path, else in the query or the page that asks: the form's."""
    places = (request.path, request.query_string, request.headers.get("Referer", ""))
    found = next(filter(None, map(_NUMBER.search, places)), None)
    return int(found[0]) if found else None


class Calendar(Pages):
    """One site's answers: the page that a person opens, whatever its path; its platform adds those in JSON."""

    def add_routes(self, app: web.Application) -> None:
        """Add the page, after what a platform has added."""
        app.router.add_get("/{path:.*}", self.page)

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Show the page that a person opens."""
        return desk_page(self.site, request)


def desk_page(
    site: Site,
    request: web.Request,
    frame: str = "",
    *,
    state: object = None,
    search: tuple[str, object] | None = None,
) -> web.Response:
    """Return the page a person opens, or that there is none.

    `state` is the JSON that it is made of, `search` what its script posts, and where.
    """
    form = site.form_of(request)
    if form is None:
        return missing_page(site)
    shown = {"frame": frame, "state": state, "search": search, "prefix": "", "path": request.path}
    return render_page(site, "doctolib/desk.html", form=form, **shown)


def missing() -> web.Response:
    """Return that there is no such thing, in JSON."""
    return as_json({"error": "not found"}, 404)


def moments(site: Site, plannings: Iterable[Planning]) -> list[datetime]:
    """Return the open hours of some places, on the clock of Paris, the earliest first."""
    slots = sorted(slot for planning in plannings for slot in site.agenda.slots(planning))
    return [datetime.fromtimestamp(slot, PARIS) for slot in slots]


def moments_on(site: Site, plannings: Iterable[Planning], days: list[date]) -> list[datetime]:
    """Return the open hours of some places on these days."""
    return [moment for moment in moments(site, plannings) if moment.date() in days]


def lacking(body: Body, **wanted: object) -> str:
    """Say which key of a JSON body is not there or is not what is wanted (None: anything); empty where all are."""
    wrong = (
        key for key, value in wanted.items() if key not in body or (value is not None and body[key] != value)
    )
    return next(wrong, "")


def days_from(first: date, number: int) -> list[date]:
    """Return so many days."""
    return [first + timedelta(days=ahead) for ahead in range(number)]


def with_offset(moment: datetime) -> str:
    """Write an instant as Doctolib and Keldoc do: `2026-11-24T09:00:00.000+01:00`."""
    return moment.isoformat(timespec="milliseconds")
