"""Withdrawals in the account: when they count, what goes back, and that nothing happens twice."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from api.ground.errors import ApiError
from api.jobs import schedule as jobs
from api.jobs.self_checks import find_broken_promises
from api.models.base import engine, session
from api.models.declaration import Declaration, DeclaredBy
from api.models.payment import Payment, PaymentStatus
from api.payments.declarations import service
from api.payments.declarations.records import Author
from api.payments.declarations.withdrawals import declare_withdrawal
from api.payments.exchange import jobs as payment_jobs
from api.payments.ledger.payment_events import lock_payment
from configs.ground.clock import clock
from configs.ground.signing import WithdrawOrder, write_token
from configs.world.plan import PlanName
from configs.world.withdrawal_period import ZONE
from tests.api.payments.declarations import orders
from tests.api.payments.shop import get_payment, list_grants, list_kinds
from tests.api.payments.till import Till
from tests.factories import add_slot_message, rows
from tests.waiting import until

_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
LAST_SECOND = datetime(2026, 12, 4, 23, 59, 59, tzinfo=ZONE)  # of the fourteenth day after 20 November


def refuse(till: Till, order: Payment) -> str:
    """Return the word with which a withdrawal is refused."""
    with pytest.raises(ApiError) as refused:
        orders.withdraw(till, order)
    assert refused.value.status == 409
    return refused.value.word


def test_a_withdrawal_while_the_clock_is_a_day_back_leaves_no_plan_and_no_alarm_of_what_was_told(
    till: Till,
) -> None:
    order = orders.buy(till)
    told_at = clock()
    till.shop.clock.shift(timedelta(days=-1))
    orders.withdraw(till, order)
    till.shop.clock.move_to(told_at + timedelta(hours=3))
    add_slot_message(told_at, user_id=till.person.id)
    assert list_grants(till.person.id) == []
    with session() as s:
        broken = find_broken_promises(s, told_at - timedelta(days=1), clock())
    assert "somebody without a plan was told of a slot" not in {each.check for each in broken}


def test_the_time_left_goes_back_once_and_both_steps_are_told(till: Till) -> None:
    order = orders.buy(till)
    till.shop.pass_time(days=1)
    made_at = clock()
    answer = till.post("withdraw", {"paymentId": str(order.id), "name": "Camille Martin"})
    assert answer.status_code == 200, answer.json
    assert answer.json["refund"] == 1285  # six sevenths of 14.99 €, rounded up
    assert answer.json["orderNumber"] == order.order_number
    assert datetime.fromisoformat(answer.json["declaredAt"]) == made_at
    till.shop.deliver()
    assert orders.list_amounts() == [1285]
    assert all(each.ends_at <= clock() for each in list_grants(till.person.id))
    assert list_kinds(order.id) == ["paid", "withdrawn"]
    assert [orders.count_mails(kind) for kind in ("withdrawal_received", "withdrawn")] == [1, 1]
    (row,) = orders.read_declarations()
    assert (row.name, row.made_by, row.confirmed_at) == ("Camille Martin", "account", made_at)
    till.shop.pass_time(days=1)
    assert till.post("withdraw", {"paymentId": str(order.id)}).json == answer.json
    assert orders.list_amounts() == [1285]
    assert len(orders.read_declarations()) == 1
    assert orders.count_mails("withdrawal_received") == 1


def test_it_is_possible_to_the_last_second_of_the_fourteenth_day(till: Till) -> None:
    order = orders.buy(till, PlanName.URGENCE_TOTAL)
    till.shop.pass_time(seconds=(LAST_SECOND - clock()).total_seconds() + 1)
    assert refuse(till, order) == "period-over"
    assert orders.read_declarations() == []
    till.shop.clock.shift(-1)
    assert orders.withdraw(till, order).applied_at == LAST_SECOND


def test_it_lasts_longer_while_the_order_mail_was_not_handed_over(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    (order,) = rows(Payment)
    till.shop.pass_time(days=20)
    orders.hand_over()
    till.shop.pass_time(days=9)
    assert jobs.note_order_mails() == {"noted": 1}
    assert jobs.note_order_mails() == {"noted": 0}
    assert get_payment(order.id).order_mail_at is not None
    assert orders.withdraw(till, order).applied_at


def buy_informed_late(till: Till) -> Payment:
    """Buy a subscription whose order mail is handed over after 20 days: its period outlasts the first month."""
    till.buy(PlanName.URGENCE_TOTAL)
    till.shop.pass_time(days=20)
    orders.hand_over()
    order: Payment = rows(Payment)[0]
    return order


def test_without_the_notice_of_the_right_all_goes_back(till: Till) -> None:
    """The order mail holds it; a mail that is handed over after the declaration is too late."""
    till.buy(PlanName.URGENCE_TOTAL)
    (order,) = rows(Payment)
    till.shop.pass_time(days=31)
    page = till.shop.client.get(f"/l/{write_token(WithdrawOrder(order.id))}")
    assert "59,98\u00a0€" in page.text
    with session() as s:
        author = Author(DeclaredBy.ACCOUNT, "fr")
        row = declare_withdrawal(s, order.id, author)
    till.shop.pass_time(hours=1)
    orders.hand_over()
    assert jobs.apply_declarations() == {"due": 1, "failed": 0}
    assert orders.list_amounts() == [2999, 2999]
    assert orders.read_declarations()[0].refund_cents == 2 * 2999
    assert row.made_at < clock()


def test_who_waits_for_a_lock_over_midnight_is_in_time(till: Till) -> None:
    order = orders.buy(till, PlanName.URGENCE_TOTAL)
    till.shop.pass_time(seconds=(LAST_SECOND - clock()).total_seconds())
    with ThreadPoolExecutor(1) as pool:
        with session() as s:
            lock_payment(s, order.id)
            begun = pool.submit(orders.withdraw, till, order)
            with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as other:
                until(lambda: begun.done() or other.scalar(_WAITING))
            till.shop.clock.shift(timedelta(seconds=1))
        assert begun.result(60).made_at == LAST_SECOND


def test_two_at_once_are_one_and_another_person_s_order_does_not_exist(till: Till) -> None:
    order = orders.buy(till)
    for payment_id in (order.id, uuid4()):
        with pytest.raises(ApiError) as refused:
            service.withdraw_order(payment_id, orders.BY_ACCOUNT, uuid4())
        assert refused.value.status == 404
    assert rows(Declaration) == []
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(orders.withdraw, till, order) for _ in range(4)]
    assert len({each.result().id for each in made}) == 1
    assert orders.list_amounts() == [1499]
    assert [orders.count_mails(kind) for kind in ("withdrawal_received", "withdrawn")] == [1, 1]


@pytest.mark.parametrize(
    ("step", "trouble"),
    [("service.apply_soon", lambda _: None), ("withdrawals.withdraw", lambda *_: 1 / 0)],
    ids=["death", "failure"],
)
def test_what_a_program_died_over_or_failed_in_is_applied_by_the_job(
    till: Till, monkeypatch: pytest.MonkeyPatch, step: str, trouble: Callable[..., Any]
) -> None:
    """It was written and acknowledged before: the refund is for the time left at that second."""
    order = orders.buy(till)
    till.shop.pass_time(days=1)
    with monkeypatch.context() as patch:
        patch.setattr(f"api.payments.declarations.{step}", trouble)
        answer = till.post("withdraw", {"paymentId": str(order.id)}).json
    assert (answer["appliedAt"], answer["refund"]) == (None, None)
    assert orders.count_mails("withdrawal_received") == 1
    till.shop.pass_time(days=2)
    for _ in range(2):
        jobs.apply_declarations()
    assert orders.list_amounts() == [1285]
    assert orders.count_mails("withdrawn") == 1


def test_a_subscription_ends_with_its_renewals(till: Till) -> None:
    order = buy_informed_late(till)
    till.shop.pass_time(days=11)
    renewal = next(each for each in rows(Payment) if each.consented_at is None)
    assert renewal.status is PaymentStatus.COMPLETED
    with pytest.raises(ApiError) as refused:
        service.withdraw_order(renewal.id, orders.BY_ACCOUNT, till.person.id)
    assert refused.value.word == "renewal"
    done = orders.withdraw(till, order)
    payment_jobs.work_off()  # asks Stripe for the end
    till.shop.deliver()
    assert orders.list_amounts() == [done.refund_cents], "the first month was used, the second has just begun"
    assert (done.refund_cents or 0) > 2800
    till.shop.pass_time(days=40)
    assert len(rows(Payment)) == 2, "nothing renews any more"


def test_a_renewal_that_was_on_its_way_is_paid_back(till: Till) -> None:
    order = buy_informed_late(till)
    till.shop.clock.shift(timedelta(days=11))
    till.shop.control.advance()
    withheld = till.shop.control.take_deliveries()
    assert any("invoice" in each.type for each in withheld)
    orders.withdraw(till, order)
    till.shop.deliver(withheld)
    till.shop.deliver()
    till.shop.work_off()
    renewal = next(each for each in rows(Payment) if each.consented_at is None)
    assert renewal.refunded_cents == 2903, "a day of 31 was used"
    assert all(each.ends_at <= clock() for each in list_grants(till.person.id))


@pytest.mark.parametrize("ends", [[], ["second"]])
def test_a_revived_day_does_not_run_beside_the_week_that_was_ordered_behind_the_withdrawn_one(
    till: Till, ends: list[str]
) -> None:
    orders.buy(till, PlanName.URGENCE_24H)
    till.shop.pass_time(hours=6)
    first, second = orders.buy(till), orders.buy(till)
    till.shop.pass_time(hours=1)
    for each in (first, *[second for _ in ends]):
        orders.withdraw(till, each)
        till.shop.deliver()
    running = [each for each in list_grants(till.person.id) if each.ends_at > clock()]
    day, before = running[-1], clock() + timedelta(days=0 if ends else 7)
    assert (day.plan, day.source, day.starts_at) == (PlanName.URGENCE_24H, "revived", before)
    assert timedelta(hours=17) < day.ends_at - day.starts_at < timedelta(hours=18)


def test_after_an_upgrade_the_larger_plan_comes_first_and_revives_the_other(till: Till) -> None:
    small = orders.buy(till, PlanName.URGENCE_24H)
    till.shop.pass_time(hours=6)
    large = orders.buy(till, PlanName.URGENCE_7J)
    assert refuse(till, small) == "credited"
    till.shop.pass_time(hours=1)
    orders.withdraw(till, large)
    till.shop.deliver()
    running = [each.plan for each in list_grants(till.person.id) if each.ends_at > clock()]
    assert running == [PlanName.URGENCE_24H]
    orders.withdraw(till, small)
    till.shop.deliver()
    assert len(orders.list_amounts()) == 2
    assert [each for each in list_grants(till.person.id) if each.ends_at > clock()] == []
