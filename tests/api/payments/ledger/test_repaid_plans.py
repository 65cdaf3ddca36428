"""Plans that end because their money goes back: time and money are given once, and the book finds no fault in it."""

from datetime import timedelta

import pytest

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.desk import Outage, OutageReason
from api.models.payment import Payment, RefundReason, WatchCredit
from api.payments.exchange import jobs as payment_jobs
from api.payments.exchange.book_checks import find_book_faults
from api.payments.ledger.book import read_balances
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.declarations.orders import hand_over
from tests.api.payments.shop import find_intent, list_grants, list_refunds, order_refund, send_commands
from tests.api.payments.till import ALERT, Till
from tests.factories import BOBIGNY, add_checks, add_desk, one, rows, save
from tests.samples import try_first

WEEK, TOTAL = PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


def watch(days: int) -> None:
    """Let the desk be watched without a gap for so many days."""
    add_checks(BOBIGNY, clock(), [30 * each for each in range(days * 48 + 1)])


def refund_closed_desk(till: Till) -> int:
    """Close the desk now, and choose the money a day and a half later; return the cents that go back."""
    add_desk()
    save(Outage(desk_id=BOBIGNY, starts_at=clock(), reason=OutageReason.CLOSED))
    till.shop.pass_time(days=1, hours=12)
    till.sign_in()
    (alert,) = till.person.get("/api/alerts").json["items"]
    answer = till.post("closed-desk-refund", {"alertId": alert["id"]})
    assert answer.status_code == 200, answer.json
    till.shop.work_off()
    till.shop.deliver()
    return int(answer.json["refund"])


def list_faults() -> list[str]:
    """Return what the checks of the book find; what lacks its documents is left out."""
    with session() as s:
        return [each.object_id for each in find_book_faults(s) if not each.object_id.startswith("documents")]


def test_the_time_since_a_closing_is_given_back_and_no_more_than_was_not_watched(till: Till) -> None:
    watch(1)
    till.buy(WEEK, alert=ALERT)
    till.shop.pass_time(days=1)
    assert refund_closed_desk(till) == 1285
    (credit,) = rows(WatchCredit)
    assert timedelta(seconds=credit.seconds) == timedelta(days=1, hours=12)
    till.shop.pass_time(days=7)
    jobs.credit_outages()
    payment_jobs.work_off()
    assert list_faults() == []
    assert len(rows(WatchCredit)) == 1


@pytest.fixture
def upgraded(till: Till) -> Till:
    """Give a month that was bought for 15.08 after an hour of seven days, and half of which ran."""
    watch(20)
    till.buy(WEEK, alert=ALERT)
    till.shop.pass_time(hours=1)
    till.buy(TOTAL)
    hand_over()
    till.shop.pass_time(days=15)
    return till


def find_month() -> Payment:
    return one(Payment, Payment.plan == TOTAL)


def list_revived(till: Till) -> list[timedelta]:
    return [each.ends_at - each.starts_at for each in list_grants(till.person.id) if each.source == "revived"]


def read_worth(till: Till) -> int:
    """Return what is still to be used or given back of both payments, in cents."""
    with session() as s:
        return sum(-read_balances(s, each.id).unearned for each in rows(Payment))


@pytest.mark.journey
def test_a_closed_desk_after_an_upgrade_gives_money_and_no_time_for_it(upgraded: Till) -> None:
    assert refund_closed_desk(upgraded) == 1500  # half of 29.99
    assert [each.amount_cents for each in list_refunds(find_month().id)] == [1500]
    assert list_revived(upgraded) == []
    assert read_worth(upgraded) == 0
    assert list_faults() == []


@pytest.mark.parametrize("bank", try_first([True, False], 1))
def test_an_upgrade_whose_money_went_back_after_half_of_it_revives_nothing(
    upgraded: Till, *, bank: bool
) -> None:
    month = find_month()
    if bank:
        dispute = upgraded.shop.control.dispute(find_intent(month.id), amount=1508)
        upgraded.shop.deliver()
        upgraded.shop.control.close_dispute(dispute["id"], "lost")
    else:
        order_refund(month.id, month.amount_cents, RefundReason.OPERATOR)
        send_commands()
    upgraded.shop.deliver()
    assert upgraded.read_plan() is PlanName.NONE
    assert list_revived(upgraded) == []
    upgraded.shop.pass_time(days=1)
    jobs.reconcile_payments()
    assert list_faults() == []


@pytest.mark.parametrize("bank", [True, False])
def test_an_upgrade_whose_money_went_back_at_once_revives_what_it_credited(till: Till, *, bank: bool) -> None:
    watch(1)
    till.buy(WEEK, alert=ALERT)
    till.shop.pass_time(hours=1)
    till.buy(TOTAL)
    month = find_month()
    if bank:
        dispute = till.shop.control.dispute(find_intent(month.id), amount=1508)
        till.shop.deliver()
        till.shop.control.close_dispute(dispute["id"], "lost")
    else:
        order_refund(month.id, month.amount_cents, RefundReason.OPERATOR)
        send_commands()
    till.shop.deliver()
    assert till.read_plan() is WEEK
    (left,) = list_revived(till)
    assert abs(left - timedelta(days=6, hours=23)) < timedelta(minutes=1)
