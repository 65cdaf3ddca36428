"""Every GET route asks the database as often for many rows as for one."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import redis
from flask import Flask

from api import cache
from api.invoices.issuing import issue_due
from api.models.invoice import Invoice
from api.models.notification import State
from api.models.user import Role
from configs.ground.clock import clock
from tests.api.world import statements
from tests.clients import Answer, People, Person
from tests.factories import (
    BOBIGNY,
    add_alert,
    add_difference,
    add_match,
    add_message,
    add_payment,
    add_stripe_event,
    give_role,
    rows,
    see,
)

if TYPE_CHECKING:
    from uuid import UUID

PATHS = [
    "/api/alerts",
    "/api/alerts/{alert}",
    "/api/auth/logins",
    "/api/auth/me",
    "/api/billing/history",
    "/api/billing/invoices",
    "/api/billing/invoices/{invoice}",
    "/api/billing/plans",
    "/api/billing/quote?plan=URGENCE_TOTAL",
    "/api/billing/terms",
    "/api/calendar",
    "/api/detections",
    "/api/detections/{detection}",
    "/api/detections/stats",
    "/api/docs",
    "/api/health/live",
    "/api/openapi.json",
    "/api/notices",
    "/api/notifications",
    "/api/prefectures",
    "/api/prefectures/map?procedure=TITRE_SEJOUR",
    "/api/prefectures/{prefecture}",
    "/api/prefectures/{prefecture}/calendar.ics?procedure=TITRE_SEJOUR",
    "/api/prefectures/{prefecture}/outlook?procedure=TITRE_SEJOUR",
    "/api/reliability",
    "/api/stats",
    "/api/stats/answers",
    "/api/users/notifications",
    "/api/users/push-devices",
    "/api/users/telegram-link",
]
# Health and status look at every part of the product, on connections of their own: tests/api/health/.
# An export is begun by the first request, and its file is in a store: tests/api/exports/.
APART = {
    "/api/health", "/api/health/ready", "/api/users/export", "/api/users/export/file",
}  # fmt: skip


class World:
    """An operator with so many alerts and detections, and the ids that paths name."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.ids: dict[str, UUID | str] = {"prefecture": "bobigny_93", "desk": BOBIGNY, "user": person.id}

    def grow(self, number: int) -> None:
        for _ in range(number):
            alert = add_alert(self.person.id)
            detection, slots = see("2026-12-01", "2026-12-02")
            told = {"state": State.FAILED, "reason": "refused", "failed_at": clock()}
            add_message(self.person.id, add_match(alert, detection, slots), **told)
            payment = add_payment(self.person.id)
            add_stripe_event(str(payment))
            add_difference()
            issue_due(60)
            invoice = rows(Invoice)[0].id
            self.ids |= {"invoice": invoice} | {"alert": alert, "detection": detection, "payment": payment}


@pytest.fixture
def world(person: People) -> World:
    made = World(person())
    give_role(made.person.id, Role.ADMIN)
    made.grow(1)
    return made


def ask(app: Flask, world: World, url: str) -> tuple[int, Answer]:
    """Return the number of statements of a request, and its response."""
    answers: list[Answer] = []
    app.test_client()
    found = statements(lambda: answers.append(world.person.get(url)))
    return found, answers[0]


def count(app: Flask, world: World, path: str) -> int:
    found, answer = ask(app, world, path.format_map(world.ids))
    assert answer.status_code in (200, 202), answer.text  # 202: the file of an invoice is being made
    return found


def count_each(app: Flask, world: World, redis_server: redis.Redis) -> dict[str, int]:
    """Return the number of statements of each route, none of which finds an answer that was kept."""
    found = {}
    for path in PATHS:
        redis_server.flushdb()
        cache._open_cache.cache_clear()  # the process keeps answers, too
        found[path] = count(app, world, path)
    return found


def test_routes_take_as_many_statements_however_many_rows_there_are(
    app: Flask, world: World, settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    few = count_each(app, world, redis_server)
    world.grow(9)
    assert count_each(app, world, redis_server) == few


def test_every_route_is_counted(app: Flask) -> None:
    served = {
        re.sub(r"<[^>]+>(/<slug>)?", "{}", rule.rule)
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.rule.startswith("/api/")
    }
    assert (
        served
        == {re.sub(r"{\w+}|[?].*", lambda found: "{}" * (found[0][0] == "{"), path) for path in PATHS} | APART
    )
