"""Known release times: a list, and an iCalendar feed that calendar programs understand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from api import cache
from api.models.base import session
from api.models.desk import DeskState, Publication
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.api.world import PREFECTURES
from tests.clients import read_json
from tests.factories import add_desk

HIDDEN = "saint-denis_974/titre-sejour"
_RELEASES = """    releases:
      - {day: monday, begins: "16:00", ends: "19:00", source: a test, date: 2026-01-01}
    grade: """


@pytest.fixture
def client(
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


def listed(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    cache._open_cache.cache_clear()
    items: list[dict[str, Any]] = read_json(client.get(f"/api/calendar{query}"))["items"]
    return items


def feed(client: FlaskClient, query: str = "?procedure=TITRE_SEJOUR") -> tuple[bytes, list[Any]]:
    answer = client.get(f"/api/prefectures/saint-denis_974/calendar.ics{query}")
    assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
    calendar = Calendar.from_ical(answer.data)
    assert isinstance(calendar, Calendar)
    return answer.data, calendar.events


def test_releases_of_files_and_pages_are_listed_in_the_order_of_time(client: FlaskClient) -> None:
    add_desk("bobigny_93/naturalisation", releases_at=clock() + timedelta(days=4))
    found = [
        (each["deskId"], each["beginsAt"], each["endsAt"], each["announcedBy"]) for each in listed(client)
    ]
    assert found[:3] == [
        (HIDDEN, "2026-11-23T12:00:00Z", "2026-11-23T15:00:00Z", "source"),
        ("bobigny_93/naturalisation", "2026-11-24T09:00:00Z", None, "page"),
        (HIDDEN, "2026-11-30T12:00:00Z", "2026-11-30T15:00:00Z", "source"),
    ]
    assert len(found) == 9  # eight weeks


def test_a_release_that_pages_name_is_listed_until_a_later_check_finds_it_gone(client: FlaskClient) -> None:
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
    (found,) = listed(client, "?prefecture=bobigny_93")
    assert (found["beginsAt"], found["announcedBy"]) == ("2026-11-23T09:00:00Z", "page")
    with session() as rows:
        rows.execute(sa.update(DeskState).values(last_proven_at=now + timedelta(minutes=1)))
    assert listed(client, "?prefecture=bobigny_93&procedure=NATURALISATION") == []


def test_they_are_filtered_by_prefecture_and_procedure(
    client: FlaskClient, redis_server: redis.Redis
) -> None:
    add_desk("bobigny_93/naturalisation", releases_at=clock() + timedelta(days=4))
    for query, expected in {
        "?prefecture=bobigny_93": {"bobigny_93/naturalisation"},
        "?procedure=NATURALISATION": {"bobigny_93/naturalisation"},
        "?prefecture=bobigny_93&procedure=VISA": set(),
        "?procedure=TITRE_SEJOUR": {HIDDEN, "bobigny_93/naturalisation"},
    }.items():
        assert {each["deskId"] for each in listed(client, query)} == expected, query


def test_a_page_that_announces_what_its_file_says_is_one_release(client: FlaskClient) -> None:
    add_desk(HIDDEN, releases_at=datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert [each["announcedBy"] for each in listed(client)] == ["source"] * 8


def test_a_feed_has_instants_that_every_program_reads(client: FlaskClient) -> None:
    body, events = feed(client)
    assert len(events) == 8
    assert b"DTSTART:20261123T120000Z\r\nDTEND:20261123T150000Z\r\n" in body
    assert b"TZID" not in body, "Outlook is an hour off in summer by a zone with a list of dates"
    assert b"\r\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in body
    assert max(len(line) for line in body.split(b"\r\n")) <= 75
    english = feed(client, "?procedure=TITRE_SEJOUR&language=en")[0].replace(b"\r\n ", b"").decode()
    assert 'SUMMARY:Slots are released: Titre de séjour\\, carte\\; "étudiant"\r\n' in english
    first = events[0]
    assert first["SUMMARY"] == 'Mise en ligne de créneaux : Titre de séjour, carte; "étudiant"'
    assert first.start.astimezone(UTC) == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert first["URL"] == "http://127.77.0.97:8800/booking/create/48803"


def test_a_page_that_closed_releases_nothing_and_its_feed_has_a_component(client: FlaskClient) -> None:
    add_desk(HIDDEN, releases_at=clock() + timedelta(days=1), last_outcome=Outcome.CLOSED)
    assert listed(client) == []
    body, events = feed(client)
    assert events == []
    (only,) = Calendar.from_ical(body).subcomponents
    assert (only.name, only["TZID"]) == ("VTIMEZONE", "UTC")


def test_an_event_keeps_its_uid_and_the_feed_its_bytes_all_day(
    client: FlaskClient, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    body, events = feed(client)
    assert len({event["UID"] for event in events}) == 8
    assert {event["DTSTAMP"].dt for event in events} == {datetime(2026, 11, 20, tzinfo=UTC)}
    frozen.shift(timedelta(hours=9))
    assert feed(client)[0] == body
    frozen.shift(timedelta(days=4))
    later = {event["UID"] for event in feed(client)[1]}
    assert len(later & {event["UID"] for event in events}) == 7


def test_a_page_s_release_has_an_end_in_a_feed(client: FlaskClient) -> None:
    add_desk(HIDDEN, releases_at=clock() + timedelta(hours=1))
    first = feed(client)[1][0]
    assert first.duration == timedelta(minutes=15)
    assert "elle-même" in first["DESCRIPTION"]
