"""Orders that another one overtook, plans that an upgrade credited, and the mail of an order before the first alert."""

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from api.ground.errors import ApiError
from api.jobs import schedule as background
from api.models.base import session
from api.models.declaration import DeclaredBy
from api.models.payment import PaymentStatus, RefundReason, Subscription
from api.models.stripe_event import CommandKind
from api.models.user import Channel, Contact, Grant
from api.payments.billing.schemas import Cancellation
from api.payments.declarations.records import Author
from api.payments.declarations.service import cancel_own
from api.payments.exchange.commands import carry_out
from api.payments.ledger.early_ends import shorten_paid_time, withdraw
from api.payments.ledger.payment_events import lock_payment
from configs.ground.clock import clock
from configs.ground.redis import redis
from configs.programs.jobs import queue
from configs.world.plan import PlanName
from notifier.sweep import Sweep
from tests.api.payments.shop import (
    Order,
    Shop,
    apply_event,
    find_intent,
    get_payment,
    list_grants,
    list_messages,
    list_refunds,
    order_refund,
    send_commands,
    take_back,
    upgrade,
)
from tests.api.world import Door
from tests.clients import People, Person
from tests.factories import add_alert, add_contact, change, rows, see
from tests.samples import try_first
from tests.sandbox_controls import Delivery
from tests.waiting import at_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.running_sandbox import Running


_DAY = timedelta(days=1)
DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


def pay(shop: Shop, *orders: Order) -> None:
    for order in orders:
        shop.control.pay(order.session_id)
        shop.deliver()
    shop.deliver()


def list_running(user_id: UUID) -> list[tuple[UUID | None, str]]:
    return [(each.payment_id, each.source) for each in list_grants(user_id) if each.ends_at > clock()]


def test_a_credit_is_spent_once_and_not_after_it_was_paid_back(
    shop: Shop, camille: Person, person: People
) -> None:
    cheap = shop.buy(camille.id, DAY)
    first, second = upgrade(shop, camille.id, cheap), upgrade(shop, camille.id, cheap)
    pay(shop, first, second)
    assert list_running(camille.id) == [(first.payment_id, "payment")]
    assert get_payment(second.payment_id).status is PaymentStatus.REFUNDED
    assert [each.reason for each in list_refunds(second.payment_id)] == [RefundReason.DUPLICATE]
    assert list_messages() == ["order", "order", "plan_upgraded", "refunded"]
    robin = person("robin@example.org")
    cheap = shop.buy(robin.id, DAY)
    order = upgrade(shop, robin.id, cheap)
    carry_out(CommandKind.REFUND, order_refund(cheap, 499))
    pay(shop, order)
    assert [each["net"] for each in shop.control.ledger()] == [499, 1000, 0, 0, 0]
    assert list_running(robin.id) == []


@pytest.mark.journey
def test_a_second_subscription_and_a_day_below_a_larger_plan_are_paid_back(
    shop: Shop, camille: Person
) -> None:
    small, first, second = (shop.order(camille.id, each) for each in (DAY, TOTAL, TOTAL))
    pay(shop, first, second, small)
    assert get_payment(small.payment_id).status is PaymentStatus.REFUNDED
    assert list_running(camille.id) == [(first.payment_id, "payment")]
    assert sorted(each["net"] for each in shop.control.ledger()) == [0, 0, 2999]
    assert sorted(each["status"] for each in shop.control.objects("subscription")) == ["active", "canceled"]


@pytest.mark.parametrize("left", try_first(["a month that runs", "a renewal"], 1))
def test_an_older_page_paid_beside_what_is_left_of_a_subscription_is_paid_back(
    shop: Shop, camille: Person, left: str
) -> None:
    older, first = shop.order(camille.id, TOTAL), shop.order(camille.id, TOTAL)
    pay(shop, first)
    if left == "a renewal":
        change(Grant, Grant.user_id == camille.id, starts_at=clock() - 2 * _DAY, ends_at=clock() - _DAY)
    else:
        cancel_own(
            camille.id, Cancellation.model_validate({"periodEnd": True}), Author(DeclaredBy.ACCOUNT, "fr")
        )
        send_commands()
        shop.deliver()
    pay(shop, older)
    assert get_payment(older.payment_id).status is PaymentStatus.REFUNDED
    assert [each.reason for each in list_refunds(older.payment_id)] == [RefundReason.DUPLICATE]


@pytest.mark.journey
def test_where_nothing_is_left_of_a_subscription_an_older_page_is_good(shop: Shop, camille: Person) -> None:
    older, first = shop.order(camille.id, TOTAL), shop.order(camille.id, TOTAL)
    pay(shop, first)
    cancel_own(camille.id, Cancellation.model_validate({"periodEnd": True}), Author(DeclaredBy.ACCOUNT, "fr"))
    send_commands()
    shop.deliver()
    change(Grant, Grant.user_id == camille.id, starts_at=clock() - 2 * _DAY, ends_at=clock() - _DAY)
    pay(shop, older)
    assert get_payment(older.payment_id).status is PaymentStatus.COMPLETED


def test_what_an_upgrade_credited_cannot_go_back_too(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, DAY)
    order = upgrade(shop, camille.id, cheap)
    pay(shop, order)
    with pytest.raises(ApiError, match="0 cents"):
        order_refund(cheap, 1)
    with session() as s, pytest.raises(ApiError, match="larger plan"):
        withdraw(s, cheap, clock())
    take_back(order.payment_id)
    take_back(cheap)
    assert [each["net"] for each in shop.control.ledger()] == [0, 0]
    assert list_running(camille.id) == []


@pytest.mark.parametrize("how", try_first(["refund", "dispute", "unwatched"], 1))
def test_whatever_takes_an_upgrade_back_revives_the_cheaper_plan(
    shop: Shop, camille: Person, how: str
) -> None:
    cheap = shop.buy(camille.id, DAY)
    gone: dict[str, Any] = {"alert_wish": {"deskIds": ["gone"]}} if how == "unwatched" else {}
    order = upgrade(shop, camille.id, cheap, **gone)
    pay(shop, order)
    if how == "refund":
        carry_out(CommandKind.REFUND, order_refund(order.payment_id, 1000))
    elif how == "dispute":
        dispute = shop.control.dispute(find_intent(order.payment_id))
        shop.control.close_dispute(dispute["id"], "lost")
        shop.deliver()
    assert get_payment(order.payment_id).status is PaymentStatus.REFUNDED
    assert list_running(camille.id) == [(cheap, "revived")]
    assert list_grants(camille.id)[-1].ends_at == clock() + timedelta(days=1)


def test_refunds_that_were_only_planned_end_no_plan(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    order_refund(payment_id, 499)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1000))
    assert get_payment(payment_id).status is PaymentStatus.COMPLETED
    assert list_running(camille.id) == [(payment_id, "payment")]


def test_money_that_went_back_before_it_was_heard_of_gives_nothing(shop: Shop, camille: Person) -> None:
    shop.control.add_promotion_code("LESS", percent_off=20)
    order = shop.order(camille.id)
    shop.control.pay(order.session_id, card="3ds", authenticate="leave", promotion_code="LESS")
    shop.deliver()
    paid = shop.control.pay(order.session_id)["session"]
    late = shop.control.take_deliveries()
    shop.control.refund(paid["payment_intent"])
    shop.deliver()
    shop.deliver(late)
    payment = get_payment(order.payment_id)
    assert list_running(camille.id) == []
    assert (payment.amount_cents, payment.refunded_cents, payment.status.value) == (1199, 1199, "REFUNDED")


def test_a_renewal_that_is_paid_after_the_end_was_decided_goes_back(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    (row,) = rows(Subscription)
    shop.clock.shift(timedelta(days=30, minutes=30))
    shop.control.advance()
    change(Subscription, Subscription.id == row.id, cancel_wanted_at=row.period_ends_at)
    shop.pass_time(hours=2)
    shop.deliver()
    assert [each["net"] for each in shop.control.ledger()] == [2999, 0]
    assert list_running(camille.id) == []


def test_a_renewal_that_is_paid_as_it_is_cancelled_is_paid_back_in_part(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    (row,) = rows(Subscription)
    assert row.period_ends_at
    ends = row.period_ends_at + timedelta(days=10)
    change(Subscription, Subscription.id == row.id, cancel_wanted_at=ends)
    shop.pass_time(days=30, hours=2)
    shop.deliver()
    assert list_grants(camille.id)[-1].ends_at == ends
    # 21 of 31 days, rounded up
    assert [each["refunded"] for each in shop.control.ledger()] == [0, 2032]


def test_days_that_were_paid_back_are_not_paid_back_again(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, TOTAL)
    shop.pass_time(days=3)
    with session() as s:
        ended = lock_payment(s, payment_id)
        shorten_paid_time(s, ended, clock() + timedelta(days=12))
    send_commands()
    take_back(payment_id)
    # 15 of 30 days, then the other 12 that are left
    assert [each.amount_cents for each in list_refunds(payment_id)] == [1500, 1200]


def post_all(shop: Shop) -> list[Delivery]:
    """Post what Stripe sent, and leave its jobs undone."""
    found = shop.control.take_deliveries()
    for each in found:
        assert shop.post(each.body, each.headers) == 200
    return found


def apply_each(deliveries: list[Delivery]) -> None:
    for each in deliveries:
        apply_event(each)


def end_quietly(shop: Shop) -> None:
    """Do what is left to do."""
    shop.work_off()
    send_commands()
    shop.deliver()
    shop.work_off()


def test_an_upgrade_is_paid_while_the_cheaper_plan_is_refunded(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, DAY)
    order = upgrade(shop, camille.id, cheap)
    shop.control.pay(order.session_id)
    deliveries = post_all(shop)

    def refund() -> None:
        with suppress(ApiError):  # the upgrade was quicker: its money is in the larger plan
            carry_out(CommandKind.REFUND, order_refund(cheap, 499))

    acts: list[Callable[[], None]] = [refund, lambda: apply_each(deliveries)]
    at_once(lambda act: act(), acts)
    end_quietly(shop)
    nets = [each["net"] for each in shop.control.ledger()]
    if get_payment(order.payment_id).status is PaymentStatus.COMPLETED:
        assert (nets, list_running(camille.id)) == ([499, 1000], [(order.payment_id, "payment")])
    else:
        assert (nets, list_running(camille.id)) == ([0, 0], [])


@pytest.mark.journey
def test_two_upgrades_that_credit_the_same_day_are_paid_at_once(shop: Shop, camille: Person) -> None:
    cheap = shop.buy(camille.id, DAY)
    orders = [upgrade(shop, camille.id, cheap, name) for name in (WEEK, TOTAL)]
    for order in orders:
        shop.control.pay(order.session_id)
    deliveries = post_all(shop)
    at_once(apply_event, deliveries)
    end_quietly(shop)
    states = {get_payment(each.payment_id).status for each in orders}
    assert states == {PaymentStatus.COMPLETED, PaymentStatus.REFUNDED}
    assert len(list_running(camille.id)) == 1
    assert min(each["net"] for each in shop.control.ledger()) == 0


@pytest.mark.parametrize("days", try_first([None, 4], 1))
def test_a_subscription_is_cancelled_while_it_renews(shop: Shop, camille: Person, days: int | None) -> None:
    shop.buy(camille.id, TOTAL)
    shop.clock.shift(timedelta(days=30, hours=2))
    shop.control.advance()
    deliveries = post_all(shop)
    day = (clock() + timedelta(days=days or 0)).date().isoformat()
    wish = Cancellation.model_validate({"on": day} if days else {"periodEnd": True})

    def cancel() -> None:
        cancel_own(camille.id, wish, Author(DeclaredBy.ACCOUNT, "fr"))

    acts: list[Callable[[], None]] = [cancel, lambda: apply_each(deliveries)]
    at_once(lambda act: act(), acts)
    end_quietly(shop)
    shop.clock.shift(timedelta(days=(days or 0) + 1))
    background.apply_declarations()
    end_quietly(shop)
    shop.pass_time(days=40)
    _, renewal = shop.control.ledger()  # and no third one
    paid = [
        each for each in list_grants(camille.id)[1:] if each.ends_at - each.starts_at > timedelta(seconds=1)
    ]
    bought, whole = sum((each.ends_at - each.starts_at).total_seconds() for each in paid), 31 * 86_400
    assert abs(renewal["net"] - 2999 * bought / whole) <= 1
    assert (shop.control.objects("subscription")[0]["status"]) == "canceled"


ORDERED, OPEN = "commande", "Créneau détecté"


@pytest.fixture
def door() -> Door:
    """Leave the real notifier behind the door."""
    return Door([], [])


@pytest.fixture
def waiting_buyer(person: People, shop: Shop) -> Person:
    """Give a buyer who is reached by mail and Telegram, and waits for a desk that shows an open slot."""
    made = person()
    change(Contact, verified_at=clock())
    add_contact(made.id, Channel.TELEGRAM, "42")
    add_alert(made.id)
    see("2026-11-25T09:00:00+00:00")
    return made


def work_all() -> None:
    """Do the notifier's jobs, and those that follow from them."""
    while jobs := [job for name in redis().smembers("rq:queues") for job in queue(_name(name)).get_jobs()]:
        for job in jobs:
            job.delete()
            job.func(*job.args)


def _name(key: bytes | str) -> str:
    return (key if isinstance(key, str) else key.decode()).removeprefix("rq:queue:")


def test_the_order_mail_is_handed_over_before_the_first_alert(
    shop: Shop, waiting_buyer: Person, sandbox: "Running"
) -> None:
    shop.buy(waiting_buyer.id)
    (order,) = sandbox.messages()  # no other worker has done anything yet
    assert ORDERED in str(order.subject).casefold()
    work_all()
    alerts = sandbox.messages()[1:]
    assert {each.channel for each in alerts} == {"email", "telegram"}
    assert OPEN.casefold() in alerts[-1].text.casefold()


def test_while_no_provider_takes_mails_the_account_shows_the_order_and_alerts_go_out(
    shop: Shop, waiting_buyer: Person, sandbox: "Running"
) -> None:
    sandbox.provider_mode("email", "error_500")
    shop.buy(waiting_buyer.id)
    work_all()
    assert [each.channel for each in sandbox.messages()] == ["telegram"]
    history = waiting_buyer.get("/api/billing/history").json
    (shown,) = history["items"]
    assert (shown["plan"], shown["status"], shown["from"]) == (
        "URGENCE_7J",
        "COMPLETED",
        "2026-11-20T09:00:00Z",
    )
    sandbox.provider_mode("email", "normal")
    shop.clock.shift(timedelta(minutes=6))
    Sweep().turn()
    work_all()
    assert any(ORDERED in str(each.subject).casefold() for each in sandbox.messages("email"))
