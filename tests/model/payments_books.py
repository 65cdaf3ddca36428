"""Invariants between our tables and Stripe once nothing is left to do: the money, the plans, and what was told."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, combinations, pairwise, product
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.base import session
from api.models.declaration import Declaration
from api.models.invoice import Invoice, InvoiceKind
from api.models.notification import Notification
from api.models.payment import (
    DISPUTED,
    CreditForm,
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    PlanCredit,
    Referral,
    ReferralState,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
    Subscription,
    WatchCredit,
)
from api.models.user import Grant
from api.payments.billing.plan_ends import CLOSED
from api.payments.ledger.book import Balances, read_balances
from api.payments.ledger.grants import FRIEND, price_use
from api.payments.ledger.stripe_ids import list_intents
from configs.ground.clock import clock
from configs.world.plan import PlanName, plans
from tests.model.direct_stripe import DirectStripe, Json

LENGTHS = {PlanName.URGENCE_24H: timedelta(days=1), PlanName.URGENCE_7J: timedelta(days=7)}
GRACE = timedelta(days=3)
_AUTOMATIC = (RefundReason.NOT_WATCHED, RefundReason.NO_ACCOUNT, RefundReason.DUPLICATE)
_RENEWING = ("active", "past_due", "trialing", "unpaid")
_SECOND = timedelta(seconds=1)
_SUMS = ("captured", "refunded", "net", "disputed", "lost")  # of what Stripe's ledger has by PaymentIntent
_MOST_DAYS = max(each.friend_days for each in plans().values())


@dataclass(frozen=True)
class Books:
    """Our tables and Stripe's objects at one moment."""

    payments: list[Payment]
    events: dict[UUID, list[PaymentEvent]]
    refunds: dict[UUID, list[Refund]]
    grants: dict[UUID | None, list[Grant]]
    credits: list[PlanCredit]
    watch_credits: list[WatchCredit]
    subscriptions: list[Subscription]
    notices: list[Declaration]  # of cancellation
    referrals: list[Referral]
    ids: dict[tuple[UUID | None, str], str]
    intents: dict[UUID, list[str]]
    suspended: dict[UUID, datetime]  # users, and when they were last
    told: Counter[str]  # order mails, by payment
    balances: dict[UUID, Balances]
    used: dict[UUID, int]  # what the use of each payment's plan costs
    documents: dict[UUID, list[int]]  # cents of invoices, and negative ones of credit notes, in their order
    stripe: DirectStripe

    def check(self) -> None:
        """Check everything."""
        lines = self.stripe.ledger()
        for payment in self.payments:
            mine = [lines.pop(each) for each in self.intents[payment.id] if each in lines]
            line = {name: sum(each[name] for each in mine) for name in _SUMS} if mine else None
            (self._check_bill if payment.due_at else self._check_money)(payment, line)
            self._check_book(payment, line)
            self._check_order_mail(payment)
            self._check_grants(payment)
        lost = self.find_lost_orders()
        left = [each for intent, each in lines.items() if self.stripe.find_order(intent) not in lost]
        assert not left, f"money that no payment of ours explains: {left}"
        self._check_overlaps()
        self._check_days()
        self._check_early_grace()
        self._check_friends()
        self._check_subscriptions()

    def find_lost_orders(self) -> set[str]:
        """Return the orders that Stripe knows and a restore lost here."""
        return self.stripe.find_orders() - {str(each.id) for each in self.payments}

    # Money

    def _check_money(self, payment: Payment, line: Json | None) -> None:
        made = [each for each in self.refunds[payment.id] if each.status is not RefundStatus.FAILED]
        waiting = [each for each in made if each.status is RefundStatus.PLANNED]
        assert all(each.error == DISPUTED for each in waiting), "a refund that nobody asked for"
        assert payment.refunded_cents == sum(each.amount_cents for each in made) <= payment.amount_cents
        back = sum(each.amount_cents for each in made if each not in waiting)
        transferred = -self.balances[payment.id].bank
        if line:
            assert (payment.amount_cents, back - transferred) == (line["captured"], line["refunded"]), (
                payment.id
            )
            gone = line["lost"] + line["refunded"] + transferred >= line["captured"]
            assert payment.status.value == ("REFUNDED" if gone else "COMPLETED"), payment.id
        elif self.has(payment, PaymentEventKind.PAID):
            assert (payment.amount_cents, back, payment.status.value) == (0, 0, "COMPLETED"), payment.id
        else:
            assert back == 0
            assert payment.status.value == self._expect_status(payment), payment.id

    def _check_bill(self, payment: Payment, line: Json | None) -> None:
        """What an organisation used is due until it came, also again; what came twice went back."""
        held, made = self.balances[payment.id], self.refunds[payment.id]
        back = sum(each.amount_cents for each in made if each.status is RefundStatus.SUCCEEDED)
        came = (line["captured"] - line["lost"] if line else 0) + held.bank
        assert 0 <= held.due <= payment.amount_cents, held
        assert came - back + held.due <= payment.amount_cents, held
        open_ones = held.due or not self.has(payment, PaymentEventKind.PAID)
        whole = "REFUNDED" if back and not held.money else "COMPLETED"
        assert payment.status.value == ("PENDING" if open_ones else whole), payment.id

    def _check_book(self, payment: Payment, line: Json | None) -> None:
        """Check the book's cash against Stripe's, and that no more goes back than what the plans were worth."""
        held = self.balances[payment.id]
        moved = held.cash, held.disputed, held.lost
        lost = 0 if payment.due_at else line and line["lost"]  # of a bill it is due again
        made = self.refunds[payment.id]
        pending = sum(each.amount_cents for each in made if each.status is RefundStatus.PENDING)
        assert moved == ((line["net"] + pending, line["disputed"], lost) if line else (0, 0, 0))
        assert held.unearned <= 0 or held.disputed + held.lost or self.was_overpaid(payment), held
        assert -held.owed == held.ordered + held.waiting, held
        assert held.waiting >= 0, held
        assert held.claims + held.waiting >= 0 or held.lost or self.was_overpaid(payment), held

        if not (
            self.was_lowered(payment) or held.lost or held.passed_on
        ):  # a credit is measured at the order
            assert held.claims >= min(self.used[payment.id], held.worth), "what was used and watched is paid"
        documents = self.documents[payment.id]
        assert sum(documents) == max(held.cash + held.bank + held.disputed + held.due, 0), (
            "invoices less credit notes"
        )
        assert all(total >= 0 for total in accumulate(documents)), "more is credited than was invoiced"

    def was_lowered(self, payment: Payment) -> bool:
        """Return whether people gave money back, or all of it went back, as to who withdraws before the order mail."""
        whole = (*_AUTOMATIC, RefundReason.OPERATOR, RefundReason.EXTERNAL)
        given = [each for each in self.refunds[payment.id] if each.status is not RefundStatus.FAILED]
        withdrawn = any(each.reason is RefundReason.WITHDRAWAL for each in given)
        gone = sum(each.amount_cents for each in given) == payment.amount_cents
        return (withdrawn and gone) or any(each.reason in whole for each in given)

    def was_overpaid(self, payment: Payment) -> bool:
        """Return whether people gave back what an upgrade had taken already."""
        return any(each.reason is RefundReason.EXTERNAL for each in self.refunds[payment.id])

    def _expect_status(self, payment: Payment) -> str:
        """Return the status of a payment that was not paid, as its page or its invoice says."""
        page = self.ids.get((payment.id, "checkout.session"))
        # A renewal; or an order that was refused, or given up before Stripe answered
        if payment.consented_at is None or page is None:
            over = (PaymentEventKind.FAILED, PaymentEventKind.EXPIRED)
            return "FAILED" if any(self.has(payment, each) for each in over) else "PENDING"
        (found,) = self.stripe.objects("checkout.session", id=page)
        return "PENDING" if found["status"] == "open" else "FAILED"

    # What was told

    def _check_order_mail(self, payment: Payment) -> None:
        closed = any(each.subject == CLOSED for each in self.events[payment.id])  # its plan had begun
        at_once = not closed and any(each.reason in _AUTOMATIC for each in self.refunds[payment.id])
        at_once |= (
            not payment.amount_cents and not self.grants[payment.id]
        )  # paid by a code: nothing to give back
        known = self.told[str(payment.id)]
        if payment.user_id is None:
            assert known == 0
        elif self.has(payment, PaymentEventKind.PAID) and payment.consented_at and not at_once:
            gone_first = self.first(payment, PaymentEventKind.PAID) > min(
                (
                    self.first(payment, each)
                    for each in (PaymentEventKind.REFUNDED, PaymentEventKind.DISPUTE_LOST)
                ),
                default=clock(),
            )
            assert known == (0 if gone_first else 1), payment.id
        else:
            assert known == 0, payment.id

    # Plans

    def _check_grants(self, payment: Payment) -> None:
        mine = self.grants[payment.id]
        by_source: dict[str, list[Grant]] = defaultdict(list)
        for each in mine:
            by_source[each.source].append(each)
        assert set(by_source) <= {"payment", "grace", "revived", "credit"}
        assert not mine or payment.user_id
        if payment.user_id is None:
            return
        if not self.has(payment, PaymentEventKind.PAID):
            assert not by_source["payment"] + by_source["revived"] + by_source["credit"]
            assert all(each.ends_at - each.starts_at <= GRACE for each in by_source["grace"])
            return
        assert not by_source["grace"], "grace beside the paid period"
        if payment.plan in LENGTHS:
            self._check_short(payment, by_source)
        else:
            self._check_period(payment, by_source)

    def _check_short(self, payment: Payment, by_source: dict[str, list[Grant]]) -> None:
        """What was bought is what was given, less what an upgrade took, plus what a withdrawal revived."""
        given, mine = measure(by_source["payment"] + by_source["revived"]), self.grants[payment.id]
        owed = LENGTHS[payment.plan] - self._sum_taken(payment) + measure(by_source["revived"])
        extra = measure(by_source["credit"])
        assert extra <= self._sum_unwatched(payment) + _SECOND
        if self.has_ended(payment):
            most = owed + self._sum_unwatched(payment) + self._sum_delays(payment)
            assert given + extra <= most + 3 * _SECOND
            # Whose money did not come back is still owed the hours that were not watched.
            undone = by_source["credit"] if self.has(payment, PaymentEventKind.REFUND_UNDONE) else []
            assert all(each.ends_at <= clock() for each in mine if each not in undone)
        else:
            surplus = given + extra - owed - self._sum_unwatched(payment)
            assert -3 * _SECOND <= surplus <= self._sum_delays(payment) + 3 * _SECOND, payment.id

    def _check_period(self, payment: Payment, by_source: dict[str, list[Grant]]) -> None:
        assert not by_source["credit"] + by_source["revived"]
        period = self._find_period(payment)
        for each in by_source["payment"]:
            assert period[0] == each.starts_at
            assert each.ends_at <= period[1]
        if not self.has_ended(payment) and not self._was_shortened(payment):
            assert measure(by_source["payment"]) == period[1] - period[0], payment.id

    def has_ended(self, payment: Payment) -> bool:
        """Return whether its money, or the user's will, ended the plan for good."""
        made = self.refunds[payment.id]
        outages = {str(each.id) for each in made if each.reason is RefundReason.OUTAGE}
        whole = [each for each in self.events[payment.id] if each.kind is PaymentEventKind.REFUNDED]
        lost = [each for each in self.events[payment.id] if each.kind is PaymentEventKind.DISPUTE_LOST]
        gone = sum(each.details["amount"] for each in lost) + sum(
            each.amount_cents for each in made if each.status is not RefundStatus.FAILED
        )
        return (
            any(each.subject not in outages for each in whole)  # a refund for an outage ends nothing
            or self.has(payment, PaymentEventKind.WITHDRAWN)
            or any(each.reason in _AUTOMATIC for each in made)
            or bool(lost and gone >= payment.amount_cents)
            or self._is_refused_gift(payment)
            or self._was_suspended(payment)
        )

    def _is_refused_gift(self, payment: Payment) -> bool:
        """Return whether a withdrawal overtook what a code paid whole: it gives nothing, and nothing goes back."""
        mine = [each for each in self.payments if each.user_id == payment.user_id]
        withdrew = any(self.has(each, PaymentEventKind.WITHDRAWN) for each in mine)
        return withdrew and not payment.amount_cents and not self.grants[payment.id]

    def _was_suspended(self, payment: Payment) -> bool:
        at = self.suspended.get(payment.user_id) if payment.user_id else None
        return bool(at and payment.paid_at and payment.paid_at <= at)

    def _was_shortened(self, payment: Payment) -> bool:
        return any(
            each.subscription_id == payment.subscription_id and each.applied_at for each in self.notices
        )

    def _sum_taken(self, payment: Payment) -> timedelta:
        """Return the time that paid orders credited, and that therefore ended."""
        subjects = {
            each.subject for each in self.events[payment.id] if each.kind is PaymentEventKind.PLAN_ENDED
        }
        mine = [each for each in self.credits if each.credited_payment_id == payment.id]
        return timedelta(seconds=sum(each.seconds for each in mine if str(each.payment_id) in subjects))

    def _sum_delays(self, payment: Payment) -> timedelta:
        """Return for how long the plan went on while the payments of orders that credited it were not heard of."""
        ordered = {str(each.id): each.created_at for each in self.payments}
        return sum(
            (
                each.recorded_at - ordered[each.subject]
                for each in self.events[payment.id]
                if each.kind is PaymentEventKind.PLAN_ENDED and each.subject in ordered
            ),
            timedelta(),
        )

    def _sum_unwatched(self, payment: Payment) -> timedelta:
        mine = [each for each in self.watch_credits if each.payment_id == payment.id]
        return timedelta(seconds=sum(each.seconds for each in mine if each.form is CreditForm.TIME))

    def _find_period(self, payment: Payment) -> tuple[datetime, datetime]:
        (invoice,) = self.stripe.objects("invoice", id=self.ids[payment.id, "invoice"])
        line = max(invoice["lines"]["data"], key=lambda each: each["period"]["end"])["period"]
        zone = payment.created_at.tzinfo
        return datetime.fromtimestamp(line["start"], zone), datetime.fromtimestamp(line["end"], zone)

    def _check_overlaps(self) -> None:
        """No second of a short plan is given twice."""
        by_owner: dict[tuple[UUID, PlanName], list[Grant]] = defaultdict(list)
        for each in (grant for grants in self.grants.values() for grant in grants):
            if each.plan in LENGTHS:
                by_owner[each.user_id, each.plan].append(each)
        for mine in by_owner.values():
            ordered = sorted(mine, key=lambda grant: grant.starts_at)
            for before, after in pairwise(ordered):
                assert before.ends_at <= after.starts_at, "time that was given twice"

    def _check_days(self) -> None:
        """No second of a user is paid for by two plans."""
        paid = [each for each in self.payments if each.user_id and each.status is PaymentStatus.COMPLETED]
        for one, other in combinations(paid, 2):
            late = max(self._measure_delay(one, other), self._measure_delay(other, one))
            overlaps = (
                min(mine.ends_at, theirs.ends_at) - max(mine.starts_at, theirs.starts_at)
                for mine, theirs in product(self.grants[one.id], self.grants[other.id])
                if one.user_id == other.user_id and "grace" not in (mine.source, theirs.source)
            )
            assert max(overlaps, default=late) <= late + 3 * _SECOND, (one.id, other.id, "paid twice")

    def _measure_delay(self, cheaper: Payment, order: Payment) -> timedelta:
        """Return for how long a plan went on, unpaid, while the payment of an order that credited it was not heard of."""
        ended = [each.recorded_at for each in self.events[cheaper.id] if each.subject == str(order.id)]
        return max((each - order.created_at for each in ended), default=timedelta())

    def _check_early_grace(self) -> None:
        """Days of grace without a payment follow a paid month, and no paid period begins with them."""
        for each in self.grants[None]:
            if each.source == FRIEND:
                continue
            assert (each.source, each.plan) == ("grace", PlanName.URGENCE_TOTAL)
            assert each.ends_at - each.starts_at <= GRACE
            paid = [
                grant
                for grants in self.grants.values()
                for grant in grants
                if grant.source == "payment" and grant.user_id == each.user_id
            ]
            assert each.starts_at in {grant.ends_at for grant in paid}
            assert each.starts_at not in {grant.starts_at for grant in paid}, "grace beside the paid period"

    def _check_friends(self) -> None:
        """A person has no more days than orders by links gave; days of a refunded order do not run on."""
        promised: Counter[UUID | None] = Counter()
        orders = {each.id: each for each in self.payments}
        given = {each.id: each for each in self.grants[None] if each.source == FRIEND}
        for each in self.referrals:
            order = orders[each.payment_id]
            promised[order.user_id] += each.friend_days
            promised[each.user_id] += _MOST_DAYS
            mine = [given[grant_id] for grant_id in (each.grant_id, each.friend_grant_id) if grant_id]
            if each.state is ReferralState.GIVEN and self.has_ended(order):
                assert all(grant.ends_at <= clock() for grant in mine), (order.id, "days for nothing")
            assert each.state is not ReferralState.REFUSED or not any(
                each.starts_at > clock() for each in mine
            )
        for user_id, days in promised.items():
            length = measure(each for each in given.values() if each.user_id == user_id)
            assert length <= timedelta(days=days), "days that were given twice"

    def _check_subscriptions(self) -> None:
        owners: list[UUID] = []
        for each in self.stripe.objects("subscription"):
            order = next((p for p in self.payments if str(p.id) == each["metadata"]["payment"]), None)
            if order is None:  # a restore lost it
                assert each["ended_at"], "a subscription without an order goes on"
                continue
            (row,) = [s for s in self.subscriptions if s.id == order.subscription_id]
            assert row.status == each["status"]
            assert (row.ended_at is None) == (each["ended_at"] is None)
            if each["status"] in _RENEWING and each["cancel_at"] is None:
                assert order.user_id is not None, "a deleted account goes on paying"
                assert row.cancel_wanted_at is None, "a cancelled subscription goes on"
                assert not [n for n in self.notices if n.subscription_id == row.id and n.is_open]
                owners.append(order.user_id)
        assert len(owners) == len(set(owners)), "two subscriptions of one user renew"

    def has(self, payment: Payment, kind: PaymentEventKind) -> bool:
        """Return whether that has happened to a payment."""
        return any(each.kind is kind for each in self.events[payment.id])

    def first(self, payment: Payment, kind: PaymentEventKind) -> datetime:
        """Return when that was first recorded; the future where it was not."""
        found = [each.recorded_at for each in self.events[payment.id] if each.kind is kind]
        return min(found, default=clock() + _SECOND)


def measure(grants: Iterable[Grant]) -> timedelta:
    """Return the length of all grants together."""
    return sum((each.ends_at - each.starts_at for each in grants), timedelta())


def read_books(stripe: DirectStripe) -> Books:
    """Read our tables."""
    with session() as s:

        def read(kind: type[Any]) -> list[Any]:
            return list(s.scalars(sa.select(kind).order_by(*sa.inspect(kind).primary_key)))

        stopped = sa.select(Notification.user_id, Notification.created_at, Notification.params).where(
            Notification.kind == "account_suspended"
        )
        mails = s.scalars(sa.select(Notification.params).where(Notification.kind == "order")).all()
        payments = read(Payment)
        return Books(
            payments=payments,
            balances={each.id: read_balances(s, each.id) for each in payments},
            used={each.id: price_use(s, each, clock()) for each in payments},
            documents=defaultdict(
                list,
                {
                    key: [
                        each.amount_cents * (1 if each.kind is InvoiceKind.INVOICE else -1)
                        for each in sorted(found, key=lambda document: document.issued_at)
                    ]
                    for key, found in group(read(Invoice)).items()
                },
            ),
            events=group(read(PaymentEvent)),
            refunds=group(read(Refund)),
            grants=group(read(Grant)),
            credits=read(PlanCredit),
            watch_credits=read(WatchCredit),
            subscriptions=read(Subscription),
            notices=read(Declaration),
            referrals=read(Referral),
            ids={(each.payment_id, each.kind): each.id for each in read(StripeId)},
            intents={each.id: list(list_intents(s, each.id)) for each in payments},
            suspended={
                each.user_id: each.created_at
                for each in s.execute(stopped.order_by(Notification.id))
                if each.params["reason"]
            },
            told=Counter(each["payment"] for each in mails),
            stripe=stripe,
        )


def group(rows: Iterable[Any]) -> dict[Any, list[Any]]:
    """Return rows by their payment."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for each in rows:
        found[each.payment_id].append(each)
    return found


def write_down(books: Books) -> list[tuple[Any, ...]]:
    """Return all that a repetition must leave as it is."""
    lines: list[tuple[Any, ...]] = [
        (p.id, p.status, p.amount_cents, p.refunded_cents, p.paid_at, p.refunded_at, p.user_id)
        for p in books.payments
    ]
    lines += [(r.id, r.status, r.amount_cents) for rows in books.refunds.values() for r in rows]
    lines += [(e.id, e.kind) for rows in books.events.values() for e in rows]
    lines += [(g.id, g.starts_at, g.ends_at, g.source) for rows in books.grants.values() for g in rows]
    lines += [(s.id, s.status, s.cancel_at, s.ended_at, s.cancel_wanted_at) for s in books.subscriptions]
    lines += [(n.id, n.applied_at, n.undone_at, n.refund_cents) for n in books.notices]
    lines += [(c.id, c.form, c.amount_cents) for c in books.watch_credits]
    lines += [(each.payment_id, each.state, each.days) for each in books.referrals]
    lines += list(books.balances.items())
    return sorted([*lines, *books.told.items()], key=str)
