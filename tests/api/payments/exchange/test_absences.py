"""What the daily comparison makes of absences of any length, odd objects, a weaker key, and of Stripe's own ledger."""

from datetime import timedelta

import pytest

from api.admin.health.payments import read_payments
from api.jobs.registry import Job
from api.jobs.schedule import list_jobs
from api.jobs.turns import add_jobs, end_done, take_turn
from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Payment, PaymentStatus
from api.models.stripe_event import PaymentDifference
from api.models.user import Role
from api.payments.exchange.reconciliation import JOB, LEDGER_UNTIL, OBJECTS_UNTIL, reconcile
from api.payments.gateway.errors import StripeAway
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import read_balances
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.resources.balance import book_movement
from tests.api.payments.shop import (
    Shop,
    find_intent,
    get_payment,
    get_subscription,
    list_grants,
    list_messages,
    list_refunds,
)
from tests.api.payments.till import Till
from tests.clients import Person
from tests.factories import change, give_role, rows
from tests.running_sandbox import Running
from tests.samples import try_first


def _find_job() -> Job:
    return next(each for each in list_jobs() if each.name == JOB)


def run_comparison() -> dict[str, int]:
    """Do the daily job as its worker does; return its counts."""
    with session() as s:
        add_jobs(s, [_find_job()], clock())
    with session() as s:
        turn = take_turn(s, _find_job(), clock(), nudged=True)
    assert turn
    counts = _find_job().run()
    with session() as s:
        assert end_done(s, turn, clock(), counts)
    return counts


def be_away(shop: Shop, days: int) -> None:
    """Let days pass of which nothing is heard: Stripe gives up sending an event after three."""
    shop.clock.shift(timedelta(days=days))
    shop.control.advance()
    shop.control.take_deliveries()


@pytest.mark.parametrize("days", try_first([20, 5, 40], 1))
def test_a_renewal_of_any_absence_gives_its_month(shop: Shop, camille: Person, days: int) -> None:
    shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    shop.pass_time(days=29)
    run_comparison()
    be_away(shop, days)
    assert run_comparison()["left"] == 0
    paid = [each["amount_paid"] for each in shop.control.objects("invoice") if each["status"] == "paid"]
    assert paid == [each.amount_cents for each in rows(Payment)]
    assert {each.status for each in rows(Payment)} == {PaymentStatus.COMPLETED}
    assert max(each.ends_at for each in list_grants(camille.id)) > clock()
    assert run_comparison()["different"] == 0


def test_what_is_too_long_ago_to_be_listed_is_for_operators(shop: Shop, camille: Person) -> None:
    give_role(camille.id, Role.ADMIN)
    began = clock()
    run_comparison()
    be_away(shop, 45)
    run_comparison()
    (mail,) = rows(Notification, Notification.kind == "payment_trouble")
    assert (
        f"{began - timedelta(hours=1):%Y-%m-%d %H:%M} to {clock() - timedelta(days=30):%Y-%m-%d %H:%M} UTC"
        in (mail.params["detail"])
    )


@pytest.mark.months
def test_who_ended_a_subscription_during_an_absence_can_buy_again(till: Till) -> None:
    till.buy(PlanName.URGENCE_TOTAL)
    till.shop.pass_time(days=25)
    run_comparison()
    (known,) = till.shop.control.objects("subscription")
    till.shop.control.cancel_subscription(known["id"])
    be_away(till.shop, 40)  # no event of it is listed any more
    run_comparison()
    assert get_subscription().ended_at is not None
    till.sign_in()
    assert till.order(PlanName.URGENCE_TOTAL).status_code == 200


def test_a_refund_of_the_dashboard_during_an_absence_is_in_the_book(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    issue_due(10)
    run_comparison()
    shop.control.refund(find_intent(payment_id), amount=500)
    be_away(shop, 5)
    assert run_comparison()["left"] == 0
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500]
    with session() as s:
        assert read_balances(s, payment_id).cash == 999


def test_an_object_of_an_unknown_shape_is_named_and_the_others_are_compared(
    shop: Shop, camille: Person, sandbox: Running
) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)

    def oddities(account: Account) -> None:
        account.emit(
            "coupon.created", account.new("coupon", id="ÉTÉ")
        )  # of another application: nothing to us
        account.emit(
            "refund.created",
            account.new(
                "refund", id="re_ÉTÉ", amount=5, currency="eur", payment_intent=None, status="succeeded"
            ),
        )
        account.new("invoice", id="in_odd", amount_due="much", _payments=[])

    sandbox.do(lambda stand_ins: oddities(stand_ins.stripe.account))
    shop.control.take_deliveries()
    found = reconcile()
    assert found["left"] == 2
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED
    unread = {each.object_id: each.stripe for each in rows(PaymentDifference) if not each.repaired}
    assert set(unread) == {
        "in_odd",
        next(each.object_id for each in rows(PaymentDifference) if each.object_id.startswith("evt")),
    }
    assert "amount_due" in unread["in_odd"]["unread"]


def test_the_book_is_checked_while_stripe_is_away(shop: Shop, camille: Person) -> None:
    give_role(camille.id, Role.ADMIN)
    payment_id = shop.buy(camille.id)
    change(Payment, Payment.id == payment_id, amount_cents=1500)
    shop.control.mode("error_500")
    with pytest.raises(StripeAway):
        reconcile()
    assert [each.payment_id for each in rows(PaymentDifference)] == [payment_id]
    assert list_messages() == ["order", "payment_trouble"]


def test_cash_is_held_against_stripes_own_ledger(shop: Shop, camille: Person, sandbox: Running) -> None:
    old, new = shop.buy(camille.id), shop.buy(camille.id)
    issue_due(10)
    shop.control.choose(refunds_begin="pending")  # the money has left at Stripe, and is not gone here
    shop.control.refund(find_intent(old), amount=100)
    shop.deliver()
    assert run_comparison()["different"] == 0
    shop.clock.shift(timedelta(days=1))

    intents = find_intent(old), find_intent(new)

    def lose_a_cent(account: Account) -> None:
        for intent in intents:
            (charge,) = account.where("charge", payment_intent=intent)
            charge["amount_refunded"] += 1
            refund = account.new(
                "refund",
                amount=1,
                currency="eur",
                charge=charge["id"],
                payment_intent=intent,
                status="succeeded",
                created=0,
            )  # which no list of the last days has
            refund["balance_transaction"] = book_movement(account, refund, -1, "refund")["id"]
        payout = account.new(
            "refund", id="po_1", amount=9, currency="eur", payment_intent=None, status="succeeded", created=0
        )
        book_movement(account, payout, -9, "payout")

    sandbox.do(lambda stand_ins: lose_a_cent(stand_ins.stripe.account))
    assert run_comparison()["left"] == 0
    found = {each.object_id: (each.ours, each.stripe, each.repaired) for each in rows(PaymentDifference)}
    assert found == {
        intents[0]: ({"cash": 1499}, {"ledger": 1498}, True),
        intents[1]: ({"cash": 1499}, {"ledger": 1498}, True),
    }


def test_a_key_that_may_not_read_the_ledger_is_named_and_the_rest_is_compared(
    shop: Shop, camille: Person
) -> None:
    payment_id = shop.buy(camille.id)
    shop.control.refund(find_intent(payment_id), amount=500)
    shop.control.take_deliveries()
    shop.control.mode("forbidden", path="/v1/balance_transactions")
    assert run_comparison()["left"] == 0
    assert [each.amount_cents for each in list_refunds(payment_id)] == [500]
    assert read_payments()["ledger_unread"]
    shop.control.mode("normal")
    shop.clock.shift(timedelta(days=1))
    counts = run_comparison()
    assert counts[LEDGER_UNTIL] == counts[OBJECTS_UNTIL]
    assert not read_payments()["ledger_unread"]
