"""The public ledger: what it counts, and that nothing in it is one person's; known release times as a list and as a feed."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from api.ground import cache
from api.models.base import session
from api.models.desk import DeskState, Outage, OutageReason, Publication
from api.models.notification import DeliveryFigure
from api.models.payment import CreditForm, WatchCredit
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.desk import Outcome
from tests.api.world import PREFECTURES
from tests.clients import People, read_json
from tests.factories import BOBIGNY, add_day, add_desk, add_payment, make_delivery_figure, save_all

pytestmark = pytest.mark.usefixtures("frozen")
YESTERDAY = date(2026, 11, 19)
HOUR = timedelta(hours=1)


def ledger(client: FlaskClient) -> dict[str, Any]:
    return read_json(client.get("/api/reliability"))


def add(*rows: Any) -> None:
    save_all(rows)


def delivered(
    day: date, accepted: int = 5, channel: Channel = Channel.EMAIL, failed: int = 0
) -> DeliveryFigure:
    return make_delivery_figure(day, channel, accepted, [0.5, 2.5, 3.5], missed=failed)


def checked(day: date, achieved: float | None, promised: float | None = 60, desk: str = BOBIGNY) -> None:
    proven = 0 if achieved is None else 10
    add_day(desk, day, checks=10, proven=proven, achieved_seconds=achieved, promised_seconds=promised)


def outage(begins: datetime, ends: datetime | None, reason: OutageReason = OutageReason.BLOCKED) -> Outage:
    return Outage(desk_id=BOBIGNY, starts_at=begins, ends_at=ends, reason=reason)


def test_it_is_empty_and_holds_thirty_days_that_are_over(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    found = ledger(client)
    assert (found["beginsOn"], found["endsOn"]) == ("2026-10-21", "2026-11-19")
    empty = ("deliveries", "intervals", "outages", "outagesByReason", "answers", "answersByPlatform")
    assert [found[key] for key in empty] == [[]] * len(empty)
    assert {(each["payments"], each["amount"]) for each in found["givenBack"]} == {(0, 0)}
    frozen.shift(301)
    every = [date(2026, 11, 20) - timedelta(days=number) for number in (0, 1, 30, 31)]
    add(*(delivered(day) for day in every))
    assert [each["day"] for each in ledger(client)["deliveries"]] == ["2026-11-19", "2026-10-21"]
    frozen.move_to("2026-11-21T00:59:59+00:00")  # the public knows nothing of the last hour
    assert ledger(client)["deliveries"][0]["day"] == "2026-11-19"
    frozen.move_to("2026-11-21T01:05:05+00:00")
    assert ledger(client)["deliveries"][0]["day"] == "2026-11-20"


def test_intervals_are_achieved_by_promised_at_desks_whose_slots_are_seen(client: FlaskClient) -> None:
    for number in range(3):
        checked(YESTERDAY - timedelta(days=number), 60 + 30 * number)
    checked(date(2026, 11, 15), None)
    checked(date(2026, 11, 14), 600, None)  # nothing was promised
    checked(date(2026, 10, 20), 6000)  # too long ago
    checked(date(2026, 11, 20), 6000)  # not over
    checked(YESTERDAY, 600, desk="bobigny_93/naturalisation")  # a captcha hides its slots
    checked(YESTERDAY, 120, desk="melun_77/titre-sejour")
    found = [
        (each["prefectureId"], each["ratio"], each["deskDays"], each["unprovenDays"])
        for each in ledger(client)["intervals"]
    ]
    assert found == [("melun_77", 2, 1, 0), ("bobigny_93", 1.5, 3, 1)]


def test_outages_are_those_that_reach_into_the_period(client: FlaskClient) -> None:
    add_desk()
    begins = datetime(2026, 10, 21, tzinfo=UTC)
    add(
        outage(begins - 9 * HOUR, begins - 8 * HOUR, OutageReason.CLOSED),
        outage(begins - 2 * HOUR, begins + HOUR, OutageReason.MAINTENANCE),
        outage(begins + 5 * HOUR, begins + 7 * HOUR),
        outage(clock() - HOUR, None),
    )
    found = ledger(client)
    assert [(each["reason"], each["endsAt"]) for each in found["outages"]] == [
        ("blocked", None),
        ("blocked", "2026-10-21T07:00:00Z"),
        ("maintenance", "2026-10-21T01:00:00Z"),
    ]
    assert found["outages"][0]["deskId"] == BOBIGNY
    assert found["outagesByReason"] == [
        {"reason": "blocked", "outages": 2, "desks": 1, "seconds": 3 * 3600},
        {"reason": "maintenance", "outages": 1, "desks": 1, "seconds": 3600},
    ]


def test_what_was_given_back_is_told_for_five_payments_or_more(
    client: FlaskClient, person: People, frozen: time_machine.Traveller
) -> None:
    one = person("nadia@example.org")
    payments = [add_payment(one.id) for _ in range(5)]
    at = clock() - timedelta(days=1)

    def credit(number: int, form: CreditForm) -> WatchCredit:
        return WatchCredit(
            payment_id=payments[number], seconds=7200, form=form,
            amount_cents=18, created_at=at,
        )  # fmt: skip

    add(*(credit(number, CreditForm.TIME) for number in range(4)))
    add(credit(4, CreditForm.REFUND))
    few = {each["form"]: each for each in ledger(client)["givenBack"]}
    nothing = {"payments": None, "seconds": None, "amount": None, "currency": "eur"}
    assert few["time"] == {"form": "time"} | nothing
    assert few["refund"] == {"form": "refund"} | nothing
    frozen.shift(301)
    late = credit(4, CreditForm.TIME)
    late.seconds += 3600
    add(late)
    text = client.get("/api/reliability").text
    assert "nadia" not in text
    assert str(one.id) not in text
    told = {each["form"]: each for each in ledger(client)["givenBack"]}
    assert (told["time"]["payments"], told["time"]["seconds"], told["time"]["amount"]) == (5, 11 * 3600, 90)
    assert told["refund"]["amount"] is None
    assert told["invoice"]["amount"] == 0


HIDDEN = "saint-denis_974/titre-sejour"
_RELEASES = """    releases:
      - {day: monday, begins: "16:00", ends: "19:00", source: a test, date: 2026-01-01}
    grade: """


@pytest.fixture
def island(
    app: Flask, tmp_path: Path, settings_env: Callable[..., None], frozen: time_machine.Traveller
) -> FlaskClient:
    """Give an app whose desk on La Réunion has a release each Monday."""
    text = (PREFECTURES / "melun_77.yaml").read_text("utf-8")
    for old, new in (
        ("Seine-et-Marne", "La Réunion"), ('"77"', '"974"'), ("Europe/Paris", "Indian/Reunion"),
        ("label: Titre de séjour", 'label: "Titre de séjour, carte; \\"étudiant\\""'), ("127.77.0.77", "127.77.0.97"),
        ("    grade: ", _RELEASES),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "saint-denis_974.yaml").write_text(text, "utf-8")
    for name in ("bobigny_93.yaml", "cergy_95.yaml"):
        (tmp_path / name).write_text((PREFECTURES / name).read_text("utf-8"), "utf-8")
    settings_env(PREFECTURES_DIR=tmp_path)
    return app.test_client()


def listed(island: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    cache._open_cache.cache_clear()
    items: list[dict[str, Any]] = read_json(island.get(f"/api/calendar{query}"))["items"]
    return items


def feed(island: FlaskClient, query: str = "?procedure=TITRE_SEJOUR") -> tuple[bytes, list[Any]]:
    answer = island.get(f"/api/prefectures/saint-denis_974/calendar.ics{query}")
    assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
    calendar = Calendar.from_ical(answer.data)
    assert isinstance(calendar, Calendar)
    return answer.data, calendar.events


def test_releases_of_files_and_pages_are_listed_in_the_order_of_time(island: FlaskClient) -> None:
    add_desk("bobigny_93/naturalisation", releases_at=clock() + timedelta(days=4))
    found = [
        (each["deskId"], each["beginsAt"], each["endsAt"], each["announcedBy"]) for each in listed(island)
    ]
    assert found[:3] == [
        (HIDDEN, "2026-11-23T12:00:00Z", "2026-11-23T15:00:00Z", "source"),
        ("bobigny_93/naturalisation", "2026-11-24T09:00:00Z", None, "page"),
        (HIDDEN, "2026-11-30T12:00:00Z", "2026-11-30T15:00:00Z", "source"),
    ]
    assert len(found) == 9  # eight weeks


def test_a_release_that_pages_name_is_listed_until_a_later_check_finds_it_gone(island: FlaskClient) -> None:
    now = clock()
    add_desk("bobigny_93/naturalisation")
    with session() as rows:
        rows.add_all(
            Publication(
                desk_id="bobigny_93/naturalisation", released_at=now + timedelta(days=days),
                first_day=now.date(), last_day=now.date(), seen_at=now, seen_last_at=now,
            )
            for days in (-4, 3)
        )  # fmt: skip
    (found,) = listed(island, "?prefecture=bobigny_93")
    assert (found["beginsAt"], found["announcedBy"]) == ("2026-11-23T09:00:00Z", "page")
    with session() as rows:
        rows.execute(sa.update(DeskState).values(last_proven_at=now + timedelta(minutes=1)))
    assert listed(island, "?prefecture=bobigny_93&procedure=NATURALISATION") == []


def test_they_are_filtered_by_prefecture_and_procedure(
    island: FlaskClient, redis_server: redis.Redis
) -> None:
    add_desk("bobigny_93/naturalisation", releases_at=clock() + timedelta(days=4))
    for query, expected in {
        "?prefecture=bobigny_93": {"bobigny_93/naturalisation"},
        "?procedure=NATURALISATION": {"bobigny_93/naturalisation"},
        "?prefecture=bobigny_93&procedure=VISA": set(),
        "?procedure=TITRE_SEJOUR": {HIDDEN, "bobigny_93/naturalisation"},
    }.items():
        assert {each["deskId"] for each in listed(island, query)} == expected, query


def test_a_page_that_announces_what_its_file_says_is_one_release(island: FlaskClient) -> None:
    add_desk(HIDDEN, releases_at=datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert [each["announcedBy"] for each in listed(island)] == ["source"] * 8


def test_a_feed_has_instants_that_every_program_reads(island: FlaskClient) -> None:
    body, events = feed(island)
    assert len(events) == 8
    assert b"DTSTART:20261123T120000Z\r\nDTEND:20261123T150000Z\r\n" in body
    assert b"TZID" not in body, "Outlook is an hour off in summer by a zone with a list of dates"
    assert b"\r\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in body
    assert max(len(line) for line in body.split(b"\r\n")) <= 75
    english = feed(island, "?procedure=TITRE_SEJOUR&language=en")[0].replace(b"\r\n ", b"").decode()
    assert 'SUMMARY:Slots are released: Titre de séjour\\, carte\\; "étudiant"\r\n' in english
    first = events[0]
    assert first["SUMMARY"] == 'Mise en ligne de places\xa0: Titre de séjour, carte; "étudiant"'
    assert first.start.astimezone(UTC) == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert first["URL"] == "http://127.77.0.97:8800/booking/create/48803"


def test_a_page_that_closed_releases_nothing_and_its_feed_has_a_component(island: FlaskClient) -> None:
    add_desk(HIDDEN, releases_at=clock() + timedelta(days=1), last_outcome=Outcome.CLOSED)
    assert listed(island) == []
    body, events = feed(island)
    assert events == []
    (only,) = Calendar.from_ical(body).subcomponents
    assert (only.name, only["TZID"]) == ("VTIMEZONE", "UTC")


def test_an_event_keeps_its_uid_and_the_feed_its_bytes_all_day(
    island: FlaskClient, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    body, events = feed(island)
    assert len({event["UID"] for event in events}) == 8
    assert {event["DTSTAMP"].dt for event in events} == {datetime(2026, 11, 20, tzinfo=UTC)}
    frozen.shift(timedelta(hours=9))
    assert feed(island)[0] == body
    frozen.shift(timedelta(days=4))
    later = {event["UID"] for event in feed(island)[1]}
    assert len(later & {event["UID"] for event in events}) == 7


def test_a_page_s_release_has_an_end_in_a_feed(island: FlaskClient) -> None:
    add_desk(HIDDEN, releases_at=clock() + timedelta(hours=1))
    first = feed(island)[1][0]
    assert first.duration == timedelta(minutes=15)
    assert "elle-même" in first["DESCRIPTION"]
