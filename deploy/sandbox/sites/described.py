"""Platforms that are described by their files alone: routes, and what they answer, in JSON or by pages.

An answer is ``json``, a ``page`` of templates/ (filled in with all that expressions know, and ``values``), a
``text``, compressed, or a ``redirect``; it may set ``cookies``, and ``keep`` how far a ``session`` is in the form. One
that ``reserves`` is counted; by its unix seconds a slot is taken.

In a shape, a text that begins with ``=`` is an expression of Jinja; a mapping with ``for`` makes a list, or with
``key`` another mapping; one with ``if`` and ``then`` chooses; a key that ends with ``?`` is left out where its value is
null.

Expressions know the request (``query``, ``path``, ``headers``, ``cookies``, ``body``, ``port``), ``mode`` and its
``parameters``, ``site``, ``form``, ``hours_of`` a place, and what their route names in ``with``. There ``places``
(numbers as texts) and ``days`` choose the hours that are ``free`` at these places, ``here`` on these days, and
``later``.
"""

from __future__ import annotations

import json
import logging
import secrets
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from jinja2 import Environment, StrictUndefined

from deploy.sandbox.addresses import department_host, platform_host
from deploy.sandbox.clock import PARIS, as_utc, now, today
from deploy.sandbox.modes import MODE
from deploy.sandbox.request_body import read_object
from deploy.sandbox.sites.pages import (
    as_json,
    days_from,
    missing,
    missing_page,
    moments,
    redirect,
    render_page,
)
from deploy.sandbox.sites.site import HOURS

if TYPE_CHECKING:
    from jinja2.environment import TemplateExpression

    from deploy.sandbox.platforms import Form
    from deploy.sandbox.sites.site import Site

Known = dict[str, Any]  # what expressions know
_KEPT: Final = 10_000  # visitors
log = logging.getLogger("sandbox")
_EXPRESSIONS: Final = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - JSON, no page
_EXPRESSIONS.globals.update(
    {
        "date": date.fromisoformat,
        "instant": datetime.fromisoformat,
        "days_from": days_from,
        "days_between": lambda first, last: days_from(first, (last - first).days + 1),
        "now": lambda: now().astimezone(PARIS),
        "parse": json.loads,
        "department_host": department_host,
        "platform_host": platform_host,
        "counter_hours": list(HOURS),
        "timedelta": timedelta,
    }
)
_EXPRESSIONS.filters.update(
    {
        "times": lambda hours: [each.time() for each in hours],
        "on": lambda hours, day: [each for each in hours if each.date() == day],
        "day": lambda moment: f"{moment:%d/%m/%Y}",
        "dates": lambda hours: list(dict.fromkeys(each.date() for each in hours)),
        # As Doctolib and Keldoc write an instant: `2026-11-24T09:00:00.000+01:00`.
        "offset": lambda moment: moment.isoformat(timespec="milliseconds"),
        "utc": as_utc,
    }
)


@cache
def _compile(expression: str) -> TemplateExpression:
    return _EXPRESSIONS.compile_expression(expression, undefined_to_none=False)


def evaluate(expression: str, known: Known) -> Any:
    """Return the value of an expression."""
    return _compile(expression)(**known)


def fill(shape: Any, known: Known) -> Any:
    """Return the JSON of a shape."""
    if isinstance(shape, str):
        return evaluate(shape[1:], known) if shape.startswith("=") else shape
    if isinstance(shape, list):
        return [fill(each, known) for each in shape]
    return _fill_mapping(shape, known) if isinstance(shape, dict) else shape


def _fill_mapping(shape: Known, known: Known) -> Any:
    if "for" in shape:
        name, _, expression = shape["for"].partition(" in ")
        rows = evaluate(expression, known) if evaluate(shape.get("if", "true"), known) else ()
        made = [
            (fill(shape.get("key"), row), fill(shape["make"], row))
            for row in ({**known, name: x} for x in rows)
        ]
        return dict(made) if "key" in shape else [each for _, each in made]
    if "then" in shape:
        return fill(shape["then" if evaluate(shape["if"], known) else "else"], known)
    filled = {key: fill(value, known) for key, value in shape.items()}
    kept = {key: each for key, each in filled.items() if not (key.endswith("?") and each is None)}
    return {str(fill(key.removesuffix("?"), known)): each for key, each in kept.items()}


def find_wrong(wanted: dict[str, Any], body: dict[str, Any]) -> str:
    """Return the first key of a body that is not there or not as wanted (None: anything); empty where all are."""
    for key, want in wanted.items():
        if key not in body or not _fits(want, body[key]):
            return key
    return ""


def _fits(want: Any, given: Any) -> bool:
    if isinstance(want, dict):
        return isinstance(given, dict) and not find_wrong(want, given)
    if isinstance(want, list):
        return isinstance(given, list) and len(want) == len(given) and all(map(_fits, want, given))
    return want is None or bool(want == given)


class DescribedPages:
    """One site's answers, and the page that a person opens, whatever its path; none where ``template`` is null."""

    def __init__(self, site: Site, about: Known) -> None:
        self.site, self.about = site, about
        self.template = about.get("template", "site/json_desk")
        # By cookie: the visitors, each with how far it is, by form; the oldest is forgotten, as real sessions end.
        self.sessions: dict[str, dict[int, Known]] = {}
        site.forget.append(self.sessions.clear)

    def add_routes(self, app: web.Application) -> None:
        """Add its answers, then the page."""
        for route in self.about.get("routes", ()):
            method = next(each for each in ("post", "get", "any") if each in route)
            for path in [route[method]] if isinstance(route[method], str) else route[method]:
                app.router.add_route("*" if method == "any" else method, path, partial(self._answer, route))
        if self.template:
            app.router.add_get("/{path:.*}", self._page)
        else:
            app.router.add_route("*", "/{path:.*}", self._missing)

    async def _missing(self, _request: web.Request) -> web.StreamResponse:
        return missing_page(self.site)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        known = self._gather(request)
        if known["form"] is None:
            return missing_page(self.site)
        shown = {name: fill(self.about.get(name), known) for name in ("state", "search")}
        return render_page(
            self.site, self.template, **shown, form=known["form"], prefix="", path=request.path
        )

    async def _answer(self, route: Known, request: web.Request) -> web.StreamResponse:
        known = self._gather(request) | {"body": await _read_sent(request)}
        is_there = known["form"] is not None or not route.get("form", True)
        if not is_there or not evaluate(route.get("if", "true"), known):
            return missing() if self.template else missing_page(self.site)
        if wrong := find_wrong(fill(route.get("body", {}), known), known["body"]):
            return as_json(fill(route["wrong"], known | {"wrong": wrong}), 400)
        for name, expression in route.get("with", {}).items():
            known[name] = evaluate(expression, known)
            if name in ("places", "days"):
                self._read_hours(known)
        chosen = next(
            each for each in route.get("answers", [route]) if evaluate(str(each.get("if", "true")), known)
        )
        if reserved := evaluate(str({**route, **chosen}.get("reserves", "false")), known):
            self._reserve(request, known["form"], reserved)
        if "keep" in chosen:
            known["session"][known["form"].number] = fill(chosen["keep"], known)
        made = self._make(route, chosen, known)
        for name, value in chosen.get("cookies", {}).items():
            made.set_cookie(name, fill(value, known), path="/")
        return made

    def _reserve(self, request: web.Request, form: Form | None, slot: int) -> None:
        self.site.reservations += 1
        log.error("A SLOT WAS TAKEN: %s %s reserves one", self.site.about.name, request.path)
        for planning in form.plannings if form else ():
            self.site.agenda.take(planning, [slot])

    def _make(self, route: Known, chosen: Known, known: Known) -> web.Response:
        if "redirect" in chosen:
            return redirect(self.site, fill(chosen["redirect"], known))
        if "page" in chosen:
            told = [each.get("values", {}) for each in (self.about, route, chosen)]
            values = fill({**told[0], **told[1], **told[2]}, known)
            shown = {name: each for name, each in known.items() if name != "site"} | values
            made = render_page(self.site, chosen["page"], chosen.get("status", 200), **shown)
            made.content_type = chosen.get("type", "text/html")
            return made
        if "text" in chosen:
            made = web.Response(text=chosen["text"], headers=self.site.platform.headers)
            made.enable_compression()
            return made
        return as_json(fill(chosen["json"], known), chosen.get("status", 200), **self.site.platform.headers)

    def _gather(self, request: web.Request) -> Known:
        form, mode = self.site.form_of(request), request[MODE]
        known: Known = {
            "query": request.query, "path": request.match_info, "headers": request.headers, "cookies": request.cookies,
            "mode": mode.name, "parameters": mode.parameters, "port": request.url.port, "form": form,
            "site": self.site.about, "today": today(), "sessions": self.sessions, "new_session": self._open_session,
            "method": request.method, "hours_of": lambda place: moments(self.site, [place]),
            "places": None, "days": None,
        }  # fmt: skip
        self._read_hours(known)
        return known

    def _read_hours(self, known: Known) -> None:
        """Read the open hours of the places and days that are asked for."""
        plannings = known["form"].plannings if known["form"] else ()
        asked = [each for each in plannings if known["places"] is None or str(each.number) in known["places"]]
        known["free"] = free = moments(self.site, asked)
        if known["days"]:
            known["here"] = [each for each in free if each.date() in known["days"]]
            known["later"] = [each for each in free if each.date() > known["days"][-1]]

    def _open_session(self) -> str:
        key = secrets.token_hex(20)
        self.sessions[key] = {}
        if len(self.sessions) > _KEPT:
            del self.sessions[next(iter(self.sessions))]
        return key


async def _read_sent(request: web.Request) -> Known:
    """Return the fields of a form, the lines of a text by their names, or a JSON object."""
    if request.content_type == "application/x-www-form-urlencoded":
        return dict(await request.post())
    if request.content_type == "text/plain":
        return dict(line.split("=", 1) for line in (await request.text()).splitlines() if "=" in line)
    return await read_object(request)
