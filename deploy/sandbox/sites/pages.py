"""How a booking site sends a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from deploy.sandbox.sites.site import Site


def html(
    site: Site, body: str | bytes, status: int = 200, charset: str = "utf-8", **headers: str
) -> web.Response:
    """Return an HTML answer with the site's headers; ``headers`` are written with underscores."""
    raw = body.encode() if isinstance(body, str) else body
    answer = web.Response(body=raw, status=status, headers=site.headers(**headers))
    answer.headers["Content-Type"] = f"text/html; charset={charset}"
    return answer


def redirect(site: Site, location: str) -> web.Response:
    """Return a redirect (302) with the site's headers."""
    return web.Response(status=302, headers=site.headers(Location=location))
