"""The books of `make chaos` read real payments, withdrawals and deletions on both sides."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import redis

from api.background.jobs import credit_outages, issue_invoices
from api.declarations.records import Author
from api.declarations.service import withdraw_order
from api.deletion.service import delete_account
from api.models.base import engine, session
from api.models.declaration import Declaration, DeclaredBy
from api.models.payment import Payment
from api.models.user import Channel
from api.payments import jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.billing.till import ALERT, Till
from tests.api.declarations.orders import buy, hand_over, read_declarations, withdraw
from tests.api.payments.shop import Shop, order_refund
from tests.clients import Person
from tests.factories import add_desk, make_room_for_checks, rows
from tests.lab.chaos.books import read_promises
from tests.lab.chaos.consumers import Buyer, Consumers, FormerBuyer
from tests.lab.chaos.inbox import InboxMessage
from tests.lab.chaos.journal import OpeningJournal
from tests.lab.chaos.law import read_deletions
from tests.lab.chaos.money import RECEIPTS, read_payments, read_withdrawals

NUMBER = "7KQ2M9XWPA"
JOURNAL = OpeningJournal()


@pytest.fixture(autouse=True)
def invoices(settings_env: Callable[..., None], tmp_path: Path) -> None:
    settings_env(INVOICES_URL=tmp_path / "invoices")


def payments(shop: Shop, taken: int = 1) -> tuple[Counter[str], list[str]]:
    """Return what the book of payments counts and finds; each mail was taken so often."""
    inbox: Any = SimpleNamespace(received=lambda _: (clock(),) * taken)
    book = read_payments(engine(), inbox, shop.control, JOURNAL)
    return book.counts, book.differences


def withdrawals(
    shop: Shop, *mails: InboxMessage, answered: tuple[UUID, ...] = ()
) -> tuple[Counter[str], list[str]]:
    book = read_withdrawals(engine(), shop.control, [str(each) for each in answered], mails, JOURNAL)
    return book.counts, book.differences


def acknowledge(row: Declaration, reference: str | None = None) -> InboxMessage:
    """Return the receipt, as the inbox shows it."""
    text = f"{row.made_at.astimezone(ZoneInfo('Europe/Paris')):%H:%M:%S}\nCommande n° {reference or row.reference}"
    mail = Channel.EMAIL, "a@shop.example.org", clock(), frozenset({"n1"}), "sendgrid"
    return InboxMessage(1, *mail, RECEIPTS[0], text)


def test_real_payments_agree_and_what_the_worker_has_not_done_waits(shop: Shop, camille: Person) -> None:
    paid = shop.buy(camille.id)
    sums = {"payments": 1, "cents paid": 1499, "grants": 1, "order mails": 1, "cents that differ": 0}
    assert payments(shop) == (sums, [])
    order_refund(paid, 100)
    waiting, difference = payments(shop)[1]
    assert waiting.startswith("still waits: refund ")
    assert difference.endswith("refunded 100 cents here, 0 at Stripe")
    shop.clock.shift(timedelta(minutes=2))
    jobs.work_off()
    shop.deliver()
    assert payments(shop) == ({**sums, "cents refunded": 100}, [])


def test_an_order_mail_that_never_came_or_came_twice_is_named(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id)
    for taken, said in ((0, "COMPLETED with order mails taken at [()]"), (2, "the order mail came twice")):
        (difference,) = payments(shop, taken)[1]
        assert said in difference


def test_a_withdrawal_is_right_with_its_receipt_its_money_and_its_documents(
    shop: Shop, camille: Person
) -> None:
    order = shop.buy(camille.id, PlanName.URGENCE_24H, order_number=NUMBER, order_mail_at=clock())
    shop.pass_time(hours=6)
    row = withdraw_order(order, Author(DeclaredBy.ACCOUNT, "fr"))
    found = read_promises(engine(), 0).differences
    assert f"a payment has no invoice, or two: {order}" in found
    shop.deliver()
    jobs.work_off()
    issue_invoices()
    receipt = acknowledge(row)
    assert withdrawals(shop)[1] == [f"withdrawal {row.id}: 0 receipts"]
    assert withdrawals(shop, receipt, answered=(row.id,)) == ({"withdrawals": 1, "cents withdrawn": 375}, [])
    assert withdrawals(shop, receipt, receipt)[1][0].startswith(
        f"withdrawal {row.id}: its receipt came twice"
    )
    assert withdrawals(shop, receipt, answered=(order,))[1] == [f"withdrawal {order}: answered, and lost"]
    found = read_promises(engine(), 0).differences
    assert not [each for each in found if "document" in each or "invoice" in each or "credit note" in each]


def test_a_day_that_a_step_of_the_clock_leaves_out_is_owed_and_no_difference(till: Till) -> None:
    """Nothing was watched in it: a week is not used by it, and a month owes it beside what the withdrawal gives."""
    make_room_for_checks(days=3)
    add_desk(feasible_seconds=1800)
    week = buy(till)
    till.person.post("/api/alerts", ALERT)
    till.shop.clock.shift(timedelta(days=1, minutes=5))
    assert withdraw(till, week).refund_cents == 1499
    till.shop.deliver()
    assert withdrawals(till.shop, acknowledge(read_declarations()[0]))[1] == []


def test_what_an_outage_takes_off_an_invoice_follows_a_withdrawal(till: Till) -> None:
    make_room_for_checks(days=3)
    add_desk(feasible_seconds=1800)
    till.buy(PlanName.URGENCE_TOTAL, alert=ALERT)
    hand_over()
    till.shop.clock.shift(timedelta(days=1))
    credit_outages()
    till.shop.work()
    till.shop.clock.shift(timedelta(days=-1, minutes=6))
    (order,) = rows(Payment)
    row = withdraw(till, order)
    jobs.work_off()
    till.shop.deliver()
    assert withdrawals(till.shop, acknowledge(row))[1] == []
    assert (row.refund_cents, till.shop.control.ledger()[0]["refunded"]) == (2899, 2899)
    credit_outages()  # hourly
    till.shop.clock.shift(timedelta(minutes=2))
    jobs.work_off()
    till.shop.deliver()
    assert till.shop.control.ledger()[0]["refunded"] == 2999


def test_a_subscription_that_is_over_here_and_runs_at_stripe_is_named(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, PlanName.URGENCE_TOTAL, order_number=NUMBER)
    assert withdrawals(shop)[1] == []
    with session() as s:
        delete_account(s, camille.id, understood=True)
    (difference,) = withdrawals(shop)[1]
    assert difference.endswith("over here, active at Stripe")
    jobs.work_off()
    assert withdrawals(shop)[1] == []


def test_an_account_that_was_deleted_and_is_still_there_is_found(
    shop: Shop, camille: Person, redis_server: redis.Redis, tmp_path: Path
) -> None:
    shop.buy(camille.id, client_name="Camille Chaos01")
    who = Buyer("shopper1@shop.example.org", "Camille Chaos01", frozenset({str(camille.id)}))
    nobody: Any = None
    consumers = Consumers(nobody, former=[FormerBuyer(who, clock())])
    book = read_deletions(redis_server, tmp_path, consumers=consumers, mails=[], journal=JOURNAL)
    found = {each.partition(":")[0] for each in book.differences}
    assert {"table users", "table payments", "table grants", who.email} <= found
