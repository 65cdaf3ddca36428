from collections import Counter

import pytest
import redis
import time_machine

from api import cache
from api.models.desk import DeskStatus
from configs.ground.clock import clock
from tests.clients import Browser, Page
from tests.factories import add_desk


@pytest.fixture(autouse=True)
def _no_cache(redis_server: redis.Redis, frozen: time_machine.Traveller) -> None:
    cache._open_cache.cache_clear()


def find_tile(page: Page, place: str) -> str:
    """Return the class of a department's tile."""
    return next(at["class"] for tag, at in page.tags if tag == "a" and at.get("tabindex") == "-1" and place in at["href"])  # fmt: skip


def test_the_map_shows_each_department_and_a_table_with_the_same(visitor: Browser) -> None:
    add_desk(status=DeskStatus.ACTIVE, last_check_at=clock(), last_proven_at=clock())
    page = visitor.get("/carte")
    assert (find_tile(page, "bobigny_93"), find_tile(page, "melun_77"), find_tile(page, "cergy_95")) == (
        "seen",
        "troubled",
        "unknown",
    )
    tags = Counter(tag for tag, _ in page.tags)
    assert (tags["text"], tags["tr"]) == (101, 102)
    assert "Créneaux surveillés" in page.text
    assert len(visitor.response.data) < 40_000


def test_the_filter_counts_only_desks_of_the_procedure(visitor: Browser) -> None:
    page = visitor.get("/carte?procedure=naturalisation")
    assert find_tile(page, "/departements/bobigny_93/naturalisation") == "captcha"
    assert find_tile(page, "melun_77") == "unknown"
    assert find_tile(visitor.get("/carte?procedure=VISA"), "bobigny_93") == "unwatched"


def test_its_twin_answers_the_parts_of_the_page(visitor: Browser) -> None:
    page = visitor.get("/carte?procedure=visa")
    (live,) = (at for _, at in page.tags if "data-live" in at)
    answer = visitor.client.get(live["data-live"])
    parts = (answer.json or {})["parts"]
    assert sorted(parts) == sorted(at["data-part"] for _, at in page.tags if "data-part" in at)
    for html in parts.values():
        assert html in page.html
    known = {"If-None-Match": answer.headers["ETag"]}
    assert visitor.client.get(live["data-live"], headers=known).status_code == 304
    assert answer.headers["Cache-Control"] == "public, max-age=5"


def test_an_unknown_procedure_is_no_map(visitor: Browser) -> None:
    for asked in ("x", "x" * 10_000, "%00", "<b>"):
        visitor.get(f"/carte?procedure={asked}")
        assert visitor.status == 404
        assert visitor.client.get(f"/carte/direct?procedure={asked}").status_code == 404
    visitor.get("/carte?procedure=&lang=xx")
    assert visitor.status == 200
