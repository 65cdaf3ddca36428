"""The calendar and its feeds, the ledger, the public status."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar
from redis import Redis

from api.admin.health.checks import CHECKS, HealthChecks
from api.admin.health.findings import refuse
from api.models.check import CheckDay
from api.models.delivery_figure import DeliveryFigure
from api.models.desk import Outage, OutageReason, Publication
from api.models.user import Channel
from api.pages.public.status import SERVICES
from configs.ground.clock import clock
from configs.ground.redis import open_redis
from tests.clients import Browser
from tests.factories import BOBIGNY, add_answers, add_desk, make_delivery_figure, save_all, take_slots

pytestmark = pytest.mark.usefixtures("frozen", "redis_server")
DESK = "bobigny_93/naturalisation"
FEED = "/calendrier/bobigny_93/naturalisation.ics"
_LAST = date(2026, 11, 19)
Find = Callable[..., None]


def test_a_release_is_shown_by_day_and_hour_of_its_prefecture_which_the_form_chooses(
    visitor: Browser,
) -> None:
    add_desk(DESK, releases_at=clock() + timedelta(days=4))
    page = visitor.get("/calendrier")
    assert visitor.response.headers["Cache-Control"] == "public, max-age=60"
    for text in ("mardi 24 novembre 2026", "10:00", "93 – Seine-Saint-Denis", "Annoncé par la page"):
        assert text in page.text
    assert f'href="{FEED}?lang=fr"' in page.html
    page = visitor.get("/calendrier?prefecture=bobigny_93&procedure=NATURALISATION")
    assert "Dans votre agenda" in page.text
    assert '<option value="bobigny_93" selected>' in page.html
    assert "24 novembre" not in visitor.get("/calendrier?prefecture=melun_77&procedure=").text


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


def test_many_releases_are_shown_page_by_page(visitor: Browser) -> None:
    add_desk(DESK)
    seen = {
        "first_day": clock().date(),
        "last_day": clock().date(),
        "seen_at": clock(),
        "seen_last_at": clock(),
    }
    hours = [clock() + timedelta(hours=number) for number in range(1, 121)]
    add(*(Publication(desk_id=DESK, released_at=each, **seen) for each in hours))
    pages = [visitor.get(f"/calendrier?page={number}").html for number in ("1", "2", "3", "4", "0", "x")]
    assert [each.count('class="card release"') for each in pages] == [50, 50, 20, 20, 50, 50]
    assert [f'href="/calendrier?page={number}"' in pages[1] for number in (1, 2, 3)] == [True, False, True]


def add(*rows: Any) -> None:
    save_all(rows)


def delivered(days_ago: int, p50: float, p95: float, *, accepted: int = 9, failed: int = 0) -> DeliveryFigure:
    day = _LAST - timedelta(days=days_ago)
    return make_delivery_figure(day, Channel.EMAIL, accepted, [p50, p95, p95], missed=failed)


def arrived(channel: Channel, days_ago: int = 0, *, delivered: int = 9, tracked: int = 0) -> DeliveryFigure:
    """Return the figures of a day on which one message of ten came to nothing."""
    return make_delivery_figure(
        _LAST - timedelta(days=days_ago), channel, 10, [1, 2, 3], delivered=delivered, no_receipt=10 - delivered,
        tracked=tracked, confirmed=min(tracked, delivered), seen_to_delivered=[2.5 + days_ago, 6, 9],
    )  # fmt: skip


def checked(achieved: float) -> CheckDay:
    return CheckDay(
        desk_id=BOBIGNY, day=_LAST, checks=10, proven=10, outcomes={}, achieved_seconds=achieved,
        promised_seconds=60, openings=0, updated_at=clock(),
    )  # fmt: skip


def test_where_nothing_is_known_and_before_the_first_message_pages_say_so(
    browse: Callable[..., Browser],
) -> None:
    page = browse().get("/fiabilite")
    for text in ("Trop peu d’alertes", "Aucune alerte n’a été envoyée", "Toutes les pages ont pu", "0,00 €"):
        assert text in page.text.replace("\xa0", " "), text
    assert "Aucune heure connue" in browse().get("/calendrier").text


def test_it_shows_a_usual_day_first_and_each_day_after(visitor: Browser) -> None:
    add(delivered(0, 0.4, 2.0), delivered(1, 0.6, 4.0), delivered(2, 1.4, 8.0, failed=2))
    page = visitor.get("/fiabilite")
    assert "0,6 s" in page.text
    assert "95 % le sont en 4 s" in " ".join(page.text.split())
    assert "2 ne sont pas parties alors que le créneau était ouvert" in page.text
    assert "17 novembre 2026" in page.text
    (paths,) = (
        [at["d"] for tag, at in page.tags if tag == "path" and at["class"] == name] for name in ["most"]
    )
    assert paths == ["M540 100h16v-100h-16zM560 100h16v-50h-16zM580 100h16v-25h-16z"]


def read_table(html: str, caption: str) -> list[list[str]]:
    """Return the cells of a table, line by line, below its two heads."""
    table = html.split(f"<caption>{caption}</caption>")[1].split("</table>", maxsplit=1)[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in table.split("<tr>")[2:]]
    return [[re.sub("<[^>]+>|[\u202f\xa0]", " ", cell).strip() for cell in line] for line in lines]


def test_it_shows_how_alerts_arrived_by_channel(visitor: Browser) -> None:
    add(
        arrived(Channel.EMAIL, tracked=10), arrived(Channel.EMAIL, 1, tracked=10), arrived(Channel.EMAIL, 2, tracked=10),
        arrived(Channel.TELEGRAM), arrived(Channel.SMS, delivered=4, tracked=10),
    )  # fmt: skip
    lines = read_table(visitor.get("/fiabilite").html, "Alertes reçues, par canal")
    found = {channel: cells for channel, *cells in lines}
    assert found["E-mail"] == ["30", "3,5 s", "6 s", "90 %", "3"]
    assert found["Telegram"] == ["10", "2,5 s", "6 s", "–", "–"]  # its answer is no receipt
    assert found["SMS"] == ["10", "–", "–", "40 %", "6"]  # four are too few for a time


def test_it_names_outages_and_paces(visitor: Browser) -> None:
    add_desk(BOBIGNY)
    hour = timedelta(hours=1)
    outage = Outage(desk_id=BOBIGNY, starts_at=clock() - 30 * hour, ends_at=None, reason=OutageReason.CAPTCHA)
    add(outage, checked(90))
    page = visitor.get("/fiabilite")
    for text in ("La page demande un captcha", "en cours", "93 – Seine-Saint-Denis", "150 %", "0 sur 1"):
        assert text in page.text.replace("\xa0", " ").replace("\u202f", " "), text


def test_it_shows_what_subscribers_answered(visitor: Browser) -> None:
    add_answers(BOBIGNY, _LAST, alerts=1250, found=6, too_late=3, nothing_there=1)
    take_slots(30, 120, 600, opened=clock() - timedelta(days=2))
    html = visitor.get("/fiabilite").html
    cells = ["1 250", "10", "60 %", "30 %", "0,8", "2 minutes"]
    assert read_table(html, "Réponses aux alertes, par mois (UTC)") == [["novembre 2026", *cells]]
    by_platform = read_table(html, "Réponses aux alertes, par système de rendez-vous")
    assert by_platform == [["ezbooking", "novembre 2026", *cells]]


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


def test_what_is_down_is_said_in_words_and_escaped(find: Find, visitor: Browser) -> None:
    find("workers", "payments")
    page = visitor.get("/statut")
    assert visitor.status == 200
    assert "Une partie essentielle est en panne" in page.text
    assert "Perturbé" in page.text
    assert "&lt;b&gt;x&lt;/b&gt;" in page.html


def test_the_open_page_asks_for_the_same_part(find: Find, visitor: Browser) -> None:
    find("payments")
    assert "Les alertes partent." in visitor.get("/statut").text
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
