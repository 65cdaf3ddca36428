"""A prefecture's own site, which discovery walks: pages that link to where people book, and traps.

It is no booking software: its one form stands for the page "Prendre rendez-vous". Modes change what that page links.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from deploy.sandbox.addresses import department_host, platform_host
from deploy.sandbox.modes import MODE
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.pages import Pages, missing_page, redirect, render_page

BOOKING: Final = "/Demarches/Etrangers/Prendre-rendez-vous"
_SECTIONS: Final = (
    ("Demarches", "Démarches"),
    ("Demarches/Etrangers", "Étrangers en France"),
    ("Demarches/Permis-de-conduire", "Permis de conduire"),
    ("Actualites", "Actualités"),
    ("Publications", "Publications"),
)
_HUGE: Final = 4_000_000  # bytes; twice what our crawler reads
_ROBOTS: Final = "User-agent: *\nDisallow: /Interdit/\nCrawl-delay: 0.04\n"


class OwnSite(Pages):
    """The pages of the site."""

    def add_routes(self, app: web.Application) -> None:
        """Add them; a section that is none is missing."""
        app.router.add_get("/", self._home)
        app.router.add_get("/robots.txt", self._robots)
        app.router.add_get(BOOKING, self._booking)
        app.router.add_get("/Demarches/Vers-{there}", self._loop)
        app.router.add_get("/Actualites/page-{number:\\d+}", self._list)
        app.router.add_get("/Publications/Registre", self._huge)
        app.router.add_get("/Agenda/{year:\\d+}/{month:\\d+}", self._agenda)
        app.router.add_get("/{section:.+}", self._section)

    async def _home(self, _request: web.Request) -> web.StreamResponse:
        return self._page("home", title="Accueil", sections=_SECTIONS)

    async def _robots(self, _request: web.Request) -> web.StreamResponse:
        answer = web.Response(text=_ROBOTS, headers=self.site.headers())
        answer.enable_compression()
        return answer

    async def _booking(self, request: web.Request) -> web.StreamResponse:
        """Answer the booking links: known pages, one that no desk file lists, one at a search for the whole country."""
        mode, port = request[MODE].name, request.url.port
        form = f"http://{department_host('77')}:{port}/booking/create/48803"
        return self._page(
            "booking",
            title="Prendre rendez-vous",
            listed=[] if mode == "unlinked" else [(form, "Naturalisation : prendre rendez-vous")],
            unlisted=f"http://{platform_host('prefenligne', 1)}:{port}/rdvpref/reservation/demarche/991077/",
            town=f"http://{platform_host('custom', 1)}:{port}/rdv/992077",
        )

    async def _loop(self, request: web.Request) -> web.StreamResponse:
        """Send to and fro for ever."""
        there = request.match_info["there"]
        return redirect(self.site, f"/Demarches/Vers-{'la' if there == 'ici' else 'ici'}")

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """Lead on for ever."""
        number = int(request.match_info["number"])
        onward = [(f"Actualites/page-{number + ahead}", f"Page {number + ahead}") for ahead in (1, 2, 3)]
        return self._page("section", title=f"Actualités, page {number}", sections=onward)

    async def _agenda(self, request: web.Request) -> web.StreamResponse:
        year, month = int(request.match_info["year"]), int(request.match_info["month"])
        after = f"Agenda/{year + month // 12}/{month % 12 + 1}"
        return self._page("section", title="Agenda", sections=[(after, "Mois suivant")])

    async def _huge(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(
            headers={**self.site.headers(), "Content-Type": "text/html; charset=utf-8"}
        )
        await answer.prepare(request)
        for _ in range(_HUGE // 10_000):
            await answer.write(b"<p>arrete</p>" * 770)
            await asyncio.sleep(0)
        return answer

    async def _section(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["section"].strip("/")
        known = dict(_SECTIONS)
        if path == "Interdit/Guichet":
            return self._page("section", title="Interdit", sections=[])
        if path not in known:
            return missing_page(self.site)
        below = [each for each in _SECTIONS if each[0].startswith(f"{path}/")]
        return self._page(path.replace("/", "_").lower(), title=known[path], sections=below)

    def _page(self, name: str, **values: object) -> web.Response:
        there = {"demarches_etrangers", "actualites", "publications", "booking", "home"}
        template = name if name in there else "section"
        return render_page(self.site, f"own_site/{template}", prefix="", booking=BOOKING, **values)


PLATFORM: Final = StandInPlatform(
    add_routes=OwnSite.add_to, form_asked=lambda request: 995077 if request.path == BOOKING else None
)
