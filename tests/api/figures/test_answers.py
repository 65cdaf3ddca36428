"""GET /api/stats/answers: alerts and answers of days that are over, once each, and how fast slots were gone."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from api import cache
from api.background import jobs
from api.deletion.service import delete_account
from api.models.answer import AnswerValue, MatchAnswer
from api.models.base import session
from api.models.check import CheckDay
from configs.ground.clock import clock
from configs.world.prefecture import desks
from tests.api.world import PREFECTURES
from tests.clients import Person, read_json
from tests.factories import (
    BOBIGNY,
    add_answer,
    add_answers,
    add_desk,
    announce,
    rows,
    take_slots,
)
from tests.in_turn import in_turn

FOUND, TOO_LATE, NOTHING_THERE, STOPPED = AnswerValue
pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

MELUN = "melun_77/titre-sejour"
TODAY = date(2026, 11, 20)
NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
YESTERDAY = datetime(2026, 11, 19, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _world(settings_env: Callable[..., None]) -> None:
    """Read the desk files of the small world, and forget what was cached."""
    settings_env(PREFECTURES_DIR=PREFECTURES)
    cache._open_cache.cache_clear()


def counts(desk_id: str = BOBIGNY, day: date = TODAY) -> tuple[int, ...]:
    """Sum up; return alerts, found, too late, nothing there and stopped of a desk's day."""
    jobs.sum_days()
    found = [each for each in rows(CheckDay) if (each.desk_id, each.day) == (desk_id, day)]
    names = ("alerts", "found", "too_late", "nothing_there", "stopped")
    return tuple(sum(getattr(each, name) for each in found) for name in names)


def answer(value: AnswerValue, desk_id: str = BOBIGNY) -> None:
    add_answer(announce(desk_id=desk_id).match, value)


def test_each_answer_counts_once_at_its_desk() -> None:
    for value, number in ((FOUND, 4), (TOO_LATE, 3), (NOTHING_THERE, 2), (STOPPED, 1)):
        for _ in range(number):
            answer(value)
    answer(FOUND, MELUN)
    announce()
    assert counts() == counts() == (11, 4, 3, 2, 1)
    assert counts(MELUN) == (1, 1, 0, 0, 0)


def test_answers_outlive_alerts_and_accounts(frozen: time_machine.Traveller, camille: Person) -> None:
    add_desk(MELUN, due_queue="prefenligne", wished_seconds=30.0)  # so that each day has a row
    add_answer(announce(camille.id).match, TOO_LATE)
    assert counts() == (1, 0, 1, 0, 0)
    frozen.shift(3 * DAY)
    jobs.sum_days()
    frozen.shift(DAY)
    with session() as s:
        delete_account(s, camille.id, understood=True)
    frozen.shift(DAY)
    assert rows(MatchAnswer) == []
    assert counts() == (1, 0, 1, 0, 0)


def test_alerts_count_once_each_on_the_day_on_which_their_first_message_was_accepted(
    frozen: time_machine.Traveller,
) -> None:
    announce(took=None)
    announce(took=20.0 * 3600)
    announce()
    assert counts() == (1, 0, 0, 0, 0)
    frozen.shift(DAY)
    assert counts() == (1, 0, 0, 0, 0)
    assert counts(day=TODAY + DAY) == (1, 0, 0, 0, 0)


def read(client: FlaskClient, **query: Any) -> list[dict[str, Any]]:
    cache._open_cache.cache_clear()
    found: list[dict[str, Any]] = read_json(client.get("/api/stats/answers", query_string=query))["items"]
    return found


def test_a_month_sums_up_all_desks(client: FlaskClient) -> None:
    add_answers(BOBIGNY, NOVEMBER, alerts=400, found=3)
    add_answers(BOBIGNY, NOVEMBER + DAY, alerts=500, too_late=2, nothing_there=4)
    add_answers(MELUN, NOVEMBER, alerts=100, stopped=1)
    add_answers(BOBIGNY, OCTOBER, alerts=7)
    take_slots(60, 120, 180, 240, 300, opened=YESTERDAY)
    newest, before = read(client)
    assert newest == {
        "month": "2026-11-01", "platform": None, "deskId": None, "alerts": 1000, "answers": 10,
        "ledToAppointment": 0.3, "tooLate": 0.2, "falseAlarmsPerThousand": 4.0, "taken": 5,
        "secondsOpen": {"p25": 120, "p50": 180, "p75": 240},
    }  # fmt: skip
    assert (before["month"], before["alerts"], before["answers"]) == ("2026-10-01", 7, 0)
    assert (before["ledToAppointment"], before["secondsOpen"]) == (None, None)


def test_days_that_are_not_over_are_not_known_to_the_public(
    client: FlaskClient, frozen: time_machine.Traveller, redis_server: Any
) -> None:
    add_answers(BOBIGNY, TODAY, alerts=9)
    take_slots(60, opened=clock())
    assert read(client) == []
    frozen.move_to("2026-11-21T01:00:01+00:00")
    redis_server.flushdb()
    (row,) = read(client)
    assert (row["alerts"], row["taken"]) == (9, 1)


def test_of_few_answers_or_alerts_nothing_is_told_that_could_be_one_persons(client: FlaskClient) -> None:
    add_answers(BOBIGNY, NOVEMBER, alerts=4, found=4)
    (row,) = read(client)
    assert (row["alerts"], row["answers"]) == (None, 4)
    assert (row["ledToAppointment"], row["tooLate"], row["falseAlarmsPerThousand"]) == (None, None, None)


def test_platforms_and_desks_have_figures_of_their_own(client: FlaskClient) -> None:
    add_answers(BOBIGNY, NOVEMBER, alerts=10, found=5)
    add_answers(MELUN, NOVEMBER, alerts=10, too_late=5)
    add_answers("bobigny_93/gone", NOVEMBER, alerts=10)
    take_slots(60, 120, opened=YESTERDAY)
    platform = desks()[BOBIGNY].platform
    by_desk = {each["deskId"]: each for each in read(client, by="desk")}
    assert (by_desk[BOBIGNY]["ledToAppointment"], by_desk[BOBIGNY]["taken"]) == (1.0, 2)
    assert by_desk[BOBIGNY]["platform"] == platform
    assert (by_desk[MELUN]["tooLate"], by_desk[MELUN]["taken"]) == (1.0, 0)
    by_platform = {each["platform"]: each for each in read(client, by="platform")}
    assert sum(each["alerts"] for each in by_platform.values()) == 30
    assert (by_platform[platform]["taken"], by_platform["none"]["alerts"]) == (2, 10)


def test_months_and_a_prefecture_can_be_chosen(client: FlaskClient) -> None:
    days = (NOVEMBER, OCTOBER, date(2026, 6, 1), date(2026, 5, 31), date(2025, 12, 1), date(2025, 11, 30))
    for day in days:
        add_answers(BOBIGNY, day, alerts=10)
    add_answers(MELUN, NOVEMBER, alerts=10)
    assert len(read(client)) == 3
    assert len(read(client, months=1)) == 1
    assert [each["month"] for each in read(client, months=12)][-1] == "2025-12-01"
    assert {each["deskId"] for each in read(client, by="desk", prefecture="melun_77")} == {MELUN}


@in_turn(
    "query, status",
    [
        ({"months": 13}, 422),
        ({"prefecture": "melun_77"}, 422),
        ({"by": "desk", "prefecture": "atlantis"}, 404),
        ({"by": "desk", "prefecture": "\x00"}, 422),
    ],
)
def test_odd_queries_are_refused(client: FlaskClient, query: dict[str, Any], status: int) -> None:
    assert client.get("/api/stats/answers", query_string=query).status_code == status
