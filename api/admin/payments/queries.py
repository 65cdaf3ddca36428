"""Reads of payments, Stripe's events and differences for operators."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.payments.schemas import (
    DeclarationEntry,
    DeclarationLog,
    DeclarationQuery,
    DifferenceEntry,
    DifferenceLog,
    OperatorPayment,
    OperatorRefund,
    PaymentDetails,
    PaymentEventEntry,
    PaymentLog,
    PaymentQuery,
    StripeEventEntry,
    StripeEventLog,
    StripeEventQuery,
)
from api.admin.short_addresses import shorten_address
from api.billing.queries import list_entries
from api.declarations.records import DOUBTFUL
from api.errors import not_found
from api.models.declaration import Declaration
from api.models.payment import Payment, PaymentEvent, Refund, StripeId
from api.models.stripe_event import PaymentDifference, StripeEvent
from api.paging import PageQuery, cut_page, read_cursor, read_page, write_cursor
from api.payments.book import read_balances
from api.payments.former_customers import find_customer


def list_payments(session: Session, wanted: PaymentQuery) -> PaymentLog:
    """Return a page of payments."""
    query = sa.select(Payment)
    if wanted.user_id:
        query = query.where(Payment.user_id == wanted.user_id)
    if wanted.status:
        query = query.where(Payment.status == wanted.status)
    if wanted.order_number:
        query = query.where(Payment.order_number == wanted.order_number)
    if wanted.stripe_id:
        named = sa.select(StripeId.payment_id).where(StripeId.id == wanted.stripe_id)
        query = query.where(Payment.id.in_(named))
    rows, following = read_page(session, query, Payment.id, wanted)
    return PaymentLog(items=_build_entries(session, rows), next=following)


def read_payment(session: Session, payment_id: UUID, *, sees_addresses: bool) -> PaymentDetails:
    """Return one payment with everything that happened to it.

    Raises:
        api.errors.ApiError: 404.
    """
    payment = session.get(Payment, payment_id)
    if payment is None:
        raise not_found("payment")
    (entry,) = _build_entries(session, [payment])
    events = sa.select(PaymentEvent).where(PaymentEvent.payment_id == payment_id).order_by(PaymentEvent.id)
    names = session.scalars(sa.select(StripeId).where(StripeId.payment_id == payment_id))
    refunds = session.scalars(sa.select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id))
    return PaymentDetails(
        **dict(entry) | {"refunds": [describe_refund(each) for each in refunds]},
        events=[PaymentEventEntry.model_validate(each) for each in session.scalars(events)],
        stripe_ids={each.kind: each.id for each in names},
        former_customer=find_customer(session, payment_id) if sees_addresses else None,
    )


def read_refundable(session: Session, payment_id: UUID) -> int:
    """Return the cents of a payment that can go back now; 0 of one that was not paid.

    Raises:
        api.errors.ApiError: 404.
    """
    payment = session.get(Payment, payment_id)
    if payment is None:
        raise not_found("payment")
    return read_balances(session, payment.id).refundable if payment.paid_at else 0


def describe_refund(refund: Refund) -> OperatorRefund:
    """Return a refund as an operator sees it."""
    return OperatorRefund.model_validate(refund)


def list_declarations(session: Session, wanted: DeclarationQuery, *, full: bool) -> DeclarationLog:
    """Return a page of withdrawals and cancellations; `full` shows whole addresses."""
    query = sa.select(Declaration)
    if wanted.open is not None:
        is_open = sa.func.coalesce(Declaration.refused_because, "").in_(DOUBTFUL)
        query = query.where(is_open if wanted.open else sa.not_(is_open))
    place = sa.tuple_(Declaration.made_at, Declaration.id)
    if wanted.before:
        query = query.where(place < sa.tuple_(*read_cursor(wanted.before)))
    newest = query.order_by(Declaration.made_at.desc(), Declaration.id.desc())
    shown, more = cut_page(session.scalars(newest.limit(wanted.limit + 1)).all(), wanted.limit)
    items = [DeclarationEntry.model_validate(each) for each in shown]
    if not full:
        items = [each.model_copy(update={"email": shorten_address("email", each.email)}) for each in items]
    return DeclarationLog(items=items, next=write_cursor(shown[-1].made_at, shown[-1].id) if more else None)


def list_events(session: Session, wanted: StripeEventQuery) -> StripeEventLog:
    """Return a page of Stripe's events, in the order in which they arrived."""
    query = sa.select(StripeEvent)
    for column, value in (
        (StripeEvent.type, wanted.type),
        (StripeEvent.flag, wanted.flag),
        (StripeEvent.object_id, wanted.object_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.open is not None:
        is_open = StripeEvent.next_attempt_at.is_not(None)
        query = query.where(is_open if wanted.open else sa.not_(is_open))
    place = sa.tuple_(StripeEvent.received_at, StripeEvent.id)
    if wanted.before:
        last = sa.select(StripeEvent.received_at, StripeEvent.id).where(StripeEvent.id == wanted.before)
        query = query.where(place < last.scalar_subquery())
    newest = query.order_by(StripeEvent.received_at.desc(), StripeEvent.id.desc())
    shown, more = cut_page(session.scalars(newest.limit(wanted.limit + 1)).all(), wanted.limit)
    items = [StripeEventEntry.model_validate(each) for each in shown]
    return StripeEventLog(items=items, next=items[-1].id if more else None)


def read_event(session: Session, event_id: str) -> StripeEventEntry:
    """Return an event that names an object.

    Raises:
        api.errors.ApiError: 404, there is none, or it names no object.
    """
    event = session.get(StripeEvent, event_id)
    if event is None or event.object_id is None:
        raise not_found("event that names an object")
    return StripeEventEntry.model_validate(event)


def list_differences(session: Session, wanted: PageQuery) -> DifferenceLog:
    """Return a page of what comparisons with Stripe found."""
    rows, following = read_page(session, sa.select(PaymentDifference), PaymentDifference.id, wanted)
    return DifferenceLog(items=[DifferenceEntry.model_validate(each) for each in rows], next=following)


def _build_entries(session: Session, payments: Sequence[Payment]) -> list[OperatorPayment]:
    entries = list_entries(session, payments)
    return [
        OperatorPayment(**dict(entry), user_id=payment.user_id)
        for entry, payment in zip(entries, payments, strict=True)
    ]
