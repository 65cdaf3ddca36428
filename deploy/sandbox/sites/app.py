"""The web application of one booking site: the platform's pages, its failure modes, and its control API.

The control API opens and takes slots, changes the mode, and shows what the site was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import as_paris, as_utc, now
from deploy.sandbox.modes import MODE, Mode
from deploy.sandbox.request_body import (
    Body,
    Handler,
    Refusal,
    moments,
    read_body,
    refusals,
    whole_number,
)
from deploy.sandbox.sites.failure_modes import answer
from deploy.sandbox.sites.site import SeenRequest, Site

if TYPE_CHECKING:
    from deploy.sandbox.platform import Form

_CONTROL: Final = "/_control"
Action = Callable[[Site, Body], dict[str, object]]


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

    app = web.Application(middlewares=[refusals, dispatch])
    app.router.add_get(_CONTROL, state)
    app.router.add_get(f"{_CONTROL}/requests", requests)
    app.router.add_post(f"{_CONTROL}/{{action}}", partial(act, site))
    site.platform.add_routes(app, site)
    return app


async def _visited(site: Site, request: web.Request, handler: Handler) -> web.StreamResponse:
    site.counters.requests += 1
    # Noted before the answer, which may never come (hang, reset).
    seen = SeenRequest(as_utc(now()), request.method, request.path_qs)
    site.requests.append(seen)
    mode = site.modes.met_by(site.platform.form_asked(request))
    if mode.name == "ban" and not site.ban.refuses(mode, now().timestamp()):
        mode = Mode()
    request[MODE] = mode
    response = await answer(mode, request, site, handler)
    seen.status = response.status
    return response


def _form(site: Site, body: Body) -> Form:
    number = whole_number(body, "form")
    if number is None:
        raise Refusal("form is missing: say which page", known=site.agenda.forms)
    return site.agenda.form(number)


def _open_slots(site: Site, body: Body) -> dict[str, object]:
    """Open the instants ``at``, or ``count`` (1) counter hours, in a planning (the form's first)."""
    form = _form(site, body)
    planning = site.agenda.planning(form, whole_number(body, "planning"))
    at = moments(body, "at")
    count = whole_number(body, "count", least=1)
    if at is not None and count is not None:
        raise Refusal("give either at or count, not both")
    opened = site.agenda.open_some(planning, count or 1) if at is None else site.agenda.open_at(planning, at)
    return {"slots": [as_paris(slot) for slot in opened]}


def _take_slots(site: Site, body: Body) -> dict[str, object]:
    """Take the instants ``at``, all when it is absent, of one planning or of all of the form's."""
    form = _form(site, body)
    number = whole_number(body, "planning")
    plannings = form.plannings if number is None else (site.agenda.planning(form, number),)
    at = moments(body, "at")
    taken = sorted(slot for planning in plannings for slot in site.agenda.take(planning, at))
    return {"slots": [as_paris(slot) for slot in taken]}


def _set_mode(site: Site, body: Body) -> dict[str, object]:
    """Set ``mode`` with its parameters, for one ``form`` or the site, for ``count`` requests or for good."""
    told = {key: each for key, each in body.items() if key != "form"}
    return site.set_mode(told, whole_number(body, "form")).to_json()


def _reset(site: Site, _body: Body) -> dict[str, object]:
    """Take everything, forget everything, answer normally again."""
    site.reset()
    return site.to_json()


# Each with the keys of its body; None: any.
_ACTIONS: Final[dict[str, tuple[Action, frozenset[str] | None]]] = {
    "open": (_open_slots, frozenset({"form", "planning", "at", "count"})),
    "take": (_take_slots, frozenset({"form", "planning", "at"})),
    "mode": (_set_mode, None),
    "reset": (_reset, frozenset()),
}


async def act(site: Site, request: web.Request) -> web.Response:
    """Carry out the action that an address names, with the request's body."""
    name = request.match_info["action"]
    if name not in _ACTIONS:
        raise Refusal(f"no such action {name!r}", known=_ACTIONS, status=404)
    action, keys = _ACTIONS[name]
    return web.json_response(action(site, await read_body(request, keys)))
