"""Credits for time without watching, given once: off an invoice that is paid, or as money, in whole."""

from datetime import timedelta
from uuid import UUID

import pytest

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.desk import Outage, OutageReason
from api.models.payment import (
    Payment,
    PaymentStatus,
    Refund,
    RefundReason,
    RefundStatus,
    Subscription,
    WatchCredit,
)
from api.payments.billing.plan_ends import quote_closed_desk
from api.payments.declarations.withdrawals import read_order
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import list_grants
from tests.api.payments.till import ALERT, Till
from tests.factories import BOBIGNY, add_checks, add_desk, change, rows, save
from tests.running_sandbox import Running

DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL
pytestmark = pytest.mark.months


@pytest.fixture(autouse=True)
def _desk(till: Till) -> None:
    add_desk(feasible_seconds=1800)  # it is asked each half hour


def watch_but(*holes: tuple[float, float], days: int = 62) -> None:
    """Write an answer each half hour from now on, but none between these days."""
    halves = (each for each in range(1, days * 48) if not any(a * 48 < each < b * 48 for a, b in holes))
    add_checks(BOBIGNY, clock(), [30 * each for each in halves])


def work(till: Till) -> None:
    payment_jobs.work_off()
    jobs.apply_declarations()
    jobs.credit_outages()
    till.shop.deliver()
    till.shop.work_off()
    till.shop.deliver()


def pass_days(till: Till, days: int, step: int = 1) -> None:
    for _ in range(0, days, step):
        till.shop.pass_time(days=step)
        work(till)


def sum_refunds() -> int:
    return sum(each.amount_cents for each in rows(Refund) if each.status is RefundStatus.SUCCEEDED)


def read_given() -> tuple[int, int]:
    """Return what was owed, and what came back: as money, or off invoices that were paid."""
    owed = sum(each.amount_cents for each in rows(WatchCredit))
    off = sum(2999 - each.amount_cents for each in rows(Payment) if each.paid_at and each.plan is TOTAL)
    return owed, off + sum_refunds()


def wish_for_money(till: Till) -> None:
    answer = till.person.send("PATCH", "/api/users/profile", {"outageCredit": "refund"})
    assert answer.status_code == 200


def test_01_an_undone_cancellation_gives_it_once(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125))
    till.shop.pass_time(days=5, hours=6)
    work(till)
    assert till.post("cancel", {"periodEnd": True}).status_code == 200
    work(till)
    assert till.post("cancel/undo", {}).status_code == 200
    pass_days(till, 28, step=7)
    assert read_given() == (500, 500)
    assert len([each for each in rows(Payment) if each.paid_at]) == 2


@pytest.mark.journey
def test_02_a_renewal_that_is_never_paid_gives_it_as_money(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125))
    pass_days(till, 24, step=6)
    till.use_bad_card()
    pass_days(till, 8, step=4)
    pass_days(till, 32, step=16)
    assert read_given() == (500, 500)
    (row,) = rows(Subscription)
    assert row.ended_at


@pytest.mark.journey
def test_02_a_renewal_that_is_given_up_gives_it_as_money_though_the_plan_goes_on(
    till: Till, sandbox: Running
) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125))
    pass_days(till, 24, step=6)
    till.use_bad_card()
    pass_days(till, 7, step=7)
    account = sandbox._sandbox.stripe.account
    renewal = account.all("invoice")[-1]
    account.change(renewal, "invoice.updated", status="uncollectible", auto_advance=False)
    account.emit("invoice.marked_uncollectible", renewal)
    work(till)
    assert (sum_refunds(), renewal["status"]) == (500, "void")
    (row,) = rows(Subscription)
    assert (row.status, row.ended_at) == ("past_due", None)


@pytest.mark.journey
def test_02_an_item_that_came_after_the_renewal_waits_for_the_next(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((24, 29.9))
    pass_days(till, 25, step=5)
    till.shop.pass_time(days=4, hours=23)
    till.shop.control.mode("error_500", path="/v1/invoiceitems")
    work(till)
    till.shop.pass_time(hours=2)
    till.shop.control.mode("normal")
    till.shop.pass_time(minutes=30)
    work(till)
    pass_days(till, 2)
    till.sign_in()
    assert till.post("cancel", {"periodEnd": True}).status_code == 200
    pass_days(till, 30, step=6)
    owed, given = read_given()
    assert owed == given > 500


@pytest.mark.journey
def test_04_a_month_that_a_credit_paid_in_part_is_worth_its_price(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125))
    pass_days(till, 30, step=15)
    pass_days(till, 2)
    assert read_given() == (500, 500)
    renewal = max(rows(Payment), key=lambda each: each.created_at)
    assert [each.borne_by_id for each in rows(WatchCredit)] == [renewal.id]
    till.sign_in()
    wanted = {"on": f"{clock() + timedelta(days=3):%Y-%m-%d}"}
    said = till.post("cancel", wanted).json
    pass_days(till, 6)
    second = max(rows(Payment), key=lambda each: each.created_at)
    (grant,) = (each for each in list_grants(till.person.id) if each.payment_id == second.id)
    unused = 1 - (grant.ends_at - grant.starts_at) / timedelta(days=31)
    assert second.amount_cents == 2499
    assert sum_refunds() == said["refund"]
    assert 0 <= sum_refunds() - 2999 * unused < 1


def test_04_its_own_outage_is_priced_whole(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125), (31, 36))
    pass_days(till, 30, step=15)
    pass_days(till, 2)
    pass_days(till, 5, step=5)
    amounts = [each.amount_cents for each in sorted(rows(WatchCredit), key=lambda each: each.id)]
    assert (amounts[0], sum(amounts[1:])) == (500, 484)


@pytest.mark.journey
def test_04_a_desk_that_closed_gives_back_what_an_outage_paid_of_the_month(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125), days=33)
    pass_days(till, 30, step=6)
    pass_days(till, 2)
    renewal = max(rows(Payment), key=lambda each: each.created_at)
    (begun,) = (each.starts_at for each in list_grants(till.person.id) if each.payment_id == renewal.id)
    save(Outage(desk_id=BOBIGNY, starts_at=begun - timedelta(minutes=1), reason=OutageReason.CLOSED))
    till.sign_in()
    alert = till.person.get("/api/alerts").json["items"][0]["id"]
    with session() as s:
        quoted = quote_closed_desk(s, till.person.id, UUID(alert)).refund
    said = till.post("closed-desk-refund", {"alertId": alert}).json
    till.shop.deliver()
    back = [each for each in rows(Refund) if each.reason is RefundReason.NOT_WATCHED]
    assert (quoted, said["refund"], sum(each.amount_cents for each in back)) == (2999,) * 3
    assert sorted(each.amount_cents for each in back) == [500, 2499]


@pytest.mark.journey
def test_05_an_outage_has_the_price_of_its_own_month(till: Till) -> None:
    till.shop.clock.move_to("2027-02-10T09:00:00+00:00")
    till.shop.control.move_to(int(clock().timestamp()))
    till.sign_in()
    till.buy(TOTAL, alert=ALERT)
    watch_but((23, 28.0625), days=33)
    pass_days(till, 30, step=6)
    first = min(rows(WatchCredit), key=lambda each: each.id)
    days = first.seconds / 86400
    assert 0 <= first.amount_cents - 2999 * days / 28 < 1


def test_11_what_was_used_is_paid(till: Till) -> None:
    """An upgrade, a cancellation that pays all of its own money back, then a withdrawal from the cheaper plan."""
    till.buy(WEEK)
    till.shop.clock.shift(timedelta(minutes=1))
    till.buy(TOTAL)
    for each in rows(Payment):
        hand_over(till, each)
    pass_days(till, 4, step=4)
    till.sign_in()
    first, month = sorted(rows(Payment), key=lambda each: each.id)
    assert till.post("cancel", {"on": f"{clock():%Y-%m-%d}"}).status_code == 200
    till.shop.clock.move_to(clock().replace(hour=23, minute=0, second=1))
    till.shop.control.advance()
    work(till)
    for each in (month, first):
        till.post("withdraw", {"paymentId": str(each.id)})
        work(till)
    used = sum(
        (each.ends_at - each.starts_at for each in list_grants(till.person.id) if each.plan is TOTAL),
        timedelta(),
    )
    kept = sum(each["captured"] - each["refunded"] for each in till.shop.control.ledger())
    assert kept >= int(2999 * used / timedelta(days=30)) - 1


def test_11_a_withdrawal_from_both_pays_what_was_used_of_both(till: Till) -> None:
    till.buy(WEEK)
    till.buy(TOTAL)
    for each in rows(Payment):
        hand_over(till, each)
    till.shop.pass_time(days=12)
    till.sign_in()
    first, month = sorted(rows(Payment), key=lambda each: each.id)
    for each in (month, first):
        assert till.post("withdraw", {"paymentId": str(each.id)}).status_code == 200
        work(till)
    kept = sum(each["captured"] - each["refunded"] for each in till.shop.control.ledger())
    assert abs(kept - 2999 * 12 / 30) < 3


@pytest.mark.journey
def test_11_a_withdrawal_gives_all_money_back_though_a_renewal_gives_some_of_the_orders(till: Till) -> None:
    """An upgrade whose outage lowered a renewal, withdrawn from without a notice of the right."""
    till.buy(DAY)
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 1.125))
    pass_days(till, 32, step=8)
    order, renewal = sorted((each for each in rows(Payment) if each.plan is TOTAL), key=lambda each: each.id)
    assert (order.amount_cents, renewal.amount_cents) == (2500, 2899)
    till.sign_in()
    with session() as s:
        quoted = read_order(s, order.id).refund
    said = till.post("withdraw", {"paymentId": str(order.id)}).json
    work(till)
    assert quoted == said["refund"] == sum_refunds() == 2500 + 2899
    (first,) = (each for each in rows(Payment) if each.plan is DAY)
    assert till.post("withdraw", {"paymentId": str(first.id)}).status_code == 200
    work(till)
    assert sum_refunds() == 499 + 2500 + 2899, "nobody told of the right: nothing is owed"


@pytest.mark.journey
def test_11_a_withdrawal_gives_all_money_back_though_each_renewal_bears_an_outage_of_the_one_before(
    till: Till,
) -> None:
    """Nobody told of the right: nothing is owed. The second renewal's credit is in the order's money, not the first's."""
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125), (33, 35), days=70)
    pass_days(till, 66, step=3)
    paid = [each.amount_cents for each in sorted(rows(Payment), key=lambda each: each.id) if each.paid_at]
    assert paid[:2] == [2999, 2499]
    assert 2499 < paid[2] < 2999
    till.sign_in()
    order = min(rows(Payment), key=lambda each: each.id)
    with session() as s:
        quoted = read_order(s, order.id).refund
    said = till.post("withdraw", {"paymentId": str(order.id)}).json
    work(till)
    assert (quoted, said["refund"], sum_refunds()) == (sum(paid),) * 3


@pytest.mark.journey
def test_11_what_the_last_renewal_is_owed_for_an_outage_is_found_once_all_money_went_back(till: Till) -> None:
    """The order's money paid a part of both renewals' refunds; it is no part of the price of the second."""
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 5.125), (33, 35), days=70)
    pass_days(till, 66, step=6)
    till.sign_in()
    order = min(rows(Payment), key=lambda each: each.id)
    said = till.post("withdraw", {"paymentId": str(order.id)}).json
    work(till)
    owed = 194  # cents for the days that the second renewal lost, refunded apart from the withdrawal
    assert (said["refund"] + owed, sum_refunds()) == (sum(each.amount_cents for each in rows(Payment)),) * 2


@pytest.mark.journey
def test_12_time_without_watching_was_not_used_also_after_an_upgrade(till: Till) -> None:
    till.buy(WEEK, alert=ALERT)
    watch_but((1 / 48, 2 + 1 / 48), days=3)
    till.shop.pass_time(hours=49.5)
    jobs.credit_outages()
    till.buy(TOTAL)
    for each in rows(Payment):
        hand_over(till, each)
    for each in sorted(rows(Payment), key=lambda each: each.id, reverse=True):
        assert till.post("withdraw", {"paymentId": str(each.id)}).status_code == 200
        work(till)
    kept = sum(each["captured"] - each["refunded"] for each in till.shop.control.ledger())
    assert kept <= 1499 * 1.5 / (7 * 24) + 1


def test_13_money_for_an_outage_is_its_worth_and_ends_nothing(till: Till) -> None:
    """A month that was paid by 29.49 of credit, and by 0.50 of money."""
    wish_for_money(till)
    till.buy(WEEK)
    till.shop.clock.shift(timedelta(minutes=11))
    till.buy(WEEK)
    till.buy(TOTAL, alert=ALERT)
    assert sorted(each.amount_cents for each in rows(Payment)) == [50, 1499, 1499]
    watch_but((0.125, 5.125), (6, 8), days=12)
    pass_days(till, 10, step=5)
    assert sum_refunds() == 500 + 200
    assert [each.ends_at > clock() for each in list_grants(till.person.id) if each.plan is TOTAL] == [True]
    (row,) = rows(Subscription)
    assert (row.status, row.cancel_wanted_at) == ("active", None)
    assert [each.status for each in rows(Payment) if each.plan is WEEK] == [PaymentStatus.COMPLETED] * 2


def test_18_who_chooses_money_later_gets_it(till: Till) -> None:
    till.buy(TOTAL, alert=ALERT)
    watch_but((0.125, 2.125), days=4)
    till.shop.pass_time(days=2, hours=6)
    work(till)
    assert (sum_refunds(), [each.amount_cents for each in rows(WatchCredit)]) == (0, [200])
    wish_for_money(till)
    for _ in range(2):
        work(till)
    assert sum_refunds() == 200
    assert till.shop.control.objects("invoiceitem") == []


def hand_over(till: Till, payment: Payment) -> None:
    """Let a provider take the order mail, which holds the notice of the right."""
    change(Payment, Payment.id == payment.id, order_mail_at=payment.paid_at)
