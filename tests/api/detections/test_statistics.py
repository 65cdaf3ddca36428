from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
import time_machine
from flask.testing import FlaskClient

from tests.factories import BOBIGNY, see

MELUN = "melun_77/titre-sejour"


@pytest.fixture(autouse=True)
def _an_hour_late(frozen: time_machine.Traveller) -> None:
    """Freeze at 10:00 in Paris: the public sees what is an hour old."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def stats(client: FlaskClient, path: str = "/api/detections/stats") -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json or {}
    return found


def test_detections_are_counted_in_total_and_today_by_prefecture(client: FlaskClient) -> None:
    see("open", at=at("2026-11-20 07:00"))
    see("open", at=at("2026-11-19 23:00"))  # midnight in Paris
    see("open", at=at("2026-11-19 22:59"))
    see("open", at=at("2025-01-01 12:00"))
    see("open", at=at("2026-11-01 12:00"), desk_id=MELUN)
    found = stats(client)
    assert (found["total"], found["today"]) == (5, 2)
    assert found["byPrefecture"] == [
        {"prefectureId": "bobigny_93", "total": 4, "today": 2},
        {"prefectureId": "cergy_95", "total": 0, "today": 0},
        {"prefectureId": "melun_77", "total": 1, "today": 0},
    ]


def test_they_are_told_with_the_public_delay(client: FlaskClient, frozen: time_machine.Traveller) -> None:
    see("open", at=at("2026-11-20 08:30"))
    assert stats(client)["total"] == 0
    frozen.shift(1800 + 1)
    assert stats(client)["total"] == 1


def test_what_is_old_is_counted_once_a_day_and_never_twice(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    see("open", at=at("2026-11-18 12:00"))
    see("open", at=at("2026-11-19 12:01"))
    assert stats(client)["total"] == 2
    frozen.shift(86400)
    assert stats(client)["total"] == 2
    see("open", at=at("2026-11-20 12:02"))
    frozen.shift(6)
    assert stats(client)["total"] == 3
    frozen.shift(3600 * 40)
    assert (stats(client)["total"], stats(client)["today"]) == (3, 0)


def test_a_prefecture_that_left_the_files_still_counts(client: FlaskClient) -> None:
    see("open", at=at("2026-11-18 12:00"), desk_id="gone_99/desk")
    found = stats(client)
    assert found["total"] == 1
    assert {"prefectureId": "gone_99", "total": 1, "today": 0} in found["byPrefecture"]


def test_without_redis_they_are_counted_each_time(
    client: FlaskClient, settings_env: Callable[..., None]
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    see("open", at=at("2026-11-18 12:00"))
    assert stats(client)["total"] == 1
    see("open", at=at("2026-11-18 13:00"))
    assert stats(client)["total"] == 2


def test_figures_for_everybody_add_the_desks_by_what_can_be_seen(client: FlaskClient) -> None:
    see("open", at=at("2026-11-18 12:00"), desk_id=BOBIGNY)
    found = stats(client, "/api/stats")
    assert (found["total"], found["today"], len(found["byPrefecture"])) == (1, 0, 3)
    assert found["desks"] == {"full": 2, "presence": 1, "none": 1}


def test_what_was_kept_and_is_broken_is_made_again(client: FlaskClient, redis_server: redis.Redis) -> None:
    stats(client)
    redis_server.set("api:cache:detection-stats", b"rubbish")
    assert stats(client)["total"] == 0
