"""A town's page that is empty until its script has run: a banner over it, a drop-down, hours fetched as JSON.

It is ours from top to bottom: what stands for the sites that nobody can read without a browser. Its sentence for no
hours stands in the page from the start, hidden, as such pages have it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import PARIS
from deploy.sandbox.refusal import Refusal
from deploy.sandbox.sites.pages import html
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from deploy.sandbox.sites.site import Site
    from deploy.sandbox.stand_ins import Form

_PIXEL: Final = b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"


class Calendar:
    """The page and what its script asks for."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def add_routes(self, app: web.Application) -> None:
        """Add them; what is none is missing."""
        form = "/calendrier/{form:\\d+}"
        app.router.add_get(form, self._shell)
        app.router.add_get(f"{form}/motifs", self._reasons)
        app.router.add_get(f"{form}/creneaux", self._slots)
        app.router.add_post(f"{form}/reserver", self._reserve)
        app.router.add_get("/blason.svg", self._image)
        app.router.add_route("*", "/{path:.*}", self._missing)

    async def _shell(self, request: web.Request) -> web.StreamResponse:
        form = self._form(request)
        if form is None:
            return self._not_found()
        return html(
            self.site, render("selectors/rendered.html", site=self.site.about, form=form, base=request.path)
        )

    async def _reasons(self, request: web.Request) -> web.StreamResponse:
        form = self._form(request)
        if form is None:
            return self._not_found()
        return self._json([{"id": each.number, "libelle": each.label} for each in form.plannings])

    async def _slots(self, request: web.Request) -> web.StreamResponse:
        form, chosen = self._form(request), request.query.get("motif", "")
        if form is None or not chosen.isdecimal():
            return self._not_found()
        self.site.counters.calendars += 1
        there = self.site.agenda.slots(self.site.agenda.planning(form, int(chosen)))
        return self._json([datetime.fromtimestamp(slot, PARIS).isoformat() for slot in there])

    async def _reserve(self, _request: web.Request) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return self._json({"reserve": True})

    async def _image(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=_PIXEL, content_type="image/svg+xml", headers=self.site.headers())

    def _form(self, request: web.Request) -> Form | None:
        try:
            return self.site.agenda.form(int(request.match_info["form"]))
        except Refusal:
            return None

    def _json(self, value: object) -> web.Response:
        return web.json_response(value, headers=self.site.headers())

    async def _missing(self, _request: web.Request) -> web.StreamResponse:
        return self._not_found()

    def _not_found(self) -> web.Response:
        return html(self.site, render("missing.html", site=self.site.about, prefix=""), status=404)
