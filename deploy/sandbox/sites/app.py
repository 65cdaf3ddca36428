"""The web application of one booking site: the platform's pages, its failure modes, and its control API.

The control API opens and takes slots, changes the mode, and shows what the site was asked.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Final

from aiohttp import web
from pydantic import AwareDatetime, PositiveInt

from deploy.sandbox.clock import as_paris, as_utc, now
from deploy.sandbox.modes import MODE, ModeBody
from deploy.sandbox.request_body import Body, Handler, Refusal, read_body, refusals
from deploy.sandbox.sites.pages import answer
from deploy.sandbox.sites.site import SeenRequest, Site

_CONTROL: Final = "/_control"


def make_site_app(site: Site) -> web.Application:
    """Build the application of a site."""

    @web.middleware
    async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_control = request.path.startswith(_CONTROL)
        return await (handler(request) if is_control else _visited(site, request, handler))

    async def state(_request: web.Request) -> web.Response:
        return web.json_response(site.to_json())

    async def requests(_request: web.Request) -> web.Response:
        return web.json_response([asdict(seen) for seen in site.requests])

    async def control(request: web.Request) -> web.Response:
        return web.json_response(await act(site, request))

    app = web.Application(middlewares=[refusals, dispatch])
    app.router.add_get(_CONTROL, state)
    app.router.add_get(f"{_CONTROL}/requests", requests)
    app.router.add_post(f"{_CONTROL}/{{action}}", control)
    site.platform.add_routes(app, site)
    return app


async def _visited(site: Site, request: web.Request, handler: Handler) -> web.StreamResponse:
    site.asked += 1
    # Noted before the answer, which may never come (hang, reset).
    seen = SeenRequest(as_utc(now()), request.method, request.path_qs)
    site.requests.append(seen)
    mode = site.modes.met_by(site.platform.form_asked(request))
    request[MODE] = mode
    response = await answer(mode, request, site, handler)
    seen.status = response.status
    return response


class _Slots(Body):
    """Slots: a planning, and their instants ``at``. Without a planning: the first to open at, all to take from."""

    form: int
    planning: int | None = None
    at: list[AwareDatetime] | AwareDatetime | None = None

    def moments(self) -> list[int] | None:
        """Return the instants in unix seconds."""
        at = [self.at] if isinstance(self.at, datetime) else self.at
        return None if at is None else [int(each.timestamp()) for each in at]


class _NewSlots(_Slots):
    """Slots to open: the instants ``at``, or ``count`` counter hours."""

    count: PositiveInt | None = None


def _open_slots(site: Site, body: _NewSlots) -> dict[str, object]:
    at, agenda = body.moments(), site.agenda
    planning = agenda.planning(agenda.form(body.form), body.planning)
    if at is not None and body.count is not None:
        raise Refusal("give either at or count, not both")
    opened = agenda.open_some(planning, body.count or 1) if at is None else agenda.open_at(planning, at)
    return {"slots": [as_paris(slot) for slot in opened]}


def _take_slots(site: Site, body: _Slots) -> dict[str, object]:
    form, at = site.agenda.form(body.form), body.moments()
    plannings = form.plannings if body.planning is None else (site.agenda.planning(form, body.planning),)
    taken = sorted(slot for planning in plannings for slot in site.agenda.take(planning, at))
    return {"slots": [as_paris(slot) for slot in taken]}


async def act(site: Site, request: web.Request) -> dict[str, object]:
    """Carry out the action that an address names, with the request's body; return its answer."""
    match request.match_info["action"]:
        case "open":
            return _open_slots(site, await read_body(request, _NewSlots))
        case "take":
            return _take_slots(site, await read_body(request, _Slots))
        case "mode":
            return site.set_mode(await read_body(request, ModeBody)).to_json()
        case "reset":
            site.reset()
            return site.to_json()
        case other:
            raise Refusal(f"no such action {other!r}", known=("open", "take", "mode", "reset"), status=404)
