"""The calendar's page and its feeds."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
import time_machine
from icalendar import Calendar

from api.pages.calendar.view_data import CalendarView
from api.release_calendar.schemas import CalendarQuery, ReleaseCalendar, ReleaseEntry
from configs.ground.clock import clock
from configs.world.prefecture import Procedure, WatchLevel
from tests.clients import Browser
from tests.factories import add_desk

DESK = "bobigny_93/naturalisation"
FEED = "/calendrier/bobigny_93/naturalisation.ics"


@pytest.fixture(autouse=True)
def _clock(frozen: time_machine.Traveller, redis_server: redis.Redis) -> None:
    """Hold the clock at 20 November 2026, and forget what was cached."""


def test_a_release_is_shown_by_the_day_and_hour_of_its_prefecture(visitor: Browser) -> None:
    add_desk(DESK, releases_at=clock() + timedelta(days=4))
    page = visitor.get("/calendrier")
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    for text in ("mardi 24 novembre 2026", "10:00", "93 – Seine-Saint-Denis", "Annoncé par la page"):
        assert text in page.text
    assert f'href="{FEED}?lang=fr"' in page.html


def test_the_form_filters_and_offers_the_feed(visitor: Browser) -> None:
    add_desk(DESK, releases_at=clock() + timedelta(days=4))
    page = visitor.get("/calendrier?prefecture=bobigny_93&procedure=NATURALISATION")
    assert "Dans votre agenda" in page.text
    assert '<option value="bobigny_93" selected>' in page.html
    assert "24 novembre" not in visitor.get("/calendrier?prefecture=melun_77&procedure=").text


def test_where_nothing_is_known_it_says_what_that_means(browse: Callable[..., Browser]) -> None:
    assert "Aucune heure connue" in browse().get("/calendrier").text
    assert "No known time" in browse("en").get("/calendrier").text
    assert "لا يوجد وقت معروف" in browse("ar").get("/calendrier").text


def test_rubbish_is_answered_by_the_form(visitor: Browser) -> None:
    for query in ("prefecture=nowhere_99", "procedure=visa", f"prefecture={'x' * 9000}", "prefecture=%00"):
        page = visitor.get(f"/calendrier?{query}")
        assert (visitor.status, len(page.forms)) == (404, 1), query
        assert "n’existe pas" in page.text
    for query in ("page=-1", "page=x", "page=99999999999999", "prefecture=&procedure=", "page=٣", "what=x"):
        visitor.get(f"/calendrier?{query}")
        assert visitor.status == 200, query


def test_a_feed_is_one_of_a_prefecture_and_a_procedure_in_its_language(visitor: Browser) -> None:
    add_desk(DESK, releases_at=clock() + timedelta(days=4))
    titles = {}
    for language in ("fr", "en", "ar"):
        answer = visitor.client.get(f"{FEED}?lang={language}")
        assert (answer.status_code, answer.mimetype) == (200, "text/calendar")
        (event,) = Calendar.from_ical(answer.data).events
        titles[language] = str(event["SUMMARY"]).partition(":")[0].strip()
    assert titles == {"fr": "Mise en ligne de créneaux", "en": "Slots are released", "ar": "نشر مواعيد جديدة"}


def test_a_feed_of_what_does_not_exist_is_a_page_that_says_so(visitor: Browser) -> None:
    for path in ("nowhere_99/visa", "bobigny_93/nothing", f"bobigny_93/{'x' * 5000}"):
        visitor.get(f"/calendrier/{path}.ics")
        assert visitor.status == 404


def test_many_releases_are_shown_page_by_page(app: object) -> None:
    query = CalendarQuery()
    found = ReleaseCalendar(ends_at=clock(), items=[make_entry(hours) for hours in range(120)])
    with app.test_request_context("/calendrier"):  # type: ignore[attr-defined]
        views = [CalendarView.build(query, found, number) for number in ("1", "2", "3", "4", "0", "x")]
    shown = [sum(len(each) for _, each in view.days) for view in views]
    assert shown == [50, 50, 20, 20, 50, 50]
    assert [(view.previous, view.next) for view in views[:3]] == [
        (None, "/calendrier?page=2"),
        ("/calendrier?page=1", "/calendrier?page=3"),
        ("/calendrier?page=2", None),
    ]


def make_entry(hours: int) -> ReleaseEntry:
    return ReleaseEntry(
        prefecture_id="bobigny_93",
        name="Seine-Saint-Denis",
        department="93",
        time_zone="Europe/Paris",
        desk_id=DESK,
        label="Naturalisation",
        site=None,
        procedures=[Procedure.NATURALISATION],
        booking_url="https://example.org/",
        watch_level=WatchLevel.FULL,
        begins_at=clock() + timedelta(hours=hours),
        ends_at=None,
        announced_by="page",
    )
