"""The control API of a booking site: open and take slots, change its mode, see what it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.clock import as_paris
from deploy.sandbox.control_error import Refusal
from deploy.sandbox.request_body import Body, moments, read_body, text, whole_number
from deploy.sandbox.sites.site import Site

if TYPE_CHECKING:
    from deploy.sandbox.stand_in_types import Form

PREFIX: Final = "/_control"
Action = Callable[[Site, Body], dict[str, object]]
_OPEN_KEYS: Final = frozenset({"form", "planning", "at", "count"})
_TAKE_KEYS: Final = frozenset({"form", "planning", "at"})


def _form(site: Site, body: Body) -> Form:
    number = whole_number(body, "form")
    if number is None:
        raise Refusal("form is missing: say which page", known=site.agenda.forms)
    return site.agenda.form(number)


def open_slots(site: Site, body: Body) -> dict[str, object]:
    """Open the instants ``at``, or ``count`` (1) counter hours, in a planning (the form's first)."""
    form = _form(site, body)
    planning = site.agenda.planning(form, whole_number(body, "planning"))
    at = moments(body, "at")
    count = whole_number(body, "count", least=1)
    if at is not None and count is not None:
        raise Refusal("give either at or count, not both")
    opened = site.agenda.open_some(planning, count or 1) if at is None else site.agenda.open_at(planning, at)
    return {"slots": [as_paris(slot) for slot in opened]}


def take_slots(site: Site, body: Body) -> dict[str, object]:
    """Take the instants ``at``, all when it is absent, of one planning or of all of the form's."""
    form = _form(site, body)
    number = whole_number(body, "planning")
    plannings = form.plannings if number is None else (site.agenda.planning(form, number),)
    at = moments(body, "at")
    taken = sorted(slot for planning in plannings for slot in site.agenda.take(planning, at))
    return {"slots": [as_paris(slot) for slot in taken]}


def set_mode(site: Site, body: Body) -> dict[str, object]:
    """Set ``mode`` with its parameters, for one ``form`` or the site, for ``count`` requests or for good."""
    name = text(body, "mode")
    if name is None:
        raise Refusal('mode is missing: send {"mode": "normal"} or another')
    parameters = {key: value for key, value in body.items() if key not in {"mode", "form", "count"}}
    mode = site.make_mode(name, parameters, whole_number(body, "count", least=1))
    site.set_mode(mode, whole_number(body, "form"))
    return mode.to_json()


def reset(site: Site, _body: Body) -> dict[str, object]:
    """Take everything, forget everything, answer normally again."""
    site.reset()
    return site.to_json()


ACTIONS: Final[dict[str, tuple[Action, frozenset[str] | None]]] = {
    "open": (open_slots, _OPEN_KEYS),
    "take": (take_slots, _TAKE_KEYS),
    "mode": (set_mode, None),
    "reset": (reset, frozenset()),
}


def _action(name: str) -> tuple[Action, frozenset[str] | None]:
    if name not in ACTIONS:
        raise Refusal(f"no such action {name!r}", known=ACTIONS, status=404)
    return ACTIONS[name]


async def act(site: Site, name: str, request: web.Request) -> web.Response:
    """Carry out the action ``name`` with the request's body."""
    action, keys = _action(name)
    return web.json_response(action(site, await read_body(request, keys)))


def add_routes(app: web.Application, site: Site) -> None:
    """Add ``/_control`` and what is under it."""

    async def state(_request: web.Request) -> web.Response:
        return web.json_response(site.to_json())

    async def requests(_request: web.Request) -> web.Response:
        return web.json_response([asdict(seen) for seen in site.requests])

    app.router.add_get(PREFIX, state)
    app.router.add_get(f"{PREFIX}/requests", requests)
    app.router.add_post(f"{PREFIX}/{{action}}", _posted(site))


def _posted(site: Site) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def posted(request: web.Request) -> web.Response:
        return await act(site, request.match_info["action"], request)

    return posted
