"""Operators' page of the activity: steps by day and source without persons, money and subscribers by month, costs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from flask import Flask

from api.admin.activity import count_step
from api.models.notification import State
from api.models.payment import Subscription
from api.models.user import Channel
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.pages.admin.conftest import audit, plain
from tests.api.payments.invoices.documents import pay, refund
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_message, save

pytestmark = pytest.mark.usefixtures("redis_server")
PAGE = "/admin/activite"


def find_row(browser: Browser, head: str) -> list[str]:
    return next([plain(cell) for cell in row] for row in browser.page.rows if row[0] == head)


def test_a_source_travels_from_the_first_page_to_the_registration_and_is_kept_nowhere(
    app: Flask, visitor: Browser, support: Browser
) -> None:
    for _ in range(5):
        visitor.get("/?s=forum")
    page = visitor.get("/?s=forum")
    assert 'name="s" value="forum"' in page.html
    assert "s=forum" not in next(line for line in page.html.splitlines() if 'rel="canonical"' in line)
    led = visitor.client.get("/departements?place=93&procedure=naturalisation&s=forum").headers["Location"]
    assert "s=forum" in led
    page = visitor.get(led)
    ways = [at["href"] for tag, at in page.tags if tag == "a" and "s=forum" in at["href"]]
    assert any(each.startswith(("/alertes/", "/departements/")) for each in ways), ways
    for number in range(5):
        browser = Browser(app)
        browser.get("/register?s=forum")
        browser.send("/register", email=f"camille{number}@example.org", password="correct horse battery 12")
        assert browser.status == 303
        assert "forum" not in str(browser.client.get_cookie("__Host-registration"))
    visitor.get("/?s=rare")
    visitor.get("/?s=<b>")
    visitor.get("/departements?q=bobigny")
    support.get(PAGE)
    assert find_row(support, "forum") == ["forum", "6", "5"]
    today = next(row for row in support.page.rows if len(row) == 9)
    assert today[1:5] == ["8", "moins de 5", "5", "moins de 5"], (
        "a search or two; nobody confirmed an address"
    )
    assert "rare" not in support.page.text
    assert audit("activity.view")


def test_sources_that_strangers_write_end_no_count_and_without_redis_the_rest_is_shown(
    admin: Browser, settings_env: Callable[..., None]
) -> None:
    count_step("first_page", "forum")
    for number in range(200):
        count_step("first_page", f"made-up-{number}")
    for source in ("forum", "other", "forum", "forum", "forum"):
        count_step("first_page", source)
    admin.get(PAGE)
    assert find_row(admin, "forum")[1] == "5"
    assert "other" not in admin.page.text
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    assert "Ce que coûte un mois" in admin.get(PAGE).text


def test_the_book_tells_money_and_subscribers_of_each_month(
    frozen: time_machine.Traveller, app: Flask
) -> None:
    staying, leaving = (Subscription(plan=PlanName.URGENCE_TOTAL, status="active") for _ in range(2))
    save(staying)
    save(leaving)
    frozen.move_to(datetime(2026, 9, 15, tzinfo=UTC))
    for each in (staying, leaving):
        pay(cents=2999, subscription_id=each.id)
    frozen.move_to(datetime(2026, 10, 15, tzinfo=UTC))
    refund(pay(cents=2999, subscription_id=staying.id), 1000)
    frozen.move_to(datetime(2026, 11, 20, tzinfo=UTC))
    pay(cents=499)
    browser = seat_operator(app)
    browser.get(PAGE)
    assert find_row(browser, "2026-09") == ["2026-09", "59,98 €", "0,00 €", "0,00 €", "2", "0"]
    assert find_row(browser, "2026-10") == ["2026-10", "29,99 €", "10,00 €", "0,00 €", "1", "1"]
    assert find_row(browser, "2026-11") == ["2026-11", "4,99 €", "0,00 €", "0,00 €", "0", "—"]


@pytest.mark.usefixtures("frozen")
def test_a_month_costs_its_messages_and_the_server(admin: Browser, settings_env: Callable[..., None]) -> None:
    settings_env(MAIL_PRICE="0.001", SERVER_MONTH_PRICE="49.90")
    user_id = add_account().id
    sent = {"state": State.SENT, "accepted_at": clock() - timedelta(hours=1)}
    for channel, cost in ((Channel.SMS, "0.08"), (Channel.VOICE, "0.15"), (Channel.EMAIL, None)):
        add_message(user_id, channel=channel, cost=cost and Decimal(cost), **sent)
    admin.get(PAGE)
    shown = next([plain(cell) for cell in row] for row in admin.page.rows if "49,90" in row[4])
    assert shown[1:3] == ["0,08 €", "0,15 €"]
    assert shown[5] == "50,13 €"
