"""The web application of one booking site: the platform's pages, its control API, its bad days."""

from __future__ import annotations

from aiohttp import web

from deploy.sandbox.bodies import Handler, refusals
from deploy.sandbox.clock import as_utc, now
from deploy.sandbox.modes import Mode
from deploy.sandbox.sites import control
from deploy.sandbox.sites.ezbooking import MODE, EZBooking, form_asked, is_calendar
from deploy.sandbox.sites.misbehaviour import answer, refuse_banned
from deploy.sandbox.sites.site import Seen, Site


def make_site_app(site: Site) -> web.Application:
    """Build the application of a site."""

    @web.middleware
    async def met(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(control.PREFIX):
            return await handler(request)
        return await _visited(site, request, handler)

    app = web.Application(middlewares=[refusals, met])
    control.add_routes(app, site)
    EZBooking(site).add_routes(app)
    return app


async def _visited(site: Site, request: web.Request, handler: Handler) -> web.StreamResponse:
    site.counters.requests += 1
    # Noted before the answer, which may never come (hang, reset).
    seen = Seen(as_utc(now()), request.method, request.path_qs)
    site.requests.append(seen)
    response = await _answered(site, request, handler)
    seen.status = response.status
    return response


async def _answered(site: Site, request: web.Request, handler: Handler) -> web.StreamResponse:
    mode = site.modes.met_by(form_asked(request.path), calendar=is_calendar(request.path))
    if mode.name == "ban" and site.ban.refuses(mode, now().timestamp()):
        return await refuse_banned()
    request[MODE] = mode if mode.name != "ban" else Mode()
    return await answer(mode, request, site.department, handler)
