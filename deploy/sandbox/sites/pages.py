"""Answers of the sites: HTML, JSON, redirects, open hours."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import PARIS
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.platforms import Planning
    from deploy.sandbox.sites.site import Site

HTML: Final = {"Content-Type": "text/html; charset=utf-8"}


def html(site: Site, body: str, status: int = 200) -> web.Response:
    """Return an HTML answer with the site's headers."""
    headers = site.platform.headers | HTML
    return web.Response(body=body.encode(), status=status, headers=headers)


def render_page(site: Site, template: str, status: int = 200, /, **values: object) -> web.Response:
    """Return a template of the site filled in."""
    return html(site, render(template, site=site.about, **values), status)


def redirect(site: Site, location: str) -> web.Response:
    """Return a redirect (302) with the site's headers."""
    return web.Response(status=302, headers=site.platform.headers | {"Location": location})


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


def days_from(first: date, number: int) -> list[date]:
    """Return so many days."""
    return [first + timedelta(days=ahead) for ahead in range(number)]
