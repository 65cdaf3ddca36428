"""Answers in JSON, and the open hours of places by days."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from aiohttp import web

from deploy.sandbox.clock import PARIS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.sandbox.sites.site import Site
    from deploy.sandbox.stand_in_types import Planning


def as_json(body: object, status: int = 200) -> web.Response:
    """Return an answer in JSON."""
    return web.json_response(body, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))


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
