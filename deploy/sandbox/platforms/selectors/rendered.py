"""A town's page that is empty until its script has run: a banner over it, a drop-down, hours fetched as JSON.

It is ours from top to bottom: what stands for the sites that nobody can read without a browser. Its sentence for no
hours stands in the page from the start, hidden, as such pages have it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from aiohttp import web

from deploy.sandbox.clock import PARIS
from deploy.sandbox.sites.pages import Pages, missing_page, render_page

_PIXEL: Final = b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"


class Rendered(Pages):
    """The page and what its script asks for."""

    def add_routes(self, app: web.Application) -> None:
        """Add them; what is none is missing."""
        form = "/calendrier/{form:\\d+}"
        app.router.add_get(form, self._shell)
        app.router.add_get(f"{form}/motifs", self._reasons)
        app.router.add_get(f"{form}/creneaux", self._slots)
        app.router.add_post(f"{form}/reserver", self._reserve)
        app.router.add_get("/blason.svg", self._image)
        super().add_routes(app)

    async def _shell(self, request: web.Request) -> web.StreamResponse:
        form = self.site.form_of(request)
        if form is None:
            return missing_page(self.site)
        return render_page(self.site, "selectors/rendered.html", form=form, base=request.path)

    async def _reasons(self, request: web.Request) -> web.StreamResponse:
        form = self.site.form_of(request)
        if form is None:
            return missing_page(self.site)
        return self._json([{"id": each.number, "libelle": each.label} for each in form.plannings])

    async def _slots(self, request: web.Request) -> web.StreamResponse:
        form, chosen = self.site.form_of(request), request.query.get("motif", "")
        if form is None or not chosen.isdecimal():
            return missing_page(self.site)
        there = self.site.agenda.slots(self.site.agenda.planning(form, int(chosen)))
        return self._json([datetime.fromtimestamp(slot, PARIS).isoformat() for slot in there])

    async def _reserve(self, _request: web.Request) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return self._json({"reserve": True})

    async def _image(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=_PIXEL, content_type="image/svg+xml", headers=self.site.headers())

    def _json(self, value: object) -> web.Response:
        return web.json_response(value, headers=self.site.headers())
