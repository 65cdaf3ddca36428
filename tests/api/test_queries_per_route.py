"""Every GET route has a bound on its statements, the same for one row as for many."""

import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import redis
from flask import Flask
from werkzeug.test import TestResponse

from api import cache
from api.alerts.service import close_alert
from api.invoices.issuing import issue_due
from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.invoice import Invoice
from api.models.notification import Notification, NotificationMatch, Priority, State
from api.models.user import Channel, Role, User
from configs.clock import clock
from tests.api.world import (
    BOBIGNY,
    Person,
    add_difference,
    add_payment,
    add_stripe_event,
    match,
    rows,
    see,
    statements,
    wait_for,
)

# Statements of a signed-in request include one that reads its user and login. Those of operators write an audit row.
BOUNDS = {
    "/api/admin/alerts": 4,
    "/api/admin/alerts/{alert}": 7,
    "/api/admin/audit": 3,
    "/api/admin/checks": 3,
    "/api/admin/dead-letters": 3,
    "/api/admin/declarations": 3,
    "/api/admin/delivery": 4,
    "/api/admin/desks": 3,
    "/api/admin/desks/{desk}": 3,
    "/api/admin/detections": 5,
    "/api/admin/hosts": 4,
    "/api/admin/incidents": 3,
    "/api/admin/invoice-totals": 3,
    "/api/admin/invoice-totals.csv": 3,
    "/api/admin/job-runs": 3,
    "/api/admin/notifications": 3,
    "/api/admin/payment-differences": 3,
    "/api/admin/payments": 9,
    "/api/admin/payments/{payment}": 13,  # its refunds once more, with what operators wrote
    "/api/admin/queues": 3,
    "/api/admin/settings": 2,
    "/api/admin/stripe-events": 3,
    "/api/admin/users": 3,
    "/api/admin/users/{user}": 7,
    "/api/admin/users/{user}/grants": 4,
    "/api/alerts": 3,
    "/api/alerts/{alert}": 3,
    "/api/auth/logins": 2,
    "/api/auth/me": 3,
    "/api/billing/history": 8,
    "/api/billing/invoices": 2,
    "/api/billing/invoices/{invoice}": 2,
    "/api/billing/plans": 0,
    "/api/billing/quote?plan=URGENCE_TOTAL": 7,
    "/api/billing/terms": 0,
    "/api/calendar": 1,
    "/api/detections": 2,
    "/api/detections/{detection}": 3,
    "/api/detections/stats": 2,
    "/api/docs": 0,
    "/api/health/live": 0,
    "/api/openapi.json": 0,
    "/api/notices": 3,
    "/api/notifications": 6,
    "/api/prefectures": 1,
    "/api/prefectures/map?procedure=TITRE_SEJOUR": 1,
    "/api/prefectures/{prefecture}": 3,
    "/api/prefectures/{prefecture}/calendar.ics?procedure=TITRE_SEJOUR": 1,
    "/api/prefectures/{prefecture}/outlook?procedure=TITRE_SEJOUR": 7,
    "/api/reliability": 11,
    "/api/stats": 3,
    "/api/stats/answers": 2,
    "/api/users/notifications": 3,
    "/api/users/push-devices": 2,
    "/api/users/telegram-link": 3,
}
# Health and status look at every part of the product, on connections of their own: tests/api/health/.
# An export is begun by the first request, and its file is in a store: tests/api/exports/.
APART = {
    "/api/health", "/api/health/ready", "/api/admin/status", "/api/users/export", "/api/users/export/file",
}  # fmt: skip


class World:
    """An operator with so many alerts and detections, and the ids that paths name."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.ids: dict[str, UUID | str] = {"prefecture": "bobigny_93", "desk": BOBIGNY, "user": person.id}

    def grow(self, number: int) -> None:
        for _ in range(number):
            alert = wait_for(self.person.id)
            detection, slots = see("2026-12-01", "2026-12-02")
            notify(self.person, match(alert, detection, slots))
            payment = add_payment(self.person.id)
            add_stripe_event(str(payment))
            add_difference()
            issue_due(60)
            invoice = rows(Invoice)[0].id
            self.ids |= {"invoice": invoice} | {"alert": alert, "detection": detection, "payment": payment}


def notify(person: Person, match_id: UUID) -> None:
    now = clock()
    with session() as s:
        row = Notification(
            user_id=person.id, channel=Channel.EMAIL, kind="slot_detected", priority=Priority.CRITICAL,
            dedupe_key=str(match_id), state=State.FAILED, reason="refused", failed_at=now, next_attempt_at=now,
            next_nudge_at=now,
        )  # fmt: skip
        s.add(row)
        s.flush()
        s.add(NotificationMatch(notification_id=row.id, match_id=match_id))


@pytest.fixture
def world(person: Callable[..., Person]) -> World:
    made = World(person())
    with session() as s:
        user = s.get_one(User, made.person.id)
        user.role, user.totp_secret = Role.ADMIN, "secret"
        user.totp_confirmed_at = clock() - timedelta(days=1)
    made.grow(1)
    return made


def ask(app: Flask, world: World, url: str) -> tuple[int, TestResponse]:
    """Return the number of statements of a request, and its response."""
    answers: list[TestResponse] = []
    client = app.test_client()
    found = statements(lambda: answers.append(client.get(url, headers=world.person.headers)))
    return found, answers[0]


def count(app: Flask, world: World, path: str) -> int:
    found, answer = ask(app, world, path.format_map(world.ids))
    assert answer.status_code in (200, 202), answer.text  # 202: the file of an invoice is being made
    return found


def count_each(app: Flask, world: World, redis_server: redis.Redis) -> dict[str, int]:
    """Return the number of statements of each route, none of which finds an answer that was kept."""
    found = {}
    for path in BOUNDS:
        redis_server.flushdb()
        cache._open_cache.cache_clear()  # the process keeps answers, too
        found[path] = count(app, world, path)
    return found


def test_routes_keep_their_bounds_however_many_rows_there_are(
    app: Flask, world: World, settings_env: Callable[..., None], redis_server: redis.Redis
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0")
    few = count_each(app, world, redis_server)
    world.grow(9)
    assert count_each(app, world, redis_server) == few
    assert {path: each for path, each in few.items() if each > BOUNDS[path]} == {}


def test_every_route_has_a_bound(app: Flask) -> None:
    served = {
        re.sub(r"<[^>]+>(/<slug>)?", "{}", rule.rule)
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.rule.startswith("/api/")
    }
    assert (
        served
        == {re.sub(r"{\w+}|[?].*", lambda found: "{}" * (found[0][0] == "{"), path) for path in BOUNDS}
        | APART
    )


def test_a_closed_alert_costs_one_statement_more(app: Flask, world: World) -> None:
    before = count(app, world, "/api/alerts/{alert}")
    with session() as s:
        close_alert(s, s.get_one(Alert, world.ids["alert"]), ClosedBecause.FOUND)
    assert count(app, world, "/api/alerts/{alert}") == before + 1
