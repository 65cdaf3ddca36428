"""RDV Service Public: a list of places with their next availability, then the weeks of one place.

Written from what its public code makes: addresses, sentences, moments as Rails writes them; all else is ours.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from deploy.sandbox.clock import WEEKDAYS, today
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.pages import Pages, as_json, days_from, moments, render_page

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.modes import Mode
    from deploy.sandbox.platform import Form, Planning
    from deploy.sandbox.sites.site import Site

_PATH: Final = "/prendre_rdv"
_DAYS: Final = 7
_MONTHS: Final = (
    "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."
)  # fmt: skip


class Search(Pages):
    """The pages of the site."""

    def add_routes(self, app: web.Application) -> None:
        """Add them; what is none is missing."""
        app.router.add_get(_PATH, self.for_form(self._search))
        app.router.add_get("/users/rdv_wizard_step/new", self._reserve)
        super().add_routes(app)

    async def _search(self, request: web.Request, form: Form) -> web.StreamResponse:
        """Show the list of places, the week of the one that was chosen, or that there is none."""
        if lieu := request.query.get("lieu_id"):
            return self._week(request, form, self.site.agenda.planning(form, int(lieu)))
        there = [(each, moments(self.site, [each])) for each in form.plannings]
        named = [(each, self._onward(request, each, free[0]), free[0]) for each, free in there if free]
        if not named:
            return self._page("none", form)
        return self._page("places", form, places=named)

    def _week(self, request: web.Request, form: Form, place: Planning) -> web.StreamResponse:
        first = _day(request.query.get("date")) or today()
        free = [each for each in moments(self.site, [place]) if first <= each.date()]
        days = days_from(first, _DAYS)
        later = next((each for each in free if each.date() > days[-1]), None)
        shown = [each for each in free if each.date() <= days[-1]]
        columns = [
            (day, [(each, _booking(place, each)) for each in shown if each.date() == day]) for day in days
        ]
        onward = (self._onward(request, place, later), later) if later and not shown else None
        following = _address(request, date=(days[-1] + timedelta(days=1)).isoformat())
        return self._page("week", form, place=place, columns=columns, onward=onward, following=following)

    def _onward(self, request: web.Request, place: Planning, moment: datetime) -> str:
        return _address(request, lieu_id=str(place.number), date=_rails(moment))

    async def _reserve(self, _request: web.Request) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return render_page(self.site, "rdv_service_public/none", form=None)

    def _page(self, name: str, form: Form, **values: object) -> web.Response:
        names = {"weekdays": WEEKDAYS, "months": _MONTHS}
        return render_page(self.site, f"rdv_service_public/{name}", form=form, **names, **values)


def _rails(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %z}"


def _address(request: web.Request, **more: str) -> str:
    return f"{_PATH}?{urlencode({**request.query, **more})}"


def _booking(place: Planning, moment: datetime) -> str:
    query = {"lieu_id": place.number, "motif_id": 1, "starts_at": _rails(moment)}
    return f"/users/rdv_wizard_step/new?{urlencode(query)}"


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


async def _unavailable(_mode: Mode, _request: web.Request, site: Site) -> web.StreamResponse:
    return render_page(site, "rdv_service_public/maintenance", 503)


async def _throttled(mode: Mode, _request: web.Request, _site: Site) -> web.StreamResponse:
    answer = as_json({"errors": ["Limite d'appels API atteinte. Merci de patienter."]}, 429)
    answer.headers["Retry-After"] = str(int(mode.number("retry_after")))
    return answer


PLATFORM: Final = StandInPlatform(
    add_routes=Search.add_to, instead={"maintenance": _unavailable, "rate_limited": _throttled}
)
