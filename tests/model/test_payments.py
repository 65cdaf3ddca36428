"""Buyers, operators, banks, outages and time in any order: our tables and Stripe's must always come to the same."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import randrange
from typing import Any

import hypothesis
import pytest
import redis
import structlog
import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

import notifier
from api.models.base import session
from api.models.payment import Payment
from api.models.user import OutageCredit
from api.payments.exchange import events, jobs
from api.payments.exchange.book_checks import find_book_faults
from api.payments.gateway import client
from configs.ground.clock import clock
from configs.world.plan import PlanName
from deploy.sandbox.stripe import controls
from deploy.sandbox.stripe.resources.money_back import BEGINNINGS, OUTCOMES, SETTLED
from deploy.sandbox.stripe.resources.renewals import AFTER_RETRIES
from tests.api.world import PREFECTURES
from tests.factories import rows
from tests.fuzz import FUZZ
from tests.model.direct_stripe import DirectStripe
from tests.model.payment_scenes import LEAST, SCENES, count_events
from tests.model.payments_books import read_books, write_down
from tests.model.payments_world import PaymentsWorld
from tests.samples import try_first

HISTORIES, STEPS, SHARES = 3, 15, 2
_COUNTED = 200  # lives, from which on a class of events that seldom occurs is a fault
LIVES = 1000  # in each share of `make fuzz`, with its usual FUZZ
# Months of 30, 31, 28 and 31 days; with clocks that are put forward, and back.
STARTS = tuple(
    datetime(2026 + (month < 11), month, day, 9, tzinfo=UTC)
    for month, day in ((11, 20), (12, 31), (1, 31), (2, 28), (3, 27), (10, 30))
)
PAUSES = tuple(timedelta(hours=each) for each in (0.5, 0.9, 5, 23, 24 * 3, 24 * 8, 24 * 31 + 2))
# A life that fails is shortened in `make fuzz` only: that takes minutes.
_PHASES = (hypothesis.Phase.reuse, hypothesis.Phase.generate, hypothesis.Phase.shrink)

number = st.sampled_from([0, 0, 0, 1, 2, 5])  # of an object, the newest by 0
sold = st.sampled_from([each for each in PlanName if each is not PlanName.NONE])
cards = st.sampled_from(["visa", "visa", "visa", "declined", "3ds_once", "fails_later"])
challenge = st.sampled_from(["pass", "pass", "fail", "leave"])
amounts = st.sampled_from([None, None, 1, 100, 300, 499])
disputed = st.sampled_from([None, None, 1, 100, 499, 1560])  # more than a week costs, too
drafts = st.sampled_from([1, 1, 24, 72])  # hours until a renewal's draft is collected
given_up = st.sampled_from(AFTER_RETRIES)
scenes = st.lists(st.sampled_from(sorted(SCENES)), min_size=1, max_size=3)


class Selling(RuleBasedStateMachine):
    """Events wait at our door until a rule posts them, once or twice, or loses them."""

    world: PaymentsWorld
    traveller: time_machine.Traveller
    seen: Counter[str]  # of classes of events, in all lives

    @initialize(scenes=scenes, start=st.sampled_from(STARTS), draft_hours=drafts, end=given_up)
    def begin(self, scenes: list[str], start: datetime, draft_hours: int, end: str) -> None:
        self.traveller.move_to(start)
        self.world.begin()
        account = {"after_retries": end, "draft_seconds": draft_hours * 3600}
        self.world.stripe.control(controls.choose, **account)
        for each in scenes:
            self.world.add_user()
            SCENES[each](self.world)
        assert rows(Payment), "each life begins with an order"

    # Buying

    @rule(name=sold, card=cards, delivered=st.booleans())
    def buy(self, name: PlanName, card: str, delivered: bool) -> None:
        self.world.order(name)
        self.world.pay(0, card=card)
        if delivered:
            self.world.deliver_all()

    @rule(name=sold, paid=st.sampled_from([True, True, False]))
    def order_as_friend(self, name: PlanName, paid: bool) -> None:
        """Name the link of the buyer before; who named us pays by another means."""
        self.world.order_as_friend(name)
        if paid:
            self.world.pay(0, card="paypal")
            self.world.deliver_all()

    @rule(name=sold, watched=st.sampled_from([True, True, True, False]))
    def order(self, name: PlanName, watched: bool) -> None:
        self.world.order(name, watched=watched)

    @rule(which=number, card=cards, authenticate=challenge, free=st.sampled_from([False, False, True]))
    def pay(self, which: int, card: str, authenticate: str, free: bool) -> None:
        code = {"promotion_code": "FREE" if free else "BIENVENUE"} if card == "visa" else {}
        self.world.pay(which, card=card, authenticate=authenticate, **code)

    @rule(which=number, days=st.sampled_from([None, 0, 4, 10]))
    def cancel(self, which: int, days: int | None) -> None:
        self.world.cancel(days)

    @rule()
    def undo_cancellation(self) -> None:
        self.world.undo_cancellation()

    @rule(which=number)
    def withdraw(self, which: int) -> None:
        self.world.withdraw(which)

    @rule(form=st.sampled_from(OutageCredit))
    def prefer(self, form: OutageCredit) -> None:
        self.world.prefer(form)

    @rule(which=number, card=st.sampled_from(["visa", "fails_later", "3ds"]))
    def change_card(self, which: int, card: str) -> None:
        self.world.stripe.control(controls.use_card, self.world.choose("customer", which), card=card)

    @rule(which=number)
    def pay_invoice(self, which: int) -> None:
        invoice = self.world.choose("invoice", which, status="open")
        self.world.stripe.control(controls.pay_invoice, invoice, card="visa")

    @rule()
    def suspend(self) -> None:
        self.world.suspend()

    @rule()
    def resume(self) -> None:
        self.world.resume()

    @rule()
    def delete_account(self) -> None:
        self.world.delete_user()

    # What an organisation uses

    @rule(hours=st.sampled_from([1, 48, 733]))
    def use(self, hours: int) -> None:
        self.world.use(hours)

    @rule(which=number)
    def open_bill(self, which: int) -> None:
        self.world.open_bill(which)

    @rule(which=number, waives=st.booleans())
    def receive(self, which: int, waives: bool) -> None:
        self.world.receive(which, waives=waives)

    # Money that goes back

    @rule(which=number, amount=amounts, asks=st.booleans())
    def refund(self, which: int, amount: int | None, asks: bool) -> None:
        self.world.refund(which, amount, asks=asks)

    @rule(which=number, amount=amounts)
    def refund_in_the_dashboard(self, which: int, amount: int | None) -> None:
        intent = self.world.choose("payment_intent", which, status="succeeded")
        self.world.stripe.control(controls.refund, intent, amount=amount)

    @rule(which=number)
    def send_a_refund_back(self, which: int) -> None:
        self.world.stripe.control(
            controls.settle_refund, self.world.choose("refund", which), "failed", "expired_or_canceled_card"
        )

    @rule(status=st.sampled_from(BEGINNINGS))
    def begin_refunds(self, status: str) -> None:
        self.world.stripe.control(controls.choose, refunds_begin=status)

    @rule(which=number, status=st.sampled_from(SETTLED))
    def settle_a_refund(self, which: int, status: str) -> None:
        waiting = self.world.choose("refund", which, status="pending")
        self.world.stripe.control(
            controls.settle_refund, waiting, status, "declined" if status == "failed" else None
        )

    @rule(which=number, amount=disputed, inquiry=st.sampled_from([False, False, True]))
    def dispute(self, which: int, amount: int | None, inquiry: bool) -> None:
        intent = self.world.choose("payment_intent", which, status="succeeded")
        self.world.stripe.control(controls.dispute, intent, amount=amount, inquiry=inquiry)

    @rule(which=number)
    def escalate_an_inquiry(self, which: int) -> None:
        self.world.stripe.control(controls.escalate_inquiry, self.world.choose("dispute", which))

    @rule(which=number, status=st.sampled_from(OUTCOMES))
    def close_dispute(self, which: int, status: str) -> None:
        self.world.stripe.control(controls.close_dispute, self.world.choose("dispute", which), status=status)

    @rule(which=number, at_period_end=st.booleans())
    def cancel_in_the_dashboard(self, which: int, at_period_end: bool) -> None:
        subscription = self.world.choose("subscription", which)
        self.world.stripe.control(controls.cancel_subscription, subscription, at_period_end=at_period_end)

    # Events and outages

    @rule(which=number, twice=st.booleans())
    def deliver(self, which: int, twice: bool) -> None:
        self.world.collect()
        if self.world.waiting:
            event = self.world.waiting.pop(which % len(self.world.waiting))
            for _ in range(1 + twice):
                self.world.post(event)
            self.world.work()

    @rule(backwards=st.booleans(), twice=st.booleans())
    def deliver_all(self, backwards: bool, twice: bool) -> None:
        self.world.deliver_all(backwards=backwards, twice=twice)

    @rule(which=number)
    def lose(self, which: int) -> None:
        self.world.collect()
        if self.world.waiting:
            self.world.waiting.pop(which % len(self.world.waiting))

    @rule(met=st.sampled_from(["lost", "unanswered"]), calls=st.sampled_from([1, 1, 2, 4]))
    def disturb(self, met: str, calls: int) -> None:
        """The next calls to Stripe have no answer; half of them are carried out nevertheless."""
        self.world.stripe.trouble += [met] * calls

    @rule()
    def sweep(self) -> None:
        jobs.work_off()

    # Time

    @rule(pause=st.sampled_from(PAUSES))
    def pass_time(self, pause: timedelta) -> None:
        self.world.pass_time(pause)

    @rule(days=st.integers(1, 20))
    def be_away(self, days: int) -> None:
        self.world.be_away(days)

    @rule()
    def back_up(self) -> None:
        self.world.back_up()

    @rule()
    def restore(self) -> None:
        self.world.restore()

    @rule(hours=st.sampled_from([20, 26, 72]))
    def close_desk(self, hours: int) -> None:
        self.world.close_desk(hours)

    @rule(hours=st.sampled_from([2, 7, 30, 100]))
    def fail_to_watch(self, hours: int) -> None:
        self.world.fail_to_watch(hours)

    @rule(lost=st.booleans())
    def settle(self, lost: bool) -> None:
        self.world.settle(lost=lost)
        read_books(self.world.stripe).check()

    def teardown(self) -> None:
        """Whatever happened, it ends in Stripe's state; and all of it once more changes nothing."""
        if not hasattr(self.world, "user_id"):
            return
        self.settle(lost=False)
        left = self.world.compare_in_turn()["left"]  # and what ended meanwhile is written down as used
        books = read_books(self.world.stripe)
        self.seen.update(count_events(books) | {"lives": 1})
        assert left == 0 or books.find_lost_orders()  # operators are told of these each time
        before = write_down(books)
        self.world.apply_all_again()
        after = read_books(self.world.stripe)
        assert write_down(after) == before
        after.check()
        with session() as s:
            assert find_book_faults(s, clock()) == []


@pytest.fixture
def machine(
    database: str,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[type[Selling]]:
    """Bind the machine to a database and to Stripe's stand-in; messages are written and not sent."""
    settings_env(
        PREFECTURES_DIR=PREFECTURES,
        STRIPE_SECRET_KEY="sk_test_tests",
        STRIPE_WEBHOOK_SECRET="whsec_tests",
        STRIPE_PROMOTION_CODES="true",
        OPEN_CHECKOUTS="9",
        FRIENDS="true",
    )
    queue: list[str] = []
    direct = DirectStripe()
    stripe = direct.make_client()
    monkeypatch.setattr(client, "get_client", lambda: stripe)
    monkeypatch.setattr(events, "ask_apply_object", lambda object_id, _: queue.append(object_id))
    for name in ("ask_deliver", "deliver_here", "ask_catch_up"):
        monkeypatch.setattr(notifier, name, lambda _what: None)
    logs = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parts: dict[str, Any] = {
        "world": PaymentsWorld(direct, frozen, queue),
        "traveller": frozen,
        "seen": Counter(),
    }
    yield type("Bound", (Selling,), parts)
    structlog.configure(**logs)


@pytest.mark.parametrize("scene", SCENES)
def test_no_cent_is_lost_in_a_scene(machine: type[Selling], scene: str) -> None:
    life = machine()
    life.begin([scene], STARTS[0], 1, AFTER_RETRIES[0])
    life.teardown()


@pytest.mark.fuzz
@pytest.mark.parametrize("share", try_first(range(SHARES), 1))
def test_no_cent_is_lost_on_either_side(
    machine: type[Selling], share: int, record_property: Callable[[str, object], None]
) -> None:
    seed = share if FUZZ == 1 else randrange(2**32)
    record_property("printed", f"seed {seed}")
    run_state_machine_as_test(
        hypothesis.seed(seed)(machine),
        settings=hypothesis.settings(
            max_examples=HISTORIES if FUZZ == 1 else LIVES * FUZZ // 30,
            stateful_step_count=STEPS,
            phases=_PHASES[: 2 if FUZZ == 1 else 3],
        ),
    )
    lives = machine.seen.pop("lives")
    record_property("printed", f"{lives} lives: {dict(machine.seen)}")
    if lives >= _COUNTED:
        rare = [each for each, least in LEAST.items() if machine.seen[each] < least]
        assert not rare, f"too seldom in {lives} lives: {rare}"
