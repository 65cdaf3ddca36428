"""Reads of billing: the plans, the terms, a user's payments with their credits and refunds, and the book of one."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import not_found
from api.ground.paging import PageQuery, read_page
from api.ground.schemas import PlanAnswer
from api.models.base import is_any_of
from api.models.book import Account, BookKind, BookTransaction
from api.models.payment import CreditForm, Payment, PlanCredit, Refund, RefundReason, StripeId, WatchCredit
from api.models.user import Grant
from api.payments.billing.quotes import find_subscription
from api.payments.billing.schemas import (
    ConsentWords,
    CreditEntry,
    HistoryPage,
    PaymentEntry,
    PlanList,
    RefundEntry,
    SubscriptionAnswer,
    TermsAnswer,
    Words,
)
from api.payments.ledger.book import Balances, list_transactions, read_balances
from api.payments.ledger.grants import CREDIT
from api.payments.ledger.stripe_ids import INTENT, SESSION
from api.payments.ledger.subscriptions import find_agreed_end, find_standing_notice
from api.payments.ledger.withdrawal_rules import list_periods
from configs.world.plan import PlanName, plans
from configs.world.sales_terms import find_newest_version, read_consent, read_terms

_Row = TypeVar("_Row", Grant, Refund, PlanCredit, WatchCredit, StripeId)
_GIVES_BACK = (BookKind.REFUNDED, BookKind.TRANSFERRED, BookKind.RETURNED)
_MONEY = (Account.CASH, Account.BANK)
# By a grant's source.
_REASONS: dict[str, Literal["outage", "withdrawal", "grace"]] = {
    "credit": "outage",
    "revived": "withdrawal",
    "grace": "grace",
}


def list_plans() -> PlanList:
    """Return the plans that are sold, and what an order agrees to."""
    version = find_newest_version()
    fr, en = read_consent(version, "fr"), read_consent(version, "en")
    return PlanList(
        items=[PlanAnswer.of(each) for name, each in plans().items() if name is not PlanName.NONE],
        terms_version=version,
        consent=ConsentWords(
            start_now=Words(fr=fr.start_now, en=en.start_now),
            acknowledges_loss=Words(fr=fr.acknowledges_loss, en=en.acknowledges_loss),
            accepts_hour_threshold=Words(fr=fr.accepts_hour_threshold, en=en.accepts_hour_threshold),
        ),
    )


def get_terms() -> TermsAnswer:
    """Return the newest terms."""
    version = find_newest_version()
    return TermsAnswer(version=version, fr=read_terms(version, "fr"), en=read_terms(version, "en"))


def list_history(session: Session, user_id: UUID, query: PageQuery) -> HistoryPage:
    """Return a page of the user's payments, the newest first."""
    mine = sa.select(Payment).where(Payment.user_id == user_id)
    found, following = read_page(session, mine, Payment.id, query)
    return HistoryPage(items=list_entries(session, found), next=following)


def read_payment(session: Session, user_id: UUID, payment_id: UUID) -> PaymentEntry:
    """Return one of the user's payments.

    Raises:
        ApiError: 404.
    """
    mine = sa.select(Payment).where(Payment.user_id == user_id, Payment.id == payment_id)
    found = list_entries(session, session.scalars(mine).all())
    if not found:
        raise not_found("payment")
    return found[0]


def read_subscription(session: Session, user_id: UUID) -> SubscriptionAnswer | None:
    """Return the user's subscription that has not ended; None without one."""
    row = find_subscription(session, user_id)
    if row is None:
        return None
    notice = find_standing_notice(session, row.id)  # it may end the plan before what is paid
    noticed = notice.takes_effect_at if notice else None
    ends_at = noticed or row.cancel_wanted_at or find_agreed_end(session, row)
    return SubscriptionAnswer(plan=row.plan, paid_until=row.next_charge_at, ends_at=ends_at)


def find_newest_order(session: Session, user_id: UUID, name: PlanName | None) -> PaymentEntry | None:
    """Return the user's newest order of a plan, or of any, among the last payments."""
    history = list_history(session, user_id, PageQuery())
    found = (each for each in history.items if not each.renewal)
    return next((each for each in found if name is None or each.plan is name), None)


def list_entries(session: Session, payments: Sequence[Payment]) -> list[PaymentEntry]:
    """Return payments with their time, credits and refunds, in six statements whatever their number."""
    ids = [each.id for each in payments]
    grants, refunds = _group(session, Grant, ids, Grant.starts_at), _group(session, Refund, ids, Refund.id)
    upgrades, outages = _group(session, PlanCredit, ids), _group(session, WatchCredit, ids, WatchCredit.id)
    names, periods, entries = _group(session, StripeId, ids), list_periods(session, payments), []
    for each in payments:
        lowered = [row for row in outages[each.id] if row.form is CreditForm.INVOICE]
        given = [row for row in grants[each.id] if row.source in _REASONS]
        credits_ = [_build_amount("upgrade", row) for row in upgrades[each.id]]
        credits_ += [_build_amount("outage", row) for row in lowered]
        credits_ += [_build_credit(row) for row in given]
        paid = [row for row in grants[each.id] if row not in given]
        period, ids_at_stripe = periods.get(each.id), {row.kind: row.id for row in names[each.id]}
        entry = PaymentEntry.of_row(
            each,
            amount=each.amount_cents,
            refunded=each.refunded_cents,
            renewal=each.consented_at is None,
            starts_at=min((row.starts_at for row in paid), default=None),
            ends_at=max((row.ends_at for row in paid), default=None),
            withdraw_until=period.ends_at if period else None,
            stripe_payment_id=ids_at_stripe.get(INTENT),
            stripe_session_id=ids_at_stripe.get(SESSION),
            credits=credits_,
            refunds=[RefundEntry.model_validate(row) for row in refunds[each.id]],
        )
        entries.append(entry)
    return entries


def _group(
    session: Session, table: type[_Row], ids: Sequence[UUID], *order: sa.SQLColumnExpression[Any]
) -> defaultdict[UUID | None, list[_Row]]:
    found: defaultdict[UUID | None, list[_Row]] = defaultdict(list)
    for row in session.scalars(sa.select(table).where(is_any_of(table.payment_id, ids)).order_by(*order)):
        found[row.payment_id].append(row)
    return found


def _build_amount(reason: Literal["upgrade", "outage"], row: PlanCredit | WatchCredit) -> CreditEntry:
    return CreditEntry(
        reason=reason, amount=row.amount_cents, seconds=row.seconds, starts_at=None, ends_at=None
    )


def _build_credit(grant: Grant) -> CreditEntry:
    return CreditEntry(
        reason=_REASONS[grant.source],
        amount=None,
        seconds=round((grant.ends_at - grant.starts_at).total_seconds()),
        starts_at=grant.starts_at,
        ends_at=grant.ends_at,
    )


@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction, as far as it is about the payment."""

    kind: BookKind
    at: datetime
    cents: int
    net: int  # above 0: so many cents went to another payment; below 0: they came from one
    ending: str  # of its cause, which tells two movements of a kind apart
    reason: RefundReason | None  # of the refund that it is about


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The book of one payment, in cents: all that came in was used, is left, passed on, given back, or is owed."""

    balances: Balances
    paid: int
    lowered: int  # what took off the price: a cheaper plan's rest, time without watching
    passed_on: int  # to other payments
    given_back: int
    movements: list[Movement]  # the oldest first


def read_order_book(session: Session, payment_id: UUID) -> OrderBook:
    """Return the book of a payment. Whether it may be shown is for the caller to decide."""
    found, balances = list_transactions(session, payment_id), read_balances(session, payment_id)
    reasons = _read_reasons(session, found)
    movements = [_build_movement(each, payment_id, reasons) for each in found]
    lines = [(each.kind, line) for each in found for line in each.lines if line.payment_id == payment_id]
    moved = [(kind, line.cents) for kind, line in lines if line.account in _MONEY]
    paid = sum(cents for kind, cents in moved if kind is BookKind.PAID)
    lowered = balances.worth - paid
    return OrderBook(
        balances=balances,
        paid=paid,
        lowered=lowered,
        passed_on=sum(each.net for each in movements) + lowered,
        given_back=-sum(cents for kind, cents in moved if kind in _GIVES_BACK),
        movements=movements,
    )


def _build_movement(found: BookTransaction, payment_id: UUID, reasons: dict[str, RefundReason]) -> Movement:
    mine = [line.cents for line in found.lines if line.payment_id == payment_id]
    net, moved = sum(mine), sum(cents for cents in mine if cents > 0)
    parts = found.cause.split(":")
    reason = next((reasons[each] for each in parts if each in reasons), None)
    return Movement(found.kind, found.at, abs(net) or moved, net, parts[-1], reason)


def _read_reasons(session: Session, found: Sequence[BookTransaction]) -> dict[str, RefundReason]:
    """Return why the refunds of these transactions' payments were made, by our id and by Stripe's."""
    payments = {line.payment_id for each in found for line in each.lines}
    refunds = (
        sa.select(Refund.id, StripeId.id, Refund.reason)
        .outerjoin(StripeId, StripeId.refund_id == Refund.id)
        .where(is_any_of(Refund.payment_id, payments))
    )
    return {str(name): reason for *names, reason in session.execute(refunds) for name in names if name}


@dataclass(frozen=True, slots=True)
class OutageBalance:
    """What a user got for unwatched time, in all and what of it is to come: seconds of a plan, and cents."""

    given_seconds: int
    waiting_seconds: int
    given_cents: int
    waiting_cents: int  # to be taken off the next invoice


def read_outage_balance(session: Session, user_id: UUID, now: datetime) -> OutageBalance | None:
    """Return what outages gave a user; None where there was nothing to give."""
    left = sa.func.greatest(Grant.ends_at - sa.func.greatest(Grant.starts_at, now), timedelta())
    lengths = (sa.func.sum(sa.extract("epoch", each)) for each in (Grant.ends_at - Grant.starts_at, left))
    time = session.execute(sa.select(*lengths).where(Grant.user_id == user_id, Grant.source == CREDIT)).one()
    is_waiting = (WatchCredit.form == CreditForm.INVOICE) & WatchCredit.borne_by_id.is_(None)
    cents = sa.func.sum(WatchCredit.amount_cents)
    money = session.execute(
        sa.select(cents, cents.filter(is_waiting, WatchCredit.refund_id.is_(None)))
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .where(Payment.user_id == user_id, WatchCredit.form != CreditForm.TIME)
    ).one()
    found = OutageBalance(*(int(each or 0) for each in (*time, *money)))
    return found if found.given_seconds or found.given_cents else None
