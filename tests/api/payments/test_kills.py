"""kill -9 at each commit, each call of Stripe's API and each nudge, and Stripe away, slow or refusing: the end is as if nothing had happened."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
import redis
import stripe
from sqlalchemy.engine import make_url

from api.jobs import schedule as background_jobs
from api.models.base import engine, new_id, session
from api.models.payment import Payment, PaymentEvent, PaymentStatus, Refund, RefundReason, Subscription
from api.models.stripe_event import CommandKind, StripeCommand, StripeEvent
from api.models.user import OutageCredit, User
from api.payments.declarations.service import undo_own
from api.payments.exchange import checkout_calls, jobs
from api.payments.exchange.commands import carry_out
from api.payments.exchange.reconciliation import reconcile
from api.payments.gateway.client import call
from api.payments.gateway.errors import StripeAway
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.early_ends import withdraw
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund
from api.payments.ledger.subscriptions import request_cancellation
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests import databases
from tests.api.payments.killing import Killer, Life, read_end_state
from tests.api.payments.ledger.test_outage_credits import check
from tests.api.payments.shop import list_messages, list_open_events, order_refund, send_commands
from tests.api.payments.till import ALERT, Till
from tests.clients import People, Person
from tests.factories import add_desk, change, rows
from tests.sandbox_controls import Delivery
from tests.waiting import at_once

BEGINNING = "2026-11-20T09:00:00+00:00"
DAY, WEEK, TOTAL = PlanName.URGENCE_24H, PlanName.URGENCE_7J, PlanName.URGENCE_TOTAL


Act = Callable[[Life], object]


def buy(name: PlanName, *, alert: bool = False) -> Act:
    def act(life: Life) -> None:
        answer = life.ask(lambda: life.till.order(name, **({"alert": ALERT} if alert else dict[str, Any]())))
        assert answer.status_code == 200, answer.json
        life.till.shop.control.pay(answer.json["checkoutUrl"].rpartition("/")[2])
        life.deliver()

    return act


def pass_six_hours(life: Life) -> None:
    life.settle()
    life.till.shop.pass_time(hours=6)


def renew(life: Life) -> None:
    life.till.shop.clock.shift(timedelta(days=31, hours=2))
    life.till.shop.control.advance()
    life.deliver()


def find_payment(name: PlanName) -> UUID:
    found: list[Payment] = rows(Payment)
    return next(each.id for each in found if each.plan is name)


def refund(life: Life) -> None:
    def ask() -> None:
        if rows(Refund):  # the operator looks before asking again
            return
        with session() as s:
            payment = lock_payment(s, find_payment(PlanName.URGENCE_7J))
            refund_id = plan_refund(s, payment, payment.amount_cents, RefundReason.OPERATOR).id
        carry_out(CommandKind.REFUND, refund_id)

    life.ask(ask)


def take_back(life: Life) -> None:
    def ask() -> None:
        if "withdrawn" in [each.kind for each in rows(PaymentEvent)]:
            return
        with session() as s:
            withdraw(s, find_payment(PlanName.URGENCE_7J), clock())
        send_commands()

    life.ask(ask)


def cancel(life: Life) -> None:
    answer = life.ask(lambda: life.till.post("cancel", {"on": "2026-11-25"}))
    assert answer.status_code == 200


def take_effect(life: Life) -> None:
    life.till.shop.clock.move_to(datetime(2026, 11, 25, 23, 0, 1, tzinfo=UTC))
    life.ask(background_jobs.apply_declarations)


def undo(life: Life) -> None:
    life.ask(lambda: undo_own(life.till.person.id))


def watch_with_a_hole(form: OutageCredit) -> Act:
    def act(life: Life) -> None:
        life.settle()
        change(User, User.id == life.till.person.id, outage_credit=form)
        check(60, 780, 800)
        life.till.shop.pass_time(hours=14)

    return act


def give_back(life: Life) -> None:
    life.ask(background_jobs.credit_outages)


def order_unwatched(life: Life) -> None:
    life.till.shop.order(life.till.person.id, WEEK, alert_wish={"deskIds": ["gone"]})


def pay_unwatched(life: Life) -> None:
    (page,) = life.till.sessions()
    life.till.shop.control.pay(page["id"])
    life.deliver()


DAY_HELD, WEEK_HELD, MONTH_HELD = ((buy(each, alert=True), pass_six_hours) for each in (DAY, WEEK, TOTAL))
CREDITED = watch_with_a_hole(OutageCredit.CREDIT)
# What came before, without deaths, and the part in which one happens.
STORIES: dict[str, tuple[tuple[Act, ...], Act]] = {
    "purchase": ((), buy(WEEK, alert=True)),
    "subscription": ((), buy(TOTAL)),
    "upgrade": (DAY_HELD, buy(WEEK)),
    "renewal": (MONTH_HELD, renew),
    "refused renewal": ((*MONTH_HELD, lambda life: life.till.use_bad_card()), renew),
    "refund": (WEEK_HELD, refund),
    "withdrawal": ((*DAY_HELD, buy(WEEK), pass_six_hours), take_back),
    "cancellation": (MONTH_HELD, cancel),
    "cancellation, effect": ((*MONTH_HELD, cancel, Life.settle), take_effect),
    "cancellation, undone": ((*MONTH_HELD, cancel, Life.settle), undo),
    "unwatched desk": ((order_unwatched,), pay_unwatched),
    "outage, time": ((buy(DAY, alert=True), CREDITED), give_back),
    "outage, invoice": ((buy(TOTAL, alert=True), CREDITED), give_back),
    "outage, money": ((buy(DAY, alert=True), watch_with_a_hole(OutageCredit.REFUND)), give_back),
}
Tell = Callable[..., tuple[list[str], dict[str, list[str]]]]


@pytest.fixture
def tell(
    till: Till, person: People, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tell]:
    """Give what tells a story from the beginning, with a death at the step `fatal`; it returns steps and end state."""

    def clear() -> None:
        engine().dispose()
        databases.clean(str(make_url(str(engine().url)).database))
        redis_server.flushdb()
        till.shop.clock.move_to(BEGINNING)
        till.shop.control.reset()
        till.person = person(confirmed=True)
        add_desk()

    def tell(name: str, fatal: int | None = None) -> tuple[list[str], dict[str, list[str]]]:
        clear()
        before, act = STORIES[name]
        killer = Killer()
        with monkeypatch.context() as patch, killer.installed(patch):
            life = Life(till, killer)
            for each in before:
                each(life)
            killer.steps.clear()
            killer.fatal = fatal
            act(life)
            steps = list(killer.steps)
            killer.fatal = None
            life.settle()
        issue_due(60)
        assert reconcile()["different"] == 0
        return steps, read_end_state(till)

    yield tell
    engine().dispose()


def check_deaths(tell: Tell, name: str, every: int) -> None:
    steps, expected = tell(name)
    assert any("commit" in each for each in steps)
    for number in range(min(every, len(steps)) // 2, len(steps), every):
        reached, end = tell(name, number)
        assert len(reached) > number, "the story does not repeat itself"
        assert end == expected, f"killed at step {number}: {steps[number]}"


@pytest.mark.parametrize("name", ["purchase", "refund"])
def test_a_death_at_some_steps_changes_nothing(tell: Tell, name: str) -> None:
    check_deaths(tell, name, every=180)


@pytest.mark.journey
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", STORIES)
def test_a_death_at_each_step_changes_nothing(tell: Tell, name: str) -> None:
    check_deaths(tell, name, every=1)


_SESSIONS = "/v1/checkout/sessions"


def find_paid(person: Person) -> Any:
    return next(each.id for each in rows(Payment) if each.user_id == person.id)


def sweep(till: Till, seconds: float, rounds: int) -> None:
    """Let the time pass in which the sweep looks so often."""
    for _ in range(rounds):
        till.shop.clock.shift(seconds / rounds)
        jobs.work_off()
        till.shop.work()


def test_hours_without_answers_wear_out_no_wait(till: Till) -> None:
    """The waits double; after a day of attempts the double is more than an interval can hold."""
    till.buy(TOTAL)
    (row,), payment_id = rows(Subscription), find_paid(till.person)
    with session() as s:
        request_cancellation(s, row.id, clock())
        refund = plan_refund(s, lock_payment(s, payment_id), 100, RefundReason.OPERATOR)
    change(StripeCommand, attempts=2000)
    till.shop.control.mode("error_500", count=2)
    for _ in range(2):
        carry_out(CommandKind.END, row.id)
        carry_out(CommandKind.REFUND, refund.id)
        till.shop.clock.shift(300)  # the longest wait
    assert [each["status"] for each in till.shop.control.objects("subscription")] == ["canceled"]
    assert [each["amount"] for each in till.shop.control.objects("refund")] == [100]


def test_one_row_that_fails_keeps_nothing_else_from_its_turn(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = till.order()
    till.shop.control.pay(answer.json["checkoutUrl"].rpartition("/")[2])
    for each in till.shop.control.take_deliveries():
        till.shop.post(each.body, each.headers)
    till.shop.clock.shift(10)

    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(jobs, "carry_out", fail)
    monkeypatch.setattr(jobs, "find_due_commands", lambda _: [(CommandKind.REFUND, new_id())])
    jobs.work_off()
    assert list_open_events() == []


def test_attempts_without_an_answer_are_none_of_an_object_without_an_owner(till: Till) -> None:
    """A refund of the dashboard waits as long as its order is not known, however long Stripe was away before."""
    answer = till.order()
    session_id = answer.json["checkoutUrl"].rpartition("/")[2]
    till.shop.control.pay(session_id)
    intent = till.shop.control.objects("payment_intent")[0]["id"]
    till.shop.control.refund(intent)
    deliveries = till.shop.control.take_deliveries()
    till.shop.control.mode("error_500", path="/v1/")
    till.shop.deliver([each for each in deliveries if each.type == "refund.created"])
    sweep(till, 3600, 8)
    till.shop.control.mode("normal")
    sweep(till, 60, 1)
    (waiting,) = list_open_events()
    assert waiting.attempts < 3
    till.shop.deliver(
        Delivery(each.id, each.type, each.body, till.shop.control.sign(each.body)) for each in deliveries
    )
    Life(till, Killer()).settle()
    assert [each.status for each in rows(Payment)] == [PaymentStatus.REFUNDED]


def test_retry_after_is_passed_on(
    till: Till, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    till.shop.control.mode("rate_limited", seconds=20)
    answer = till.order()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "20")
    monkeypatch.setattr(checkout_calls, "sleep", lambda _: None)
    till.shop.control.mode("rate_limited")
    assert till.order().headers["Retry-After"] == "1"
    assert len(till.shop.control.requests(_SESSIONS)) == 1 + 3
    till.shop.control.mode("normal")
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    settings_env()
    assert till.order().status_code == 503, "without a key, too, orders are refused for now"


def test_neither_an_error_that_stripe_keeps_nor_another_address_bars_the_way_for_a_day(till: Till) -> None:
    till.shop.control.mode("error_500", count=1, path=_SESSIONS, saved=1)
    assert till.order().status_code == 503
    assert till.order().status_code == 200
    assert sorted(each.status for each in rows(Payment)) == [PaymentStatus.FAILED, PaymentStatus.PENDING]
    assert len(till.sessions()) == 1
    till.shop.control.mode("reset_after", count=1, path=_SESSIONS)
    assert till.order(PlanName.URGENCE_24H).status_code == 503
    change(User, email="moved@example.org")
    assert till.order(PlanName.URGENCE_24H).status_code == 200


def test_a_page_of_a_gateway_is_no_answer(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refund must not count as refused because something between Stripe and us says so."""
    till.buy(WEEK)
    refund_id = order_refund(find_paid(till.person), 1499)
    for body, status in ((b"<html>", 404), (b"<html>", 200), (b'{"message": "no"}', 400), (b"", 502)):
        with monkeypatch.context() as patch:
            answer: tuple[bytes, int, dict[str, str]] = (body, status, {})
            patch.setattr(stripe.RequestsClient, "request", Mock(return_value=answer))
            carry_out(CommandKind.REFUND, refund_id)
        assert [each.status.value for each in rows(Refund)] == ["planned"], status
        till.shop.clock.shift(16)
    carry_out(CommandKind.REFUND, refund_id)
    assert [each.status.value for each in rows(Refund)] == ["succeeded"]


def test_orders_that_never_reached_stripe_count_for_nothing(till: Till) -> None:
    till.shop.control.mode("error_500", path="/v1/")
    for _ in range(5):
        assert till.order().status_code == 503
        till.shop.clock.shift(timedelta(minutes=11))
    background_jobs.sync_stuck_payments()
    till.shop.control.mode("normal")
    assert till.order().status_code == 200
    assert "payment_failed" not in list_messages()
    assert len(till.sessions()) == 1


def test_two_clicks_at_once_lead_to_one_page(till: Till) -> None:
    till.shop.control.mode("slow", path=_SESSIONS, seconds=0.2)
    first, second = at_once(lambda _: till.order(), range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json["checkoutUrl"] == second.json["checkoutUrl"]
    assert len(rows(Payment)) == len(till.sessions()) == 1


@pytest.mark.parametrize("lost", ["expiry", "answer"])
def test_a_second_subscription_is_never_payable_beside_the_first(till: Till, lost: str) -> None:
    """The older page is ended before the newer one is shown, also where Stripe was away in between."""
    add_desk()
    first = till.order(TOTAL)
    if lost == "expiry":
        till.shop.control.mode("error_500", count=1, path=f"POST {_SESSIONS}")
    else:
        till.shop.control.mode("reset_after", count=1, path=f"{_SESSIONS}/")
    assert till.order(TOTAL, alert=ALERT).status_code == 503
    assert till.order(TOTAL, alert=ALERT).status_code == 200
    assert sorted(each["status"] for each in till.sessions()) == ["expired", "open"]
    paid = till.shop.control.pay(first.json["checkoutUrl"].rpartition("/")[2])
    assert paid["error"]


def test_the_breaker_is_one_for_all_and_goes_with_redis(
    till: Till, settings_env: Callable[..., None], redis_server: Any
) -> None:
    till.shop.control.mode("error_500", path="/v1/refunds")
    for _ in range(3):
        with pytest.raises(StripeAway):
            call(lambda c: c.v1.refunds.retrieve("re_1"))
    asked = len(till.shop.control.requests("/v1/"))
    assert till.order().status_code == 503
    assert len(till.shop.control.requests("/v1/")) == asked
    till.shop.clock.shift(timedelta(hours=-2))  # a clock that is set back
    assert call(lambda c: c.v1.events.list()).data is not None
    for _ in range(3):
        with pytest.raises(StripeAway):
            call(lambda c: c.v1.refunds.retrieve("re_1"))
    settings_env(REDIS_URL="redis://127.0.0.1:1")
    with pytest.raises(StripeAway, match="APIError"):
        call(lambda c: c.v1.refunds.retrieve("re_1"))
    assert rows(StripeEvent) == []
