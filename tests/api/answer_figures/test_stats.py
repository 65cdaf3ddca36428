"""GET /api/stats/answers: rates by month, platform and desk, with the number of answers that they rest on."""

from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import cache
from api.models.answer_figure import EVERY, AnswerFigure, SlotLife
from configs.ground.clock import clock
from configs.world.prefecture import desks
from tests.factories import BOBIGNY, save

pytestmark = pytest.mark.usefixtures("database", "redis_server", "frozen")

MELUN = "melun_77/titre-sejour"
NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)


@pytest.fixture(autouse=True)
def _no_cache(redis_server: object) -> None:
    cache._open_cache.cache_clear()


def count(desk_id: str = BOBIGNY, month: date = NOVEMBER, alerts: int = 0, **counts: int) -> None:
    """Write a desk's figures of a month."""
    every = {"found": 0, "too_late": 0, "nothing_there": 0, "stopped": 0} | counts
    save(AnswerFigure(
        month=month, platform=desks()[desk_id].platform, desk_id=desk_id, alerts=alerts, updated_at=clock(),
        **every,
    ))  # fmt: skip


def live(platform: str, desk_id: str, taken: int = 9, month: date = NOVEMBER) -> None:
    """Write how long slots lived."""
    save(SlotLife(
        month=month, platform=platform, desk_id=desk_id, taken=taken, seconds=[30, 90.04, 600], updated_at=clock()
    ))  # fmt: skip


def read(client: FlaskClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/stats/answers", query_string=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = (answer.json or {})["items"]
    return found


def test_without_answers_there_is_nothing(client: FlaskClient) -> None:
    for by in ("month", "platform", "desk"):
        assert read(client, by=by) == []


def test_a_month_sums_up_all_desks(client: FlaskClient) -> None:
    count(alerts=900, found=3, too_late=2, nothing_there=4)
    count(MELUN, alerts=100, found=0, stopped=1)
    count(month=OCTOBER, alerts=7)
    live(EVERY, EVERY)
    newest, before = read(client)
    assert newest == {
        "month": "2026-11-01", "platform": None, "deskId": None, "alerts": 1000, "answers": 10,
        "ledToAppointment": 0.3, "tooLate": 0.2, "falseAlarmsPerThousand": 4.0, "taken": 9,
        "secondsOpen": {"p25": 30, "p50": 90.0, "p75": 600},
    }  # fmt: skip
    assert (before["month"], before["alerts"], before["answers"]) == ("2026-10-01", 7, 0)
    assert (before["ledToAppointment"], before["secondsOpen"]) == (None, None)


def test_of_few_answers_or_alerts_nothing_is_told_that_could_be_one_persons(client: FlaskClient) -> None:
    count(alerts=4, found=4)
    (row,) = read(client)
    assert (row["alerts"], row["answers"]) == (None, 4)
    assert (row["ledToAppointment"], row["tooLate"], row["falseAlarmsPerThousand"]) == (None, None, None)


def test_platforms_and_desks_have_figures_of_their_own(client: FlaskClient) -> None:
    count(alerts=10, found=5)
    count(MELUN, alerts=10, too_late=5)
    platform = desks()[BOBIGNY].platform
    live(platform, BOBIGNY)
    live(platform, EVERY)
    live(EVERY, EVERY)
    by_desk = {each["deskId"]: each for each in read(client, by="desk")}
    assert (by_desk[BOBIGNY]["ledToAppointment"], by_desk[BOBIGNY]["taken"]) == (1.0, 9)
    assert by_desk[BOBIGNY]["platform"] == platform
    assert (by_desk[MELUN]["tooLate"], by_desk[MELUN]["taken"]) == (1.0, 0)
    by_platform = read(client, by="platform")
    assert sum(each["alerts"] for each in by_platform) == 20
    assert {each["deskId"] for each in by_platform} == {None}
    assert platform in {each["platform"] for each in by_platform}


def test_a_desk_whose_platform_changed_has_one_row(client: FlaskClient) -> None:
    count(alerts=10, found=5)
    save(AnswerFigure(
        month=NOVEMBER, platform="another", desk_id=BOBIGNY, alerts=10, found=0, too_late=5, nothing_there=0,
        stopped=0, updated_at=clock(),
    ))  # fmt: skip
    live(desks()[BOBIGNY].platform, BOBIGNY)
    (row,) = read(client, by="desk")
    assert (row["alerts"], row["answers"], row["ledToAppointment"], row["taken"]) == (20, 10, 0.5, 9)


def test_months_and_a_prefecture_can_be_chosen(client: FlaskClient) -> None:
    for month in (
        NOVEMBER,
        OCTOBER,
        date(2026, 6, 1),
        date(2026, 5, 1),
        date(2025, 12, 1),
        date(2025, 11, 1),
    ):
        count(month=month, alerts=10)
    count(MELUN, alerts=10)
    assert len(read(client)) == 3
    assert len(read(client, months=1)) == 1
    assert [each["month"] for each in read(client, months=12)][-1] == "2025-12-01"
    assert {each["deskId"] for each in read(client, by="desk", prefecture="melun_77")} == {MELUN}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"by": "person"}, 422),
        ({"months": 0}, 422),
        ({"months": 13}, 422),
        ({"months": "x"}, 422),
        ({"prefecture": "melun_77"}, 422),
        ({"by": "desk", "prefecture": "atlantis"}, 404),
        ({"by": "desk", "prefecture": ""}, 422),
        ({"by": "desk", "prefecture": "\x00"}, 422),
        ({"unknown": "1"}, 422),
    ],
)
def test_odd_queries_are_refused(client: FlaskClient, query: dict[str, Any], status: int) -> None:
    assert client.get("/api/stats/answers", query_string=query).status_code == status
