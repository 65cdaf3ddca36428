"""Every GET route asks the database as often for many rows as for one."""

import re
from collections.abc import Callable
from functools import partial

import redis
from flask import Flask

from api import cache
from api.invoices.issuing import issue_due
from api.models.invoice import Invoice
from api.models.notification import State
from configs.ground.clock import clock
from tests.api.world import statements
from tests.clients import People, Person
from tests.factories import (
    add_alert,
    add_match,
    add_message,
    add_payment,
    rows,
    see,
)

# Health and status look at every part of the product, on connections of their own: tests/api/health/.
# An export is begun by the first request, and its file is in a store: tests/api/exports/.
APART = {
    "/api/health", "/api/health/ready", "/api/users/export", "/api/users/export/file",
}  # fmt: skip
# What a route must be asked.
QUERIES = {
    "quote": "?plan=URGENCE_TOTAL",
    **dict.fromkeys(("map", "calendar.ics", "outlook"), "?procedure=TITRE_SEJOUR"),
}


def grow(person: Person, number: int) -> dict[str, object]:
    """Write so many alerts, detections and payments; return the ids that paths name, of the last ones."""
    for _ in range(number):
        alert, (detection, slots) = add_alert(person.id), see("2026-12-01", "2026-12-02")
        told = {"state": State.FAILED, "reason": "refused", "failed_at": clock()}
        add_message(person.id, add_match(alert, detection, slots), **told)
        add_payment(person.id)
        issue_due(60)
    invoice = rows(Invoice)[0].id
    return {"prefectures": "bobigny_93", "alerts": alert, "detections": detection, "invoices": invoice}


def list_paths(app: Flask, ids: dict[str, object]) -> list[str]:
    """Return the address of each GET route of the API, with the id of the noun before it."""
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    served = [each for each in sorted(rules - APART) if each.startswith("/api/")]
    filled = [re.sub(r"(\w+)/<[^>]+>", lambda found: f"{found[1]}/{ids[found[1]]}", each) for each in served]
    return [f"{each}{QUERIES.get(each.rpartition('/')[2], '')}" for each in filled]


def ask(person: Person, url: str) -> None:
    answer = person.get(url)
    assert answer.status_code in (200, 202), answer.text  # 202: the file of an invoice is being made


def count_each(person: Person, ids: dict[str, object], redis_server: redis.Redis) -> dict[str, int]:
    """Return the number of statements of each route, none of which finds an answer that was kept."""
    found = {}
    for path in list_paths(person.app, ids):
        redis_server.flushdb()
        cache._open_cache.cache_clear()  # the process keeps answers, too
        found[re.sub(r"[\w-]{36}", "id", path)] = statements(partial(ask, person, path))
    return found


def test_routes_take_as_many_statements_however_many_rows_there_are(
    person: People, settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    camille = person()
    few = count_each(camille, grow(camille, 1), redis_server)
    assert len(few) > 25
    assert count_each(camille, grow(camille, 9), redis_server) == few
