"""The public status: plain words for what health finds."""

from collections.abc import Callable
from functools import partial

import pytest
from flask import Flask
from redis import Redis

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import refuse
from api.pages.status.view_data import SERVICES
from configs.ground.redis import open_redis
from tests.clients import Browser

Find = Callable[..., None]


@pytest.fixture
def find(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Find:
    """Let health find these parts down: `find("workers")`."""

    def put(*down: str) -> None:
        def answer(_: Redis, name: str) -> str:
            refuse(["<b>x</b>"] if name in down else [])
            return "fine"

        names = {"database", "workers", "payments", *down}
        checks = [each._replace(ask=partial(answer, name=each.name)) for each in CHECKS if each.name in names]
        monkeypatch.setitem(app.extensions, "health", HealthChecks(open_redis(), checks))

    return put


def test_all_works(find: Find, browse: Callable[..., Browser]) -> None:
    find()
    page = browse().get("/statut")
    assert "Tout fonctionne." in page.text
    assert page.text.count("Fonctionne") == len(SERVICES)
    assert "Everything works." in browse("en").get("/statut").text
    assert "كل شيء يعمل" in browse("ar").get("/statut").text


def test_what_is_down_is_said_in_words_and_escaped(find: Find, visitor: Browser) -> None:
    find("workers", "payments")
    page = visitor.get("/statut")
    assert visitor.status == 200
    assert "Une partie essentielle est en panne" in page.text
    assert "Perturbé" in page.text
    assert "&lt;b&gt;x&lt;/b&gt;" in page.html


def test_a_minor_part_keeps_alerts_going(find: Find, visitor: Browser) -> None:
    find("payments")
    assert "Les alertes partent." in visitor.get("/statut").text


def test_the_open_page_asks_for_the_same_part(find: Find, visitor: Browser) -> None:
    find("payments")
    visitor.get("/statut?lang=en")
    answer = visitor.client.get("/statut/en-direct?lang=en")
    assert "Alerts are sent." in (answer.json or {})["parts"]["state"]
    assert answer.headers["Cache-Control"] == "public, max-age=5"


def test_without_redis_and_database_it_still_answers(
    make_app: Callable[[], Flask], settings_env: Callable[..., None]
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    made = make_app()
    page = Browser(made).get("/statut")
    assert "En panne" in page.text
