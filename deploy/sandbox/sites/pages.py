"""Pages of a booking site: rendering, redirects, and what all sites share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from deploy.sandbox.sites.site import Site


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
    return render_page(site, "missing.html", 404, prefix="")


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

    async def missing(self, _request: web.Request) -> web.StreamResponse:
        """Answer that there is no such page."""
        return missing_page(self.site)
