"""The web application of one booking site: the platform's pages, its control API, its failure modes."""

from __future__ import annotations

from aiohttp import web

from deploy.sandbox.clock import as_utc, now
from deploy.sandbox.modes import MODE, Mode
from deploy.sandbox.request_body import Handler, refusals
from deploy.sandbox.sites import control
from deploy.sandbox.sites.failure_modes import answer
from deploy.sandbox.sites.site import SeenRequest, Site


def make_site_app(site: Site) -> web.Application:
    """Build the application of a site."""

    @web.middleware
    async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(control.PREFIX):
            return await handler(request)
        return await _visited(site, request, handler)

    app = web.Application(middlewares=[refusals, dispatch])
    control.add_routes(app, site)
    site.platform.add_routes(app, site)
    return app


async def _visited(site: Site, request: web.Request, handler: Handler) -> web.StreamResponse:
    site.counters.requests += 1
    # Noted before the answer, which may never come (hang, reset).
    seen = SeenRequest(as_utc(now()), request.method, request.path_qs)
    site.requests.append(seen)
    response = await _answer_in_mode(site, request, handler)
    seen.status = response.status
    return response


async def _answer_in_mode(site: Site, request: web.Request, handler: Handler) -> web.StreamResponse:
    platform = site.platform
    mode = site.modes.met_by(platform.form_asked(request))
    if mode.name == "ban" and not site.ban.refuses(mode, now().timestamp()):
        mode = Mode()
    request[MODE] = mode
    return await answer(mode, request, site, handler)
