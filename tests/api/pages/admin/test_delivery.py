"""Operators' page of deliveries: delays and rates by day, channel, provider and prefecture."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from api.background import jobs
from api.models.notification import State
from api.models.user import Channel
from tests.clients import Browser
from tests.factories import BOBIGNY, NINE, add_slot_message

PAGE = "/admin/distribution"
MELUN = "melun_77/titre-sejour"
DAYS = ("20 novembre 2026", "19 novembre 2026")


@pytest.fixture
def admin(frozen: time_machine.Traveller, admin: Browser) -> Browser:
    return admin


def alert(days_ago: int = 0, provider: str = "sendgrid", desk: str = BOBIGNY, **other: Any) -> None:
    at = NINE - timedelta(days=days_ago)
    add_slot_message(at, params={"desk_id": desk}, provider=provider, **other)


def find(browser: Browser, query: str = "") -> list[tuple[str, str, str]]:
    """Return day, whose figures, and how many were accepted, row by row."""
    return [(row[0], row[1], row[3]) for row in browser.get(f"{PAGE}?{query}").rows]


def test_today_is_shown_as_it_is_now(admin: Browser) -> None:
    alert(state=State.DELIVERED, delivered_at=NINE + timedelta(seconds=3))
    alert(state=State.NO_RECEIPT)
    together, sendgrid = admin.get(PAGE).rows
    assert together[1] == "E-mailtous les fournisseurs · toutes les préfectures"
    assert sendgrid[1] == "E-mailsendgrid · toutes les préfectures"
    assert together[2:4] == ["2", "2"]
    assert together[4] == "arrivés 1, sans réception 1"
    assert together[5].replace("\u202f", " ").replace("\xa0", " ") == "50 %1 de 2"
    assert together[6:8] == ["1 · 1 · 1", "3 · 3 · 3"]


def test_past_days_are_those_that_the_job_wrote(admin: Browser) -> None:
    alert(days_ago=1)
    assert find(admin) == []
    jobs.sum_days()
    alert()
    assert [(day, sent) for day, _, sent in find(admin, "provider=sendgrid")] == [(day, "1") for day in DAYS]
    assert {day for day, _, _ in find(admin, "days=1")} == {DAYS[0]}


def test_figures_are_chosen_by_channel_provider_and_prefecture(admin: Browser) -> None:
    for days_ago in (0, 1):
        alert(days_ago)
        alert(days_ago, provider="smtp", desk=MELUN)
        alert(days_ago, channel=Channel.TELEGRAM, provider="telegram")
    jobs.sum_days()
    every = "toutes les préfectures"
    for query, found in {
        "channel=telegram": [
            ("Telegramtous les fournisseurs · " + every, "1"),
            ("Telegramtelegram · " + every, "1"),
        ],
        "provider=smtp": [("E-mailsmtp · " + every, "1")],
        "prefecture=melun_77": [
            ("E-mailtous les fournisseurs · melun_77", "1"),
            ("E-mailsmtp · melun_77", "1"),
        ],
        "by=prefecture&channel=email": [
            ("E-mailtous les fournisseurs · " + every, "2"),
            ("E-mailtous les fournisseurs · bobigny_93", "1"),
            ("E-mailtous les fournisseurs · melun_77", "1"),
        ],
        "prefecture=nowhere": [],
    }.items():
        assert find(admin, query) == [(day, *each) for day in DAYS for each in found], query


def test_prefectures_are_listed_for_seven_days_at_most(admin: Browser) -> None:
    for days_ago in (6, 7):
        alert(days_ago)
    jobs.sum_days()
    assert {day for day, _, _ in find(admin, "days=31")} == {"14 novembre 2026", "13 novembre 2026"}
    assert {day for day, _, _ in find(admin, "days=31&by=prefecture")} == {"14 novembre 2026"}


def test_what_cannot_be_is_named(admin: Browser) -> None:
    for query in ("days=0", "days=32", "channel=fax", "by=user", "provider=" + "x" * 61):
        assert admin.get(f"{PAGE}?{query}").title.startswith("Erreur"), query
