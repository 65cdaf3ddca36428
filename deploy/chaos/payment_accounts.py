"""Account of the payments of a run: tables and book beside Stripe's ledger, to the cent. Pure, but for the reads."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.book import Account, BookLine
from api.models.notification import Notification
from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    Refund,
    RefundStatus,
    StripeId,
)
from api.models.stripe_command import CommandKind, StripeCommand
from api.models.stripe_event import StripeEvent, StripeEventFlag
from api.models.user import Grant
from api.payments.book_checks import find_book_faults
from configs.clock import clock
from deploy.chaos.accounting import may_be_unheard
from deploy.chaos.inbox import InboxReader
from deploy.chaos.journal import OpeningJournal
from deploy.sandbox.stripe.control_client import StripeControl

_DONE = (PaymentStatus.COMPLETED, PaymentStatus.REFUNDED)
_DELIVERS_ORDERS = ("payments-worker", "background")  # beside the notifier's workers


@dataclass(frozen=True)
class OurPayment:
    """A payment as our tables have it."""

    id: str
    status: PaymentStatus
    amount: int  # cents
    refunded: int  # cents
    cash: int  # cents: what the book has at Stripe
    intents: tuple[str, ...]  # Stripe's ids of its money
    grants: int  # of source `payment`
    ended: bool  # an upgrade, a withdrawal or the account's deletion ended its plan
    is_order: bool  # else a renewal
    mails: tuple[tuple[datetime, ...], ...] = ()  # of each order mail: when a provider took it
    is_nobodys: bool = False  # its account was deleted, and with it grants and mails


@dataclass(frozen=True)
class StripePayment:
    """A payment that Stripe took: the id of its money, the payment of ours that it names, and cents.

    `net`: what is left of it, less refunds and disputes.
    """

    intent: str
    payment: str | None
    captured: int
    refunded: int
    net: int


@dataclass
class PaymentAccount:
    """Sums of Stripe's side, what follows from them here, and every difference in words."""

    payments: int = 0
    paid: int = 0  # cents
    refunded: int = 0  # cents
    grants: int = 0
    order_mails: int = 0
    copies_allowed: int = 0
    cents_that_differ: int = 0  # paid, refunded, or in the book
    differences: list[str] = field(default_factory=list)


def settle_payments(
    ours: Sequence[OurPayment],
    theirs: Sequence[StripePayment],
    waiting: Iterable[str],
    journal: OpeningJournal,
) -> PaymentAccount:
    """Hold both sides beside each other. `waiting`: work that should be done by now, in words."""
    account = PaymentAccount(
        payments=len(theirs),
        paid=sum(each.captured for each in theirs),
        refunded=sum(each.refunded for each in theirs),
        grants=sum(each.grants for each in ours),
        differences=[f"still waits: {each}" for each in waiting],
    )
    owners = {intent: each for each in ours for intent in each.intents}
    for stripe in theirs:
        _compare(account, stripe, owners.get(stripe.intent))
    taken = {stripe.intent for stripe in theirs}
    account.differences += [
        f"{each.id}: {each.status} here, and Stripe took nothing"
        for each in ours
        if each.status in _DONE and not taken & set(each.intents)
    ]
    account.differences += _find_paid_twice(theirs)
    for each in ours:
        account.differences += _check_grants(each)
        _check_mails(account, each, journal)
    return account


def _compare(account: PaymentAccount, stripe: StripePayment, ours: OurPayment | None) -> None:
    if ours is None or ours.status not in _DONE:
        state = ours.status.value if ours else "unknown"
        account.cents_that_differ += stripe.captured
        account.differences.append(
            f"{stripe.payment}: Stripe took {stripe.captured} cents by {stripe.intent}, here it is {state}"
        )
        return
    pairs = (
        ("paid", ours.amount, stripe.captured),
        ("refunded", ours.refunded, stripe.refunded),
        ("in the book", ours.cash, stripe.net),
    )
    for what, here, there in pairs:
        account.cents_that_differ += abs(here - there)
        if here != there:
            account.differences.append(f"{ours.id}: {what} {here} cents here, {there} at Stripe")


def _find_paid_twice(theirs: Iterable[StripePayment]) -> list[str]:
    """Return the orders whose metadata is on two payments of Checkout; renewals carry none of their own."""
    named = Counter(each.payment for each in theirs if each.payment)
    return [f"{name}: paid {count} times" for name, count in named.items() if count > 1]


def _check_grants(ours: OurPayment) -> list[str]:
    """A paid payment has one grant; what went back whole, or an upgrade ended before it began, may have none.

    With the account all grants go. What never had one goes back: the account went before it was paid.
    """
    if ours.is_nobodys:
        kept = ours.status is PaymentStatus.COMPLETED and not ours.ended and ours.refunded < ours.amount
        lost = [f"{ours.id}: paid without an account, {ours.refunded} cents went back"] if kept else []
        return lost + ([f"{ours.id}: {ours.grants} grants of nobody"] if ours.grants else [])
    fewest = 1 if ours.status is PaymentStatus.COMPLETED and not ours.ended else 0
    most = 1 if ours.status in _DONE else 0
    if fewest <= ours.grants <= most:
        return []
    return [f"{ours.id}: {ours.status} with {ours.grants} grants"]


def _check_mails(account: PaymentAccount, ours: OurPayment, journal: OpeningJournal) -> None:
    """A paid order has one order mail, which came; one whose money went back before we heard of it may have none."""
    if not ours.is_order:
        return
    fewest = 1 if ours.status is PaymentStatus.COMPLETED and not ours.is_nobodys else 0
    if not fewest <= len(ours.mails) <= 1 or not all(ours.mails):
        account.differences.append(f"{ours.id}: {ours.status} with order mails taken at {ours.mails}")
    for taken in ours.mails:
        account.order_mails += bool(taken)
        for at in sorted(taken)[:-1]:
            if may_be_unheard(at, "email", journal, _DELIVERS_ORDERS):
                account.copies_allowed += 1
            else:
                account.differences.append(f"{ours.id}: the order mail came twice, first at {at:%H:%M:%S}")


def wait_for_payments(
    engine: sa.Engine,
    inbox: InboxReader,
    control: StripeControl,
    journal: OpeningJournal,
    patience: float,
) -> PaymentAccount:
    """Do the accounts until both sides agree and nothing waits, for so many seconds at most."""
    end = time.monotonic() + patience
    while True:
        # Stripe's side first: what happens in between is news here, and waits.
        theirs = read_stripe(control.ledger())
        account = settle_payments(read_ours(engine, inbox), theirs, read_waiting(engine), journal)
        account.differences += check_book(engine)
        if not account.differences or time.monotonic() > end:
            return account
        time.sleep(1)


def check_book(engine: sa.Engine) -> list[str]:
    """Return what the product's own checks of the book find, in words; documents are issued every two seconds."""
    with Session(engine) as s:
        faults = find_book_faults(s, clock() - timedelta(seconds=10))
    return [
        f"{each.object_id} has {each.ours['book']} in the book, {each.ours['tables']} in the other tables"
        for each in faults
    ]


def read_stripe(ledger: Iterable[Mapping[str, Any]]) -> list[StripePayment]:
    """Return the lines of the stand-in's ledger."""
    return [
        StripePayment(
            each["payment_intent"],
            (each["metadata"] or {}).get("payment") if each["session"] else None,
            each["captured"],
            each["refunded"],
            each["net"],
        )
        for each in ledger
    ]


def read_ours(engine: sa.Engine, inbox: InboxReader) -> list[OurPayment]:
    """Return all payments, each with what followed from it."""
    with engine.connect() as connection:
        payments = connection.execute(sa.select(Payment.__table__)).all()
        at_stripe = sa.select(BookLine.payment_id, sa.func.sum(BookLine.cents)).where(
            BookLine.account == Account.CASH
        )
        cash = {
            str(owner): int(cents)
            for owner, cents in connection.execute(at_stripe.group_by(BookLine.payment_id))
        }
        intents = _group(
            connection,
            sa.select(StripeId.payment_id, StripeId.id).where(StripeId.kind == "payment_intent"),
        )
        grants = _group(connection, sa.select(Grant.payment_id, Grant.id).where(Grant.source == "payment"))
        ended = _group(
            connection,
            sa.select(PaymentEvent.payment_id, PaymentEvent.id).where(
                PaymentEvent.kind == PaymentEventKind.PLAN_ENDED
            ),
        )
        mails = _group(
            connection,
            sa.select(Notification.params["payment"].astext, Notification.id).where(
                Notification.kind == "order"
            ),
        )
    return [
        OurPayment(
            id=(name := str(each.id)),
            status=PaymentStatus(each.status),
            amount=each.amount_cents,
            refunded=each.refunded_cents,
            cash=cash.get(name, 0),
            intents=tuple(intents[name]),
            grants=len(grants[name]),
            ended=name in ended,
            is_order=each.consented_at is not None,
            mails=tuple(inbox.received(mail) for mail in mails[name]),
            is_nobodys=each.user_id is None,
        )
        for each in payments
    ]


def read_waiting(engine: sa.Engine) -> list[str]:
    """Return what Stripe was not asked or heard about yet."""
    # A payment that was tried for a subscription and declined is of nobody: what comes of it, the sums show.
    ours = StripeEvent.flag.is_distinct_from(StripeEventFlag.UNKNOWN_OWNER)
    waits = {
        "event {}": sa.select(StripeEvent.id).where(StripeEvent.next_attempt_at.is_not(None), ours),
        "event {}, given up": sa.select(StripeEvent.id).where(StripeEvent.flag == StripeEventFlag.GAVE_UP),
        "refund {}": sa.select(Refund.id).where(
            Refund.status.in_((RefundStatus.PLANNED, RefundStatus.PENDING))
        ),
        "end of subscription {}": sa.select(StripeCommand.subject_id).where(
            StripeCommand.kind == CommandKind.END
        ),
    }
    with engine.connect() as connection:
        return [text.format(key) for text, query in waits.items() for key in connection.scalars(query)]


def _group(connection: sa.Connection, query: sa.Executable) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for owner, key in connection.execute(query):
        found[str(owner)].append(str(key))
    return found
