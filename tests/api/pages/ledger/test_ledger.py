"""The page of the public ledger."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import redis
import time_machine

from api.models.check_day import CheckDay
from api.models.delivery_figure import DeliveryFigure
from api.models.desk import Outage, OutageReason
from api.models.user import Channel
from configs.ground.clock import clock
from tests.clients import Browser
from tests.factories import BOBIGNY, add_answers, add_desk, make_delivery_figure, save_all, take_slots

_LAST = date(2026, 11, 19)


@pytest.fixture(autouse=True)
def _clock(frozen: time_machine.Traveller, redis_server: redis.Redis) -> None:
    """Hold the clock at 20 November 2026, and forget what was cached."""


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


def test_before_the_first_message_it_says_that_there_is_nothing(browse: Callable[..., Browser]) -> None:
    page = browse().get("/fiabilite")
    for text in ("Trop peu d’alertes", "Aucune alerte n’a été envoyée", "Toutes les pages ont pu", "0,00 €"):
        assert text in page.text.replace("\xa0", " "), text
    assert "No alert was sent" in browse("en").get("/fiabilite").text
    assert "لم يُرسل أي تنبيه" in browse("ar").get("/fiabilite").text


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


def test_days_with_few_messages_have_no_times(visitor: Browser) -> None:
    add(delivered(0, 0.4, 2.0, accepted=4))
    page = visitor.get("/fiabilite")
    assert "Trop peu d’alertes" in page.text
    assert "2 s" not in page.text


def read_arrivals(html: str) -> dict[str, list[str]]:
    """Return the cells of the table of arrivals, by channel."""
    table = html.split("<caption>Alertes reçues, par canal</caption>")[1].split("</table>", maxsplit=1)[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in table.split("<tr>")[2:]]
    plain = [
        [re.sub("<[^>]+>", "", cell).replace("\u202f", " ").replace("\xa0", " ") for cell in line]
        for line in lines
    ]
    return {channel: cells for channel, *cells in plain}


def test_it_shows_how_alerts_arrived_by_channel(visitor: Browser) -> None:
    add(
        arrived(Channel.EMAIL, tracked=10), arrived(Channel.EMAIL, 1, tracked=10), arrived(Channel.EMAIL, 2, tracked=10),
        arrived(Channel.TELEGRAM), arrived(Channel.SMS, delivered=4, tracked=10),
    )  # fmt: skip
    found = read_arrivals(visitor.get("/fiabilite").html)
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


def read_answers(html: str, caption: str) -> list[list[str]]:
    table = html.split(f"<caption>{caption}</caption>")[1].split("</table>", maxsplit=1)[0]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in table.split("<tr>")[2:]]
    return [[re.sub("<[^>]+>|[\u202f\xa0]", " ", cell).strip() for cell in line] for line in lines]


def test_it_shows_what_subscribers_answered(visitor: Browser) -> None:
    add_answers(BOBIGNY, _LAST, alerts=1250, found=6, too_late=3, nothing_there=1)
    take_slots(30, 120, 600, opened=clock() - timedelta(days=2))
    html = visitor.get("/fiabilite").html
    cells = ["1 250", "10", "60 %", "30 %", "0,8", "2 minutes"]
    assert read_answers(html, "Réponses aux alertes, par mois (UTC)") == [["novembre 2026", *cells]]
    by_platform = read_answers(html, "Réponses aux alertes, par système de rendez-vous")
    assert by_platform == [["ezbooking", "novembre 2026", *cells]]
