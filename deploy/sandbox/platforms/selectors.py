"""A town's own booking page, which no known software serves: a cookie banner, a drop-down, pages of free hours.

It is ours from top to bottom: what stands for the many sites that nobody has described.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.clock import WEEKDAYS
from deploy.sandbox.platform import StandInPlatform
from deploy.sandbox.sites.pages import Pages, moments, redirect, render_page

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from deploy.sandbox.platform import Form

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
        app.router.add_get(form, self.for_form(self._choice))
        app.router.add_post(f"{form}/cookies", self._cookies)
        app.router.add_get(f"{form}/creneaux", self.for_form(self._slots))
        app.router.add_get(f"{form}/reserver/{{slot:\\d+}}", self.for_form(self._reserve))
        super().add_routes(app)

    async def _choice(self, request: web.Request, form: Form) -> web.StreamResponse:
        return self._page("choice", form, agreed=_COOKIE in request.cookies)

    async def _cookies(self, request: web.Request) -> web.StreamResponse:
        answer = redirect(self.site, request.path.removesuffix("/cookies"))
        answer.set_cookie(_COOKIE, str((await request.post()).get("choix", "")), path="/")
        return answer

    async def _slots(self, request: web.Request, form: Form) -> web.StreamResponse:
        """Show the hours of what was chosen; without a cookie, or without a choice, its page comes back."""
        chosen, page = request.query.get("motif", ""), int(request.query.get("page", "1"))
        if _COOKIE not in request.cookies or not chosen.isdecimal():
            return redirect(self.site, request.path.removesuffix("/creneaux"))
        there = moments(self.site, [self.site.agenda.planning(form, int(chosen))])
        here = there[_PER_PAGE * (page - 1) : _PER_PAGE * page]
        shown = [(int(slot.timestamp()), _in_words(slot)) for slot in here]
        more = len(there) > _PER_PAGE * page
        onward = f"{request.path}?motif={chosen}&page={page + 1}" if more else None
        return self._page("slots", form, slots=shown, next_page=onward)

    async def _reserve(self, _request: web.Request, form: Form) -> web.StreamResponse:
        self.site.counters.reservations += 1
        return self._page("choice", form, agreed=True)

    def _page(self, name: str, form: Form, **values: object) -> web.Response:
        base = f"/rdv/{form.number}"
        return render_page(self.site, f"selectors/{name}", form=form, base=base, **values)


def _in_words(at: datetime) -> str:
    return f"{WEEKDAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year} à {at.hour}h{at:%M}"


PLATFORM: Final = StandInPlatform(add_routes=Town.add_to)
