"""Pages that no known software serves: one of the old kind, and one that is empty until its script has run.

They are ours from top to bottom: what stands for the many sites that nobody has described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import WEEKDAYS
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.pages import Pages, missing_page, moments, redirect, render_page

if TYPE_CHECKING:
    from datetime import datetime

    from deploy.sandbox.sites.site import Site

_COOKIE: Final = "choix_cookies"
_PER_PAGE: Final = 3
_MONTHS: Final = tuple(
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
)
_PIXEL: Final = b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"


class Town(Pages):
    """A town's own booking page: a cookie banner, a drop-down, pages of free hours."""

    def add_routes(self, app: web.Application) -> None:
        """Add them; what is none is missing."""
        form = "/rdv/{form:\\d+}"
        app.router.add_get(form, self._choice)
        app.router.add_post(f"{form}/cookies", self._cookies)
        app.router.add_get(f"{form}/creneaux", self._slots)
        app.router.add_get(f"{form}/reserver/{{slot:\\d+}}", self._reserve)
        super().add_routes(app)

    async def _choice(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "choice", agreed=_COOKIE in request.cookies)

    async def _cookies(self, request: web.Request) -> web.StreamResponse:
        answer = redirect(self.site, request.path.removesuffix("/cookies"))
        answer.set_cookie(_COOKIE, str((await request.post()).get("choix", "")), path="/")
        return answer

    async def _slots(self, request: web.Request) -> web.StreamResponse:
        """Show the hours of what was chosen; without a cookie, or without a choice, its page comes back."""
        chosen, page = request.query.get("motif", ""), int(request.query.get("page", "1"))
        if _COOKIE not in request.cookies or not chosen.isdecimal():
            return redirect(self.site, request.path.removesuffix("/creneaux"))
        form = self.site.agenda.form(int(request.match_info["form"]))
        there = moments(self.site, [self.site.agenda.planning(form, int(chosen))])
        shown = [
            (int(slot.timestamp()), _in_words(slot))
            for slot in there[_PER_PAGE * (page - 1) : _PER_PAGE * page]
        ]
        more = len(there) > _PER_PAGE * page
        onward = f"{request.path}?motif={chosen}&page={page + 1}" if more else None
        return self._page(request, "slots", slots=shown, next_page=onward)

    async def _reserve(self, request: web.Request) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return self._page(request, "choice", agreed=True)

    def _page(self, request: web.Request, name: str, **values: object) -> web.Response:
        form = self.site.form_of(request)
        if form is None:
            return missing_page(self.site)
        return render_page(
            self.site, f"selectors/{name}.html", form=form, base=f"/rdv/{form.number}", **values
        )


def _in_words(at: datetime) -> str:
    return f"{WEEKDAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year} à {at.hour}h{at:%M}"


class Rendered(Pages):
    """A page that is empty until its script has run: a banner over it, a drop-down, hours fetched as JSON.

    Its sentence for no hours stands in the page from the start, hidden, as such pages have it.
    """

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
        there = moments(self.site, [self.site.agenda.planning(form, int(chosen))])
        return self._json([slot.isoformat() for slot in there])

    async def _reserve(self, _request: web.Request) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return self._json({"reserve": True})

    async def _image(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=_PIXEL, content_type="image/svg+xml", headers=self.site.headers())

    def _json(self, value: object) -> web.Response:
        return web.json_response(value, headers=self.site.headers())


def _add_routes(app: web.Application, site: Site) -> None:
    (Rendered if site.about.code == "rendered" else Town).add_to(app, site)


PLATFORM: Final = StandInPlatform(add_routes=_add_routes)
