"""Selling under random play: the product's own services and jobs, real tables, and Stripe's stand-in behind them."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import time_machine

from api.admin.audit import Actor, AuditedWork
from api.admin.payments.service import NewRefund, refund_payment
from api.admin.user_changes import Suspension, resume_user, suspend_user
from api.ground.errors import ApiError
from api.jobs import schedule as background
from api.jobs.registry import JOBS
from api.jobs.turns import add_jobs, end_done, take_turn
from api.models.alert import Alert, AlertTarget, ClosedBecause
from api.models.audit import ActorKind
from api.models.base import engine, new_id, session
from api.models.check import Check, make_partitions
from api.models.declaration import DeclaredBy
from api.models.desk import Outage, OutageReason
from api.models.invoice import Invoice
from api.models.notification import Notification
from api.models.organisation import Organisation
from api.models.payment import DISPUTED, Payment, Refund
from api.models.stripe_event import StripeCommand, StripeEvent
from api.models.user import OutageCredit, User
from api.payments.billing.plan_ends import refund_closed_desk
from api.payments.billing.referrals import write_friend_link
from api.payments.billing.schemas import Cancellation, NewOrder
from api.payments.billing.service import start_checkout
from api.payments.declarations.records import Author
from api.payments.declarations.service import apply_due_declarations, cancel_own, undo_own, withdraw_order
from api.payments.exchange import jobs
from api.payments.exchange.events import is_genuine, receive_event, replay_event
from api.payments.exchange.reconciliation import JOB
from api.payments.gateway.errors import StripeAway
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import read_balances
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import list_debts, record_transfer
from api.payments.organisations.bills import write_bill
from api.payments.organisations.service import pay_by_card, record_received
from api.payments.organisations.use import price_hours
from api.privacy.deletion import delete_account
from configs.ground.clock import clock
from configs.ground.redis import redis
from configs.world.desk import Procedure
from configs.world.plan import OrganisationPrices, PlanName
from configs.world.sales_terms import find_newest_version
from deploy.sandbox.stripe import controls
from deploy.sandbox.stripe.webhooks import sign_headers, write_body
from tests import databases
from tests.api.payments.shop import send_commands
from tests.desk_proofs import prove_desks
from tests.factories import (
    BOBIGNY,
    add_alert,
    add_check,
    add_desk,
    add_organisation,
    add_user,
    change,
    rows,
    save,
)
from tests.model.direct_stripe import DirectStripe, Json

_PRICES = {
    "since": "2026-01-01",
    "day_cents": 50,
    "floor_cents": 99,
    "steps": [{"above_days": 2, "day_cents": 31}],
}
_REFUSED = (ApiError,)
_STEP = timedelta(days=2)  # the daily comparison sees each event once at least
_ROUNDS = 60  # of waits, until nothing more is due
_SENT_FOR = timedelta(days=3)  # in which Stripe sends an event again


class PaymentsWorld:
    """One buyer at a time. `queue` has the objects of events that were posted and whose jobs were not done."""

    def __init__(self, stripe: DirectStripe, traveller: time_machine.Traveller, queue: list[str]) -> None:
        self.stripe = stripe
        self.traveller = traveller
        self.queue = queue
        self.waiting: list[Json] = []  # events that were not posted yet

    def begin(self) -> None:
        """Forget a history, and let in a new buyer."""
        with session() as s:
            s.execute(sa.delete(Check))  # in days of its own, which emptying does not know
        databases.empty(str(engine().url.database))
        redis().flushdb()
        self.stripe.begin()
        self.queue.clear()
        self.waiting.clear()
        self._compared_at = clock()
        self._backup: tuple[dict[str, str], UUID] | None = None  # rows, and the buyer
        self.organisation_id = add_organisation(add_user("owner@example.org").id).id
        self.add_user()

    def add_user(self) -> None:
        """Let in a new buyer."""
        self.user_id = add_user().id

    def delete_user(self) -> None:
        """Delete the buyer's account, then let in another one."""
        with session() as s:
            delete_account(s, self.user_id, understood=True)
        send_commands()
        self._backup = None  # operators repeat deletions after a restore; here none is restored
        self.add_user()

    # What people do

    def order(self, name: PlanName, *, watched: bool = True, friend: str | None = None) -> None:
        """Order a plan; where it is not `watched`, the desk of its alert is gone by the time it is paid.

        `friend`: the link that it names.
        """
        consent = {
            "termsVersion": find_newest_version(),
            "startNow": True,
            "acknowledgesLoss": True,
            "acceptsHourThreshold": True,
        }
        wanted = {"plan": name.value, "withoutAlert": True, "consent": consent, "friend": friend}
        wish = NewOrder.model_validate(wanted)
        with session() as s:
            make_partitions(s, clock().date())
        prove_desks(BOBIGNY)  # only what checks prove is sold
        if not rows(Alert, Alert.user_id == self.user_id, Alert.closed_at.is_(None)):
            add_alert(self.user_id, AlertTarget(desk_id=BOBIGNY), enabled=False)
        with suppress(ApiError):
            made = start_checkout(self.user_id, wish)
            if not watched:
                change(Payment, Payment.id == made.payment_id, alert_wish={"deskIds": ["gone"]})

    def order_as_friend(self, name: PlanName) -> None:
        """Let in a new buyer, whose order names the link of the one before."""
        link = write_friend_link(self.user_id).rpartition("/")[2]
        self.add_user()
        self.order(name, friend=link)

    def pay(self, which: int, **how: str) -> None:
        """Pay one of the pages that were made; most are open."""
        pages = self.stripe.objects("checkout.session")
        found = [each for each in pages if each["status"] == "open"] or pages
        if found:
            self.stripe.control(controls.pay, found[-1 - which % len(found)]["id"], **how)

    def buy(self, name: PlanName) -> None:
        """Order a plan and pay it by a card, which is heard of at once."""
        self.order(name)
        self.pay(0, card="visa")
        self.deliver_all()

    def suspend(self) -> None:
        """Suspend the buyer, as an operator does."""
        with suppress(*_REFUSED), session() as s:
            suspend_user(
                AuditedWork(s, Actor(None, ActorKind.COMMAND), {}), self.user_id, Suspension(reason="test")
            )
        send_commands()

    def resume(self) -> None:
        """Take the buyer's suspension back."""
        with suppress(*_REFUSED), session() as s:
            resume_user(AuditedWork(s, Actor(None, ActorKind.COMMAND), {}), self.user_id)

    def use(self, hours: int) -> None:
        """Bill what an organisation used in a month, also with steps, a least sum and tax."""
        self.traveller.shift(timedelta(seconds=1))  # of a month there is one bill
        prices = OrganisationPrices.model_validate(_PRICES)
        with session() as s:
            row = s.get_one(Organisation, self.organisation_id, with_for_update=True)
            write_bill(s, row, price_hours(prices, {1: hours, 2: 7}, {}), clock() - _STEP, clock())

    def choose_bill(self, which: int) -> UUID:
        """Return what an organisation used in a month; the newest by 0."""
        with session() as s:
            ids = list(
                s.scalars(
                    sa.select(Payment.id).where(Payment.due_at.is_not(None)).order_by(Payment.id.desc())
                )
            )
        return ids[which % len(ids)] if ids else new_id()

    def open_bill(self, which: int) -> None:
        """Have a page made on which a bill is paid; it may be one of the pages that are paid later."""
        with suppress(ApiError, IndexError):
            pay_by_card(self.choose_bill(which))

    def receive(self, which: int, *, waives: bool) -> None:
        """Write that a transfer paid a bill, or that a cent of it is not due."""
        bill_id = self.choose_bill(which)
        with suppress(ApiError, StripeAway):
            with session() as s:
                due = read_balances(s, bill_id).due
                number = s.scalar(sa.select(Invoice.number).where(Invoice.payment_id == bill_id).limit(1))
            record_received(number or "none", 1 if waives else due, waives=waives)

    def cancel(self, days: int | None) -> None:
        """Cancel the subscription in so many days, or at the end of its period."""
        day = (clock() + timedelta(days=days or 0)).date().isoformat()
        wish = Cancellation.model_validate({"periodEnd": True} if days is None else {"on": day})
        with suppress(*_REFUSED):
            cancel_own(self.user_id, wish, Author(DeclaredBy.ACCOUNT, "fr"))

    def undo_cancellation(self) -> None:
        """Take the notice back, where it has not taken effect."""
        undo_own(self.user_id)

    def refund(self, which: int, amount: int | None, *, asks: bool) -> None:
        """Refund a payment as an operator does; `asks`: the process lives long enough to tell Stripe."""
        with suppress(*_REFUSED):
            with session() as s:
                payment_id = self.choose_payment(which)
                left = read_balances(s, payment_id).refundable
                refund_payment(s, payment_id, NewRefund(cents=amount or max(left, 1), left=left, note="test"))
            if asks:
                send_commands()

    def close_desk(self, hours: int) -> None:
        """Let the one desk of an alert close for good, and have the rest of the plans given back after a while."""
        alert_id = self._wait()
        add_desk(BOBIGNY)
        closed = save(Outage(desk_id=BOBIGNY, starts_at=clock(), reason=OutageReason.CLOSED))
        self.pass_time(timedelta(hours=hours))
        with suppress(*_REFUSED):
            refund_closed_desk(self.user_id, alert_id)
        change(Outage, Outage.id == closed.id, ends_at=clock())
        change(Alert, Alert.id == alert_id, closed_at=clock(), closed_because=ClosedBecause.DELETED)

    def withdraw(self, which: int) -> None:
        """Withdraw from an order."""
        with suppress(*_REFUSED, sa.exc.NoResultFound):
            withdraw_order(self.choose_payment(which), Author(DeclaredBy.LINK, "fr"))

    def choose_payment(self, which: int) -> UUID:
        """Return a payment; the newest by 0."""
        with session() as s:
            ids = list(s.scalars(sa.select(Payment.id).order_by(Payment.id.desc())))
        return ids[which % len(ids)] if ids else new_id()

    def choose(self, kind: str, which: int, **fields: Any) -> str:
        """Return the id of an object at Stripe, the newest by 0; one that does not exist where there is none."""
        found = self.stripe.objects(kind, **fields)
        return str(found[-1 - which % len(found)]["id"]) if found else "none"

    def prefer(self, form: OutageCredit) -> None:
        """Choose how time without watching is given back."""
        change(User, User.id == self.user_id, outage_credit=form)

    # What happens to events

    def collect(self) -> None:
        """Let what Stripe has sent wait at our door."""
        self.waiting += self.stripe.take_events()

    def post(self, event: Json) -> None:
        """Post an event to the webhook, signed now."""
        body, secrets = write_body(event), self.stripe.stand_in.webhooks.endpoint.secrets
        headers = sign_headers(body, secrets, int(clock().timestamp()))
        assert is_genuine(headers["Stripe-Signature"], body)
        receive_event(body)

    def deliver_all(self, *, backwards: bool = False, twice: bool = False) -> None:
        """Post all events that wait at our door, and do their jobs."""
        self.collect()
        found = self.waiting[::-1] if backwards else self.waiting[:]
        self.waiting.clear()
        for event in found * (1 + twice):
            self.post(event)
        self.work()

    def work(self) -> None:
        """Do the jobs of the events that were posted."""
        while self.queue:
            jobs.apply_object(self.queue.pop(0))
        self._hand_over_mails()

    def _hand_over_mails(self) -> None:
        """Let a provider take the order mails, which hold the notice of the right to withdraw."""
        waiting = (Notification.kind == "order", Notification.accepted_at.is_(None))
        change(Notification, *waiting, accepted_at=clock())

    def apply_all_again(self) -> None:
        """Have every event applied once more."""
        with session() as s:
            ids = list(s.scalars(sa.select(StripeEvent.id).where(StripeEvent.object_id.is_not(None))))
            for each in ids:
                replay_event(s, each)
        jobs.work_off()

    # Time

    def pass_time(self, pause: timedelta) -> None:
        """Let time pass, and each second day what happens daily."""
        ends = clock() + pause
        while clock() < ends:
            self._shift(max(min(ends, self._compared_at + _STEP) - clock(), timedelta(seconds=1)))
            if clock() >= self._compared_at + _STEP:
                self._do_daily_jobs()
                self._compare()
        self.trust(background.sync_stuck_payments)

    def _do_daily_jobs(self) -> None:
        for job in (
            background.begin_days_of_grace,
            background.end_unpaid_plans,
            background.remind_of_failed_renewals,
            background.give_friends_days,
        ):
            self.trust(job)

    def _compare(self) -> None:
        self.trust(self.compare_in_turn)
        self._compared_at = clock()

    def compare_in_turn(self) -> dict[str, int]:
        """Do the daily comparison as its worker does: its row keeps where the next one begins."""
        self.traveller.shift(timedelta(seconds=1))  # two in one moment would note the same difference twice
        with session() as s:
            add_jobs(s, [JOBS[JOB]], clock())
        with session() as s:
            turn = take_turn(s, JOBS[JOB], clock(), nudged=True)
        counts = JOBS[JOB].run()
        with session() as s:
            if turn:
                end_done(s, turn, clock(), counts)
        return counts

    def be_away(self, days: int) -> None:
        """Let no program of ours run for days; what Stripe sent before the last three of them is lost."""
        self.traveller.shift(timedelta(days=days))
        self.stripe.control(controls.advance)
        self.collect()
        since = (clock() - _SENT_FOR).timestamp()
        self.waiting = [each for each in self.waiting if each["created"] > since]
        self._return()

    def _return(self) -> None:
        """Start the programs again: all is due at once."""
        self._compare()
        self._do_daily_jobs()
        self.trust(jobs.work_off)
        self._shift(timedelta(minutes=1))

    def back_up(self) -> None:
        """Keep the present state of the database."""
        self._backup = databases.copy_rows(str(engine().url.database)), self.user_id

    def restore(self) -> None:
        """Bring the last backup back; what was ordered since is refunded and ended by hand, as the docs say."""
        if self._backup is None:
            return
        engine().dispose()
        kept, self.user_id = self._backup  # who came since is gone
        databases.bring_back(str(engine().url.database), kept)
        self.queue.clear()
        with session() as s:
            known = {str(each) for each in s.scalars(sa.select(Payment.id))}
        for each in self.stripe.objects("checkout.session"):
            if (each["metadata"] or {}).get("payment") not in known:
                self.stripe.control(controls.refund, each["_intent"] or "none")
                self.stripe.control(controls.cancel_subscription, each["subscription"] or "none")
        self._return()

    def trust(self, job: Callable[[], object]) -> object:
        """Do a background job, again where Stripe's silence ended it."""
        with suppress(StripeAway):
            return job()
        self.stripe.trouble.clear()
        self._shift(timedelta(minutes=1))
        return job()

    def fail_to_watch(self, hours: int) -> None:
        """Let an alert of the buyer go without proven answers, then give back that time."""
        alert_id = self._wait()
        self.pass_time(timedelta(hours=hours))
        with session() as s:
            make_partitions(s, clock().date())
        add_check()
        self._shift(timedelta(minutes=15))
        background.credit_outages()
        change(Alert, Alert.id == alert_id, closed_at=clock(), closed_because=ClosedBecause.DELETED)

    def _wait(self) -> UUID:
        target = AlertTarget(prefecture_id="bobigny_93", procedure=Procedure.TITRE_SEJOUR)
        return add_alert(self.user_id, target)

    def _shift(self, pause: timedelta) -> None:
        self.traveller.shift(pause)
        self.stripe.control(controls.advance)
        apply_due_declarations()
        self.collect()

    # Quiet

    def settle(self, *, lost: bool) -> None:
        """Let Stripe answer again, deliver or lose all events, and wait until nothing is left to do."""
        self.stripe.trouble.clear()
        self.stripe.control(controls.choose, refunds_begin="succeeded")
        self._shift(timedelta(minutes=1))
        if lost:
            self.waiting.clear()
        self._compare()
        self.trust(background.credit_outages)  # hourly: what no invoice will bear goes back as money
        jobs.work_off()
        for _ in range(_ROUNDS):
            self.collect()
            while self.waiting:
                self.post(self.waiting.pop(0))
            self.work()
            self.trust(background.give_friends_days)
            due = self._find_due()
            self._pay_debts()
            if due is None and not self.waiting and not self.stripe_waits():
                issue_due(60)
                return
            if due:
                self._shift(max(due - clock(), timedelta()) + timedelta(seconds=1))
            apply_due_declarations()
            jobs.work_off()
            self._tell_credits()
        raise AssertionError("something is never done")

    def _pay_debts(self) -> None:
        """Pay by a transfer what Stripe can never pay back, as an operator does."""
        with session() as s:
            for each in list_debts(s):
                payment = lock_payment(s, each.payment_id)
                record_transfer(s, payment, read_balances(s, payment.id).unordered, "test")

    def stripe_waits(self) -> bool:
        """Return whether Stripe has sent what was not collected."""
        self.collect()
        return bool(self.waiting)

    def _find_due(self) -> Any:
        disputed = sa.select(Refund.id).where(Refund.error == DISPUTED)  # they wait for the bank
        asked = sa.select(sa.func.min(StripeCommand.next_attempt_at))
        dues = [
            sa.select(sa.func.min(StripeEvent.next_attempt_at)),
            asked.where(StripeCommand.subject_id.not_in(disputed)),
        ]
        with session() as s:
            found = [s.scalar(each) for each in dues]
        return min((each for each in found if each), default=None)

    def _tell_credits(self) -> None:
        background.credit_outages()
