"""Operators' pages around payments: Stripe's events, differences, declarations, totals of invoices."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from api.models.audit import AuditEntry
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.stripe_event import StripeEventFlag
from api.models.user import Role
from configs.ground.clock import clock
from tests.api.invoices.documents import issue, pay, refund, sum_documents
from tests.api.pages.admin.conftest import audit, plain, walk
from tests.api.payments.shop import Shop, list_grants
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_difference, add_stripe_event, rows, save
from tests.in_turn import in_turn

LIST, TOTALS = "/admin/evenements-stripe", "/admin/paiements/totaux"


def test_an_event_that_waits_is_applied_again(shop: Shop, app: Flask) -> None:
    buyer, admin = add_account(), seat_operator(app)
    order = shop.order(buyer.id)
    shop.control.pay(order.session_id)
    shop.control.mode("error_500", path="/v1/")
    shop.deliver()
    assert list_grants(buyer.id) == []
    shop.control.mode("normal")
    shop.clock.shift(60)
    page = admin.get(f"{LIST}?open=true")
    assert "En attente" in page.text
    links = [at["href"] for tag, at in page.tags if tag == "a" and at["href"].endswith("/rejeu")]
    assert links
    for link in links:
        page = admin.get(link)
        assert "relu chez Stripe" in page.text
        admin.send(link)
        assert "est appliqué de nouveau" in admin.follow().text
    shop.work()
    assert len(list_grants(buyer.id)) == 1
    assert "Aucun événement ne correspond." in admin.get(f"{LIST}?open=true").text
    replays = [each for each in rows(AuditEntry) if each.action == "stripe-event.replay"]
    assert len(replays) == len(links)


def test_what_nothing_applies_says_so(admin: Browser) -> None:
    add_stripe_event("evt_other", type="account.updated", flag=StripeEventFlag.UNKNOWN_TYPE)
    add_stripe_event("evt_known", type="charge.refunded", object_id="ch_1")
    page = admin.get(f"{LIST}?objectId=ch_1&type=charge.refunded&open=false")
    assert page.html.count("/rejeu") == 1
    page = admin.get(f"{LIST}?flag=unknown_type")
    assert "Sorte inconnue" in page.text
    assert "rejeu" not in page.html
    admin.get(f"{LIST}/evt_other/rejeu")
    page = admin.send("/rejeu")
    assert admin.status == 422
    assert "seulement gardés" in page.text


def test_what_is_no_event_is_not_found(admin: Browser) -> None:
    add_stripe_event("evt_nothing", object_id=None)
    for name in ("evt_nothing", "evt_never", "%00", "x" * 300, "%ff", "a%20b"):
        admin.get(f"{LIST}/{name}/rejeu")
        assert admin.status == 404, name


def test_differences_show_both_sides(support: Browser) -> None:
    add_difference()
    (shown,) = support.get("/admin/paiements/ecarts").rows
    assert shown[2:] == ['{"amount": 500}', '{"amount": 499}', "non"]


def test_declarations_without_an_order_are_listed_and_support_sees_no_whole_address(
    admin: Browser, support: Browser
) -> None:
    columns = {"kind": DeclarationKind.WITHDRAWAL, "made_by": DeclaredBy.FORM, "reference": "7KQ2M9XWPA"}
    for number, because in enumerate(("no_order", "no_order", "period_over", "no_order")):
        at, email = clock() + timedelta(seconds=number), f"camille{number}@example.org"
        save(Declaration(made_at=at, email=email, refused_because=because, **columns))
    page = "/admin/declarations"
    found = [each for shown in walk(admin, f"{page}?open=true&limit=2", lambda row: row[2]) for each in shown]
    assert found == [f"camille{number}@example.org" for number in (3, 1, 0)]
    assert [row[5] for row in support.get(f"{page}?open=false").rows] == ["Sans effet period_over"]
    assert {row[2] for row in support.get(page).rows} == {"c…@example.org"}
    assert "camille" not in support.page.html
    assert len(audit("declarations.list")[-1].changes["seen"]) == 4


@pytest.fixture
def three_days(frozen: time_machine.Traveller, database: str) -> None:
    """Issue documents on two days in Paris; the second begins at 23:00 UTC."""
    frozen.move_to(datetime(2026, 11, 20, 22, 59, tzinfo=UTC))
    first = pay(cents=1499)
    pay(cents=499)
    issue()
    frozen.move_to(datetime(2026, 11, 20, 23, 0, tzinfo=UTC))
    refund(first, 500)
    issue()


def test_each_day_has_its_totals_and_the_file_has_the_same(three_days: None, app: Flask) -> None:
    support = seat_operator(app, Role.SUPPORT)
    first, second = support.get(f"{TOTALS}?first=2026-11-20&last=2026-11-21").rows
    assert (first[0], first[2:4], plain(first[6])) == ("20 novembre 2026", ["2", "0"], "19,98 €")
    assert (second[0], second[2:4], plain(second[6])) == ("21 novembre 2026", ["0", "1"], "-5,00 €")
    assert "TVA non applicable, art. 293 B du CGI" in first[1]
    assert len(support.get(TOTALS).rows) == 2, "the month so far"
    assert len(support.get(f"{TOTALS}?first=2026-11-21&last=2026-11-30").rows) == 1
    answer = support.client.get(f"{TOTALS}.csv?first=2026-11-01&last=2026-11-30")
    assert answer.mimetype == "text/csv"
    found = [int(each["gross"]) for each in csv.DictReader(io.StringIO(answer.text))]
    assert found == [1998, -500]
    assert sum(found) == sum_documents(issue())
    assert audit("invoice-totals.export")[-1].changes == {"first": "2026-11-01", "last": "2026-11-30"}


@in_turn(
    "days",
    [
        "first=2026-11-02&last=2026-11-01",
        "first=2024-01-01&last=2026-11-01",
        "first=2026-02-30&last=2026-03-01",
        "first=0001-01-01&last=0001-01-02",
        "first=9999-12-31&last=9999-12-31",
        "last=9999-12-31",
    ],
)
def test_days_that_make_no_sense_are_refused(support: Browser, days: str) -> None:
    assert support.get(f"{TOTALS}?{days}").title.startswith("Erreur")
    support.get(f"{TOTALS}.csv?{days}")
    assert support.status == 404
