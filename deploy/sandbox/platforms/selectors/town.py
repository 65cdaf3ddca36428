"""A town's own booking page, which no known software serves: a cookie banner, a drop-down, pages of free hours.

It is ours from top to bottom: what stands for the many sites that nobody has described.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import PARIS, WEEKDAYS
from deploy.sandbox.sites.pages import Pages, missing_page, redirect, render_page

if TYPE_CHECKING:
    from aiohttp import web


_COOKIE: Final = "choix_cookies"
_PER_PAGE: Final = 3
_MONTHS: Final = tuple(
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
)


class Town(Pages):
    """The pages of the site."""

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
        there = self.site.agenda.slots(self.site.agenda.planning(form, int(chosen)))
        shown = [(slot, _in_words(slot)) for slot in there[_PER_PAGE * (page - 1) : _PER_PAGE * page]]
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


def _in_words(slot: int) -> str:
    at = datetime.fromtimestamp(slot, PARIS)
    return f"{WEEKDAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year} à {at.hour}h{at:%M}"
