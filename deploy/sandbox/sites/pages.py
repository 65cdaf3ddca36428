"""Base of the platforms' pages: HTML and JSON answers, redirects, visitors' sessions, open hours."""

from __future__ import annotations

import json
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiohttp import web

from deploy.sandbox.clock import PARIS
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.platform import Form, Planning
    from deploy.sandbox.request_body import Handler
    from deploy.sandbox.sites.site import Site

Page = Callable[[web.Request, "Form"], Awaitable[web.StreamResponse]]
_KEPT: Final = 10_000  # visitors; the longest unseen is forgotten, as a real site's sessions end


def html(site: Site, body: str | bytes, status: int = 200, **headers: str) -> web.Response:
    """Return an HTML answer with the site's headers; ``headers`` are written with underscores."""
    raw = body.encode() if isinstance(body, str) else body
    answer = web.Response(body=raw, status=status, headers=site.headers(**headers))
    answer.headers["Content-Type"] = "text/html; charset=utf-8"
    return answer


def render_page(site: Site, template: str, status: int = 200, /, **values: object) -> web.Response:
    """Return a template of the site filled in."""
    return html(site, render(template, site=site.about, **values), status)


def redirect(site: Site, location: str) -> web.Response:
    """Return a redirect (302) with the site's headers."""
    return web.Response(status=302, headers=site.headers(Location=location))


def missing_page(site: Site) -> web.Response:
    """Return that the site has no such page."""
    return render_page(site, "site/missing", 404, prefix="")


def as_json(body: object, status: int = 200, **headers: str) -> web.Response:
    """Return an answer in JSON."""
    text = json.dumps(body, ensure_ascii=False)
    return web.json_response(text=text, status=status, headers=headers)


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


def days_from(first: date, number: int) -> list[date]:
    """Return so many days."""
    return [first + timedelta(days=ahead) for ahead in range(number)]


class Pages:
    """The pages of one site: a platform adds its own, and all else is missing."""

    def __init__(self, site: Site) -> None:
        self.site = site

    @classmethod
    def add_to(cls, app: web.Application, site: Site, **about: Any) -> None:
        """Add a site's pages to its application; what a Platform wants as its ``add_routes``."""
        cls(site, **about).add_routes(app)

    def add_routes(self, app: web.Application) -> None:
        """Add what is left when a platform has added its own: nothing."""
        app.router.add_route("*", "/{path:.*}", self.missing)

    def for_form(self, page: Page) -> Handler:
        """Let a page answer for the forms of this site only."""

        async def answer(request: web.Request) -> web.StreamResponse:
            form = self.site.form_of(request)
            return await page(request, form) if form else await self.missing(request)

        return answer

    async def missing(self, _request: web.Request) -> web.StreamResponse:
        """Answer that there is no such page."""
        return missing_page(self.site)


@dataclass
class WizardProgress:
    """How far a visitor is in one form: the last step passed and the planning chosen."""

    passed: int = 0
    planning: int | None = None


@dataclass
class WizardSession:
    """One visitor: progress by form number; a form that is not in it is at its conditions."""

    key: str
    forms: dict[int, WizardProgress] = field(default_factory=dict)


class Sessions:
    """All visitors of one site by their cookie."""

    def __init__(self, cookie: str) -> None:
        self.cookie = cookie
        self._known: OrderedDict[str, WizardSession] = OrderedDict()

    def of(self, request: web.Request) -> WizardSession | None:
        """Return the visitor's session, or None when the cookie is missing or unknown."""
        key = request.cookies.get(self.cookie, "")
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def begin(self) -> WizardSession:
        """Start a session for a new visitor."""
        session = WizardSession(secrets.token_hex(16))
        self._known[session.key] = session
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return session

    def clear(self) -> None:
        """Forget every visitor."""
        self._known.clear()


class SessionPages(Pages):
    """The pages of a site that knows its visitors by a cookie, until it is reset."""

    cookie: ClassVar[str]

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.sessions = Sessions(self.cookie)
        site.forget.append(self.sessions.clear)
