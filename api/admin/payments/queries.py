"""Payments, declarations, differences and Stripe's events as operators see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.admin.users import search_users
from api.ground.errors import ensure_found, not_found
from api.ground.paging import (
    Found,
    MomentQuery,
    PageQuery,
    apply_filter,
    cut_page,
    read_moments,
    read_page,
)
from api.ground.schemas import Body
from api.models.base import is_any_of
from api.models.declaration import Declaration
from api.models.invoice import Invoice
from api.models.payment import Payment, PaymentEvent, PaymentStatus, Refund, StripeId
from api.models.stripe_event import PaymentDifference, StripeEvent, StripeEventFlag
from api.payments.billing.queries import list_entries
from api.payments.billing.schemas import PaymentEntry
from api.payments.declarations.records import DOUBTFUL
from api.payments.declarations.schemas import find_number
from api.payments.gateway.former_customers import find_customer
from api.payments.ledger.book import read_balances
from configs.world.desk import Text

StripeName = Annotated[Text, Field(max_length=255)]
_MOST_FOUND = 100


class PaymentQuery(PageQuery):
    """Payments of a user, or of a status."""

    user_id: UUID | None = None
    status: PaymentStatus | None = None


class PaymentSearch(Body):
    """Search by the payer's whole address, or a number: of an order, an invoice, or one of Stripe's."""

    wanted: Text = Field(max_length=255)


class DeclarationQuery(MomentQuery):
    """All declarations, or with `open` those that no order was found for."""

    open: bool | None = None


@dataclass(frozen=True, slots=True)
class OperatorPayment:
    """A payment as its user sees it, and whose it is; None where the account was deleted."""

    entry: PaymentEntry
    user_id: UUID | None

    @property
    def id(self) -> UUID:
        """The payment's id."""
        return self.entry.id


@dataclass(frozen=True, slots=True)
class PaymentDetails(OperatorPayment):
    """A payment with everything that happened to it, in order, and Stripe's ids by their kind."""

    refunds: Sequence[Refund]
    events: Sequence[PaymentEvent]
    stripe_ids: dict[str, str]
    left: int  # cents that can go back now; 0 of one that was not paid
    # Stripe's customer of a deleted account, for 120 days and for admins only: it has the name for a dispute
    former_customer: str | None


def list_payments(session: Session, wanted: PaymentQuery) -> Found[OperatorPayment]:
    """Return a page of payments, the newest first."""
    query = apply_filter(sa.select(Payment), wanted, user_id=Payment.user_id, status=Payment.status)
    rows, following = read_page(session, query, Payment.id, wanted)
    return Found(_describe(session, rows), following)


def search_payments(session: Session, text: str) -> list[OperatorPayment]:
    """Return the payments that an address or a number names, the newest first, a hundred at most."""
    documents = sa.select(Invoice.payment_id).where(Invoice.number == text.upper())
    names = sa.select(StripeId.payment_id).where(StripeId.id == text)
    is_it = [Payment.order_number == find_number(text), Payment.id.in_(documents), Payment.id.in_(names)]
    if "@" in text:
        is_it = [is_any_of(Payment.user_id, [each.id for each in search_users(session, text)])]
    query = sa.select(Payment).where(sa.or_(*is_it)).order_by(Payment.id.desc()).limit(_MOST_FOUND)
    return _describe(session, session.scalars(query).all())


def _describe(session: Session, rows: Sequence[Payment]) -> list[OperatorPayment]:
    pairs = zip(list_entries(session, rows), rows, strict=True)
    return [OperatorPayment(entry, row.user_id) for entry, row in pairs]


def read_payment(session: Session, payment_id: UUID, *, sees_addresses: bool) -> PaymentDetails:
    """Return one payment with everything that happened to it.

    Raises:
        ApiError: 404.
    """
    payment = ensure_found(session.get(Payment, payment_id), "payment")
    (entry,) = list_entries(session, [payment])
    events = sa.select(PaymentEvent).where(PaymentEvent.payment_id == payment_id).order_by(PaymentEvent.id)
    names = session.scalars(sa.select(StripeId).where(StripeId.payment_id == payment_id))
    refunds = sa.select(Refund).where(Refund.payment_id == payment_id).order_by(Refund.id)
    return PaymentDetails(
        entry,
        payment.user_id,
        refunds=session.scalars(refunds).all(),
        events=session.scalars(events).all(),
        stripe_ids={each.kind: each.id for each in names},
        left=read_balances(session, payment.id).refundable if payment.paid_at else 0,
        former_customer=find_customer(session, payment_id) if sees_addresses else None,
    )


def list_declarations(session: Session, wanted: DeclarationQuery) -> Found[Declaration]:
    """Return a page of withdrawals and cancellations, the newest first."""
    is_open = sa.func.coalesce(Declaration.refused_because, "").in_(DOUBTFUL)
    query = apply_filter(sa.select(Declaration), wanted, open=is_open)
    return Found(*read_moments(session, query, Declaration.made_at, Declaration.id, wanted))


def list_differences(session: Session, wanted: PageQuery) -> Found[PaymentDifference]:
    """Return a page of what comparisons with Stripe found, the newest first."""
    return Found(*read_page(session, sa.select(PaymentDifference), PaymentDifference.id, wanted))


class StripeEventQuery(Body):
    """Events of a type, with a flag, or not applied yet. `before`: the `next` of the page before."""

    type: StripeName | None = None
    flag: StripeEventFlag | None = None
    open: bool | None = None
    object_id: StripeName | None = None
    before: StripeName | None = None
    limit: int = Field(50, ge=1, le=100)


def list_events(session: Session, wanted: StripeEventQuery) -> Found[StripeEvent]:
    """Return a page of Stripe's events, in the order in which they arrived."""
    columns = {name: getattr(StripeEvent, name) for name in ("type", "flag", "object_id")}
    is_open = StripeEvent.next_attempt_at.is_not(None)
    query = apply_filter(sa.select(StripeEvent), wanted, open=is_open, **columns)
    place = sa.tuple_(StripeEvent.received_at, StripeEvent.id)
    if wanted.before:
        last = sa.select(StripeEvent.received_at, StripeEvent.id).where(StripeEvent.id == wanted.before)
        query = query.where(place < last.scalar_subquery())
    newest = query.order_by(StripeEvent.received_at.desc(), StripeEvent.id.desc())
    shown, more = cut_page(session.scalars(newest.limit(wanted.limit + 1)).all(), wanted.limit)
    return Found(shown, shown[-1].id if more else None)


def read_event(session: Session, event_id: str) -> StripeEvent:
    """Return an event that names an object.

    Raises:
        ApiError: 404, there is none, or it names no object.
    """
    event = session.get(StripeEvent, event_id)
    if event is None or event.object_id is None:
        raise not_found("event that names an object")
    return event
