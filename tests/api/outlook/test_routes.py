"""The advice for a wish: how its desks are watched, what plans cost, how often slots opened, and other ways."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from flask.testing import FlaskClient

from api.ground import cache
from api.models.desk import DeskState, DeskStatus
from api.models.slot import GoneReason, SlotRow
from api.outlook.queries import list_offers
from configs.ground.clock import clock
from configs.world.desk import Outcome
from configs.world.plan import PlanName
from tests.api.world import TOWN_HALLS, add_town_halls
from tests.clients import People, read_json
from tests.desk_proofs import prove_desks
from tests.factories import BOBIGNY, add_day, add_desk, change, see

# a Friday, 10:00 in Paris: the public sees what is an hour old
pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def outlook(client: FlaskClient, redis_server: redis.Redis) -> Callable[..., dict[str, Any]]:
    """Read an outlook that no cache holds."""

    def read(procedure: str = "TITRE_SEJOUR", place: str = "bobigny_93") -> dict[str, Any]:
        redis_server.flushdb()
        cache._open_cache.cache_clear()
        return read_json(client.get(f"/api/prefectures/{place}/outlook?procedure={procedure}"))

    return read


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def close_slots(slots: list[int], when: datetime, reason: GoneReason = GoneReason.TAKEN) -> None:
    change(SlotRow, SlotRow.id.in_(slots), gone_at=when, gone_reason=reason)


def history(found: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = next(desk["history"] for desk in found["desks"] if desk["id"] == BOBIGNY)
    return made


def test_it_shows_how_the_desks_for_the_wish_are_watched(outlook: Callable[..., dict[str, Any]]) -> None:
    prove_desks()
    add_desk(
        status=DeskStatus.ACTIVE, last_check_at=clock(), last_proven_at=clock(), wished_seconds=30,
        feasible_seconds=75, achieved_seconds=80,
    )  # fmt: skip
    # A captcha hides its slots: its interval says nothing about finding one.
    add_desk("bobigny_93/naturalisation", wished_seconds=10, feasible_seconds=10, achieved_seconds=10)
    found = outlook()
    assert [desk["id"] for desk in found["desks"]] == [BOBIGNY, "bobigny_93/naturalisation"]
    assert [desk["notWatchable"] for desk in found["desks"]] == [None, "hidden"]
    assert (found["facts"]["feasibleInterval"], found["unwatched"]) == (75, None)
    assert found["facts"]["lastProvenAt"] == "2026-11-20T09:00:00Z"


def test_plans_show_what_an_alert_costs_and_the_interval_to_expect(
    outlook: Callable[..., dict[str, Any]],
) -> None:
    prove_desks()
    add_desk(feasible_seconds=75)
    plans = [(each["plan"], each["amount"], each["expectedInterval"]) for each in outlook()["plans"]]
    assert plans == [("URGENCE_24H", 499, 120), ("URGENCE_7J", 1499, 75), ("URGENCE_TOTAL", 2999, 75)]
    assert [each.expected_interval for each in list_offers(None)] == [120, 60, 30]


def test_openings_are_counted_by_weekday_and_hour_of_the_prefecture(
    outlook: Callable[..., dict[str, Any]],
) -> None:
    see("2026-12-01", "2026-12-02", "2026-12-03", at=at("2026-11-16 23:30"))  # Tuesday 00:30 in Paris
    see("2026-12-04", at=at("2026-11-10 07:10"))  # Tuesday 08:10
    see("2026-12-05", at=at("2026-10-20 06:50"))  # Tuesday 08:50, by summer time
    found = history(outlook())
    assert (found["openings"], found["slots"]) == (3, 5)
    assert found["cells"] == [
        {"weekday": 2, "hour": 0, "openings": 1, "slots": 3},
        {"weekday": 2, "hour": 8, "openings": 2, "slots": 2},
    ]


def test_openings_are_told_an_hour_late_for_ninety_days_and_once(
    outlook: Callable[..., dict[str, Any]], frozen: time_machine.Traveller
) -> None:
    _, shown_later = see("open", at=at("2026-11-01 08:00"))
    close_slots(shown_later, at("2026-11-01 08:05"), GoneReason.SUPERSEDED)
    see("2026-12-01T09:00:00+01:00", at=at("2026-11-01 08:05"))
    see("2026-12-02", at=clock() - timedelta(days=90, hours=1, seconds=1))
    see("2026-12-03", at=clock() - timedelta(minutes=59))
    assert history(outlook())["openings"] == 1
    frozen.shift(timedelta(minutes=2))
    assert history(outlook())["openings"] == 2


def test_the_life_of_a_slot_is_that_of_slots_whose_end_was_seen(
    outlook: Callable[..., dict[str, Any]], frozen: time_machine.Traveller
) -> None:
    opened = clock() - timedelta(days=2)
    for minutes in (1, 5, 60):
        close_slots(see("2026-12-01", at=opened)[1], opened + timedelta(minutes=minutes))
    lapsed = see("2026-12-02", at=opened)[1]
    close_slots(lapsed, opened + timedelta(hours=9), GoneReason.LAPSED)
    just_gone = see("2026-12-03", at=opened)[1]
    close_slots(just_gone, clock() - timedelta(minutes=30))
    see("2026-12-04", at=opened)
    assert (history(outlook())["lives"], history(outlook())["medianLife"]) == (3, 300)
    frozen.shift(timedelta(hours=1))
    assert history(outlook())["lives"] == 4


def test_it_says_on_how_much_watching_that_rests(outlook: Callable[..., dict[str, Any]]) -> None:
    assert history(outlook()) | {"beginsAt": "", "endsAt": ""} == {
        "beginsAt": "", "endsAt": "", "openings": 0, "slots": 0, "medianLife": None, "lives": 0,
        "watchedDays": 0, "provenChecks": 0, "cells": [],
    }  # fmt: skip
    for day, proven in ((date(2026, 11, 19), 700), (date(2026, 11, 18), 0), (date(2026, 1, 1), 9)):
        add_day(BOBIGNY, day, checks=720, proven=proven)
    found = history(outlook())
    assert (found["watchedDays"], found["provenChecks"]) == (1, 700)


def test_where_nothing_is_seen_it_says_why_as_the_alert_would(
    client: FlaskClient, person: People, outlook: Callable[..., dict[str, Any]]
) -> None:
    prove_desks()
    for procedure in ("NATURALISATION", "VISA", "PASSEPORT"):
        found = outlook(procedure)
        assert found["plans"] == []
        body = {"prefectureId": "bobigny_93", "procedures": [procedure]}
        refused = client.post(
            "/api/alerts", json=body, headers=person(f"{procedure}@x.fr", plan=PlanName.URGENCE_TOTAL).headers
        )
        (error,) = (refused.json or {})["errors"]
        assert error["detail"].startswith(found["unwatched"]["reason"] + ";")
        assert found["unwatched"]["seenHere"] == [BOBIGNY]
        assert found["unwatched"]["site"] == "https://www.seine-saint-denis.gouv.fr"


def test_other_departments_are_named_only_for_what_is_not_bound_to_residence(
    outlook: Callable[..., dict[str, Any]], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    add_town_halls(tmp_path, settings_env)
    prove_desks()
    change(DeskState, DeskState.id == TOWN_HALLS, feasible_seconds=600)
    assert outlook(place="cergy_95")["unwatched"]["otherPlaces"] == []  # a residence permit
    (place,) = outlook("PASSEPORT", "cergy_95")["unwatched"]["otherPlaces"]
    assert (place["prefectureId"], place["deskIds"]) == ("bobigny_93", [TOWN_HALLS])
    assert place["distance"] == pytest.approx(33, abs=3)


def test_desks_waited_for_together_have_one_record(outlook: Callable[..., dict[str, Any]]) -> None:
    prove_desks()
    add_desk(feasible_seconds=75)
    see("2026-12-01", "2026-12-02", at=at("2026-11-16 23:30"))
    see("2026-12-03", at=at("2026-11-03 08:00"))
    for days in range(1, 62):
        if days not in (8, 9, 10):  # a week with four watched days is not counted
            add_day(BOBIGNY, clock().date() - timedelta(days=days), checks=720, proven=700)
    facts = outlook()["facts"]
    assert (facts["notWatchable"], facts["feasibleInterval"]) == (None, 75)
    assert facts["record"] == {
        "openings": 2, "slots": 3, "lives": 0, "medianLife": None, "watchedWeeks": 8, "openedWeeks": 2,
    }  # fmt: skip
    assert outlook("VISA")["facts"]["record"]["openings"] == 0


def test_a_release_that_the_page_announces_is_an_alternative_and_a_page_that_closed_is_no_longer_sold(
    outlook: Callable[..., dict[str, Any]],
) -> None:
    prove_desks()
    add_desk("bobigny_93/naturalisation", releases_at=clock() + timedelta(days=2))
    add_desk("bobigny_93/visa", releases_at=clock() + timedelta(days=2))  # its address is stale
    told = {"beginsAt": "2026-11-22T09:00:00Z", "endsAt": None, "announcedBy": "page"}
    found = outlook("NATURALISATION")
    assert (found["unwatched"]["nextRelease"], found["desks"][0]["nextRelease"]) == (told, told)
    assert outlook("VISA")["unwatched"]["nextRelease"] is None
    add_desk(last_outcome=Outcome.CLOSED)
    found = outlook()
    assert (found["desks"][0]["notWatchable"], found["plans"]) == ("closed", [])
    assert found["unwatched"]["reason"].startswith("the prefecture has closed the page")
    assert found["unwatched"]["otherPlaces"] == []


def test_each_desk_has_how_its_alerts_of_a_year_ended(outlook: Callable[..., dict[str, Any]]) -> None:
    for day in (date(2026, 11, 19), date(2025, 12, 1), date(2025, 11, 30)):
        add_day(BOBIGNY, day, alerts=100, found=2, too_late=1, nothing_there=1, stopped=1)
    seen, other = (desk["answers"] for desk in outlook()["desks"])
    assert seen == {
        "alerts": 200, "answers": 10, "ledToAppointment": 0.4, "tooLate": 0.2, "falseAlarmsPerThousand": 10.0,
    }  # fmt: skip
    assert (other["alerts"], other["answers"], other["ledToAppointment"]) == (0, 0, None)
