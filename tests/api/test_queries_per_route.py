"""Every GET route has a bound on its statements, the same for one row as for many."""

import re
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api.alerts.service import close_alert
from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from tests.api.world import Person, match, see, statements, wait_for

# Statements of a signed-in request include one that reads its user (and login).
BOUNDS = {
    "/api/alerts": 7,
    "/api/alerts/{alert}": 8,
    "/api/auth/me": 3,
    "/api/detections": 5,
    "/api/detections/{detection}": 7,
    "/api/detections/stats": 2,
    "/api/docs": 0,
    "/api/health/live": 0,
    "/api/openapi.json": 0,
    "/api/prefectures": 2,
    "/api/prefectures/{prefecture}": 4,
    "/api/stats": 2,
}
# Health looks at every part of the product on connections of its own: tests/api/health/.
APART = {"/api/health", "/api/health/ready"}
UNKNOWN = 10  # of a route that is not listed, asked for an id that is not there
IDS = {
    "/api/alerts/<uuid:id>": "alert",
    "/api/detections/<uuid:id>": "detection",
    "/api/prefectures/<id>": "prefecture",
}


class World:
    """A person with so many alerts and detections, and the ids that paths name."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.ids: dict[str, UUID | str] = {"prefecture": "bobigny_93"}

    def grow(self, number: int) -> None:
        for _ in range(number):
            self.ids["alert"] = wait_for(self.person.id)
            self.ids["detection"], slots = see("2026-12-01", "2026-12-02")
            match(self.ids["alert"], self.ids["detection"], slots)  # type: ignore[arg-type]


@pytest.fixture
def world(person: Callable[..., Person]) -> World:
    made = World(person())
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
    assert answer.status_code == 200, answer.text
    return found


@pytest.mark.parametrize("path", BOUNDS)
def test_a_route_keeps_its_bound_however_many_rows_there_are(
    app: Flask, world: World, path: str, settings_env: Callable[..., None]
) -> None:
    settings_env(PUBLIC_DELAY_SECONDS="0", REDIS_URL="redis://127.0.0.1:1/0")  # nothing is kept
    few = count(app, world, path)
    world.grow(9)
    assert count(app, world, path) == few <= BOUNDS[path]


def test_every_route_has_a_bound(app: Flask, world: World) -> None:
    rules = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.rule.startswith("/api/")
    }
    listed = {re.sub(r"<.*>", f"{{{IDS.get(rule, '')}}}", rule): rule for rule in rules}
    assert set(BOUNDS) <= set(listed)
    for rule in (each for path, each in listed.items() if path not in BOUNDS and path not in APART):
        url = re.sub(r"<(\w+:)?\w+>", lambda found: str(uuid4()) if found[1] == "uuid:" else "1", rule)
        found, answer = ask(app, world, url)
        assert found <= UNKNOWN, rule
        assert answer.status_code < 500, rule


def test_a_closed_alert_costs_one_statement_more(app: Flask, world: World) -> None:
    before = count(app, world, "/api/alerts/{alert}")
    with session() as s:
        close_alert(s, s.get_one(Alert, world.ids["alert"]), ClosedBecause.FOUND)
    assert count(app, world, "/api/alerts/{alert}") == before + 1
