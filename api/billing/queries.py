"""Reads of billing: the plans, the terms, and a user's payments with their credits and refunds."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.billing.quotes import find_subscription
from api.billing.schemas import (
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
from api.errors import not_found
from api.models.base import is_any_of
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind
from api.models.payment import Payment, PlanCredit, Refund, StripeId
from api.models.user import Grant
from api.models.watch_credit import CreditForm, WatchCredit
from api.paging import PageQuery, read_page
from api.payments.subscriptions import find_agreed_end
from api.payments.withdrawal_rules import list_periods
from api.schemas import PlanAnswer
from configs.plan import PlanName, plans
from configs.sales_terms import find_newest_version, read_consent, read_terms
from configs.withdrawal_period import WithdrawalPeriod

_INTENT, _SESSION = "payment_intent", "checkout.session"
CreditReason = Literal["upgrade", "outage", "withdrawal", "grace"]
# By a grant's source.
_REASONS: dict[str, CreditReason] = {"credit": "outage", "revived": "withdrawal", "grace": "grace"}


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
        api.errors.ApiError: 404.
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
    ends_at = _find_noticed_end(session, row.id) or row.cancel_wanted_at or find_agreed_end(session, row)
    return SubscriptionAnswer(plan=row.plan, paid_until=row.period_ends_at, ends_at=ends_at)


def _find_noticed_end(session: Session, subscription_id: UUID) -> datetime | None:
    """Return when a notice of the owner's takes effect: it may end the plan before what is paid."""
    first = sa.select(sa.func.min(Declaration.takes_effect_at)).where(
        Declaration.subscription_id == subscription_id,
        Declaration.kind == DeclarationKind.CANCELLATION,
        Declaration.confirmed_at.is_not(None),
        sa.text(OPEN_DECLARATION),
    )
    return session.scalar(first)


def list_entries(session: Session, payments: Sequence[Payment]) -> list[PaymentEntry]:
    """Return payments with their time, credits and refunds, in six statements whatever their number."""
    ids = [each.id for each in payments]
    grants, refunds = defaultdict(list), defaultdict(list)
    for grant in session.scalars(
        sa.select(Grant).where(is_any_of(Grant.payment_id, ids)).order_by(Grant.starts_at)
    ):
        grants[grant.payment_id].append(grant)
    for refund in session.scalars(
        sa.select(Refund).where(is_any_of(Refund.payment_id, ids)).order_by(Refund.id)
    ):
        refunds[refund.payment_id].append(_build_refund(refund))
    credited, names = _read_credits(session, ids), _read_stripe_ids(session, ids)
    periods = list_periods(session, payments)
    entries = (
        _build_entry(each, grants[each.id], credited[each.id], refunds[each.id], names) for each in payments
    )
    return [_add_period(each, periods.get(each.id)) for each in entries]


def _add_period(entry: PaymentEntry, period: WithdrawalPeriod | None) -> PaymentEntry:
    return entry.model_copy(update={"withdraw_until": period.ends_at}) if period else entry


def _read_credits(session: Session, ids: Sequence[UUID]) -> defaultdict[UUID, list[CreditEntry]]:
    found: defaultdict[UUID, list[CreditEntry]] = defaultdict(list)
    for upgrade in session.scalars(sa.select(PlanCredit).where(is_any_of(PlanCredit.payment_id, ids))):
        found[upgrade.payment_id].append(_build_amount("upgrade", upgrade))
    lowered = sa.select(WatchCredit).where(
        is_any_of(WatchCredit.payment_id, ids), WatchCredit.form == CreditForm.INVOICE
    )
    for outage in session.scalars(lowered.order_by(WatchCredit.id)):
        found[outage.payment_id].append(_build_amount("outage", outage))
    return found


def _build_amount(reason: Literal["upgrade", "outage"], row: PlanCredit | WatchCredit) -> CreditEntry:
    return CreditEntry(
        reason=reason, amount=row.amount_cents, seconds=row.seconds, starts_at=None, ends_at=None
    )


def _read_stripe_ids(session: Session, ids: Sequence[UUID]) -> dict[tuple[UUID | None, str], str]:
    rows = session.scalars(
        sa.select(StripeId).where(is_any_of(StripeId.payment_id, ids), StripeId.kind.in_([_INTENT, _SESSION]))
    )
    return {(each.payment_id, each.kind): each.id for each in rows}


def _build_refund(refund: Refund) -> RefundEntry:
    return RefundEntry(
        id=refund.id,
        amount=refund.amount_cents,
        reason=refund.reason,
        status=refund.status,
        created_at=refund.created_at,
    )


def _build_entry(
    payment: Payment,
    grants: Sequence[Grant],
    credited: Sequence[CreditEntry],
    refunds: Sequence[RefundEntry],
    names: dict[tuple[UUID | None, str], str],
) -> PaymentEntry:
    given = [_build_credit(each) for each in grants if each.source in _REASONS]
    paid = [each for each in grants if each.source not in _REASONS]
    return PaymentEntry(
        id=payment.id,
        order_number=payment.order_number,
        plan=payment.plan,
        amount=payment.amount_cents,
        refunded=payment.refunded_cents,
        currency=payment.currency,
        status=payment.status,
        renewal=payment.consented_at is None,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
        refunded_at=payment.refunded_at,
        starts_at=min((each.starts_at for each in paid), default=None),
        ends_at=max((each.ends_at for each in paid), default=None),
        withdraw_until=None,
        terms_version=payment.terms_version,
        stripe_payment_id=names.get((payment.id, _INTENT)),
        stripe_session_id=names.get((payment.id, _SESSION)),
        credits=[*credited, *given],
        refunds=list(refunds),
    )


def _build_credit(grant: Grant) -> CreditEntry:
    return CreditEntry(
        reason=_REASONS[grant.source],
        amount=None,
        seconds=round((grant.ends_at - grant.starts_at).total_seconds()),
        starts_at=grant.starts_at,
        ends_at=grant.ends_at,
    )
