"""Payments, declarations, Stripe's events, differences and daily totals: what operators see, refund and apply again."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Self
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session

from api.ground.errors import ApiError, ensure_found, not_found
from api.ground.paging import (
    Found,
    MomentQuery,
    PageQuery,
    apply_filter,
    cut_page,
    read_moments,
    read_page,
)
from api.ground.schemas import Answer, Body, clean_text
from api.models.declaration import Declaration
from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentStatus,
    Refund,
    RefundReason,
    RefundStatus,
    StripeId,
)
from api.models.stripe_event import PaymentDifference, StripeEvent, StripeEventFlag
from api.payments.billing.queries import list_entries
from api.payments.billing.schemas import PaymentEntry
from api.payments.declarations.records import DOUBTFUL
from api.payments.declarations.schemas import find_number
from api.payments.exchange.events import replay_event
from api.payments.exchange.objects import find_type
from api.payments.gateway.former_customers import find_customer
from api.payments.invoices.contents import PARIS
from api.payments.ledger.book import read_balances
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund
from configs.ground.clock import clock
from configs.ground.strict_model import IsoDate
from configs.world.desk import Text
from configs.world.plan import PlanName

_TOTALS = sa.text("""
SELECT (issued_at AT TIME ZONE 'Europe/Paris')::date AS day, contents->>'plan' AS plan,
  contents->>'vat_line' AS vat_line, count(*) FILTER (WHERE kind = 'invoice') AS invoices,
  count(*) FILTER (WHERE kind = 'credit_note') AS credit_notes,
  sum(CASE kind WHEN 'invoice' THEN amount_cents ELSE -amount_cents END) AS gross,
  sum((contents->>'vat_cents')::int * CASE kind WHEN 'invoice' THEN 1 ELSE -1 END) AS vat
FROM invoices WHERE issued_at >= :begins AND issued_at < :ends GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")
_LONGEST_EXPORT = timedelta(days=366)
_EARLIEST, _LATEST = date(2001, 1, 1), date(2099, 12, 31)
StripeName = Annotated[Text, Field(max_length=255)]
OrderNumber = Annotated[str, clean_text(find_number), Field(pattern="^[2-9A-HJ-NP-Z]{10}$")]


class PaymentQuery(PageQuery):
    """Payments of a user, of a status, or the one with an order number, or that an id of Stripe's belongs to."""

    user_id: UUID | None = None
    status: PaymentStatus | None = None
    order_number: OrderNumber | None = None
    stripe_id: StripeName | None = None


class DeclarationQuery(MomentQuery):
    """All declarations, or with `open` those that no order was found for."""

    open: bool | None = None


class StripeEventQuery(Body):
    """Events of a type, with a flag, or not applied yet. `before`: the `next` of the page before."""

    type: StripeName | None = None
    flag: StripeEventFlag | None = None
    open: bool | None = None
    object_id: StripeName | None = None
    before: StripeName | None = None
    limit: int = Field(50, ge=1, le=100)


class TotalsQuery(Body):
    """Days in Paris, both included, at most a year; without them the month so far."""

    first: IsoDate | None = None
    last: IsoDate | None = None

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day."""
        last = self.last or clock().astimezone(PARIS).date()
        return self.first or last.replace(day=1), last

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = self.days
        if first > last:
            raise PydanticCustomError("out_of_order", "first lies after last")
        if not (first >= _EARLIEST and last <= _LATEST and last - first <= _LONGEST_EXPORT):
            raise PydanticCustomError("too_far", "send days of this century, at most 366 days apart")
        return self


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
    columns = {name: getattr(Payment, name) for name in ("user_id", "status", "order_number")}
    query = apply_filter(sa.select(Payment), wanted, **columns)
    if wanted.stripe_id:
        named = sa.select(StripeId.payment_id).where(StripeId.id == wanted.stripe_id)
        query = query.where(Payment.id.in_(named))
    rows, following = read_page(session, query, Payment.id, wanted)
    pairs = zip(list_entries(session, rows), rows, strict=True)
    return Found([OperatorPayment(entry, row.user_id) for entry, row in pairs], following)


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


def list_differences(session: Session, wanted: PageQuery) -> Found[PaymentDifference]:
    """Return a page of what comparisons with Stripe found, the newest first."""
    return Found(*read_page(session, sa.select(PaymentDifference), PaymentDifference.id, wanted))


class DailyTotal(Answer):
    """Documents of a day in Paris, a plan and a VAT line: invoices less credit notes, in cents."""

    day: date
    plan: PlanName
    vat_line: str
    currency: str
    invoices: int
    credit_notes: int
    gross: int
    vat: int
    net: int


def read_daily_totals(session: Session, first: date, last: date) -> list[DailyTotal]:
    """Return the totals of each day in Paris on which a document was issued, from `first` to `last`."""
    bounds = {
        "begins": datetime.combine(first, time(), PARIS),
        "ends": datetime.combine(last + timedelta(days=1), time(), PARIS),
    }
    return [
        DailyTotal(**row, currency="eur", net=row["gross"] - row["vat"])
        for row in session.execute(_TOTALS, bounds).mappings()
    ]


def write_csv(totals: Sequence[DailyTotal]) -> str:
    """Return daily totals as CSV (RFC 4180): a row of heads, one for each day, plan and VAT line; cents."""
    heads = [field.alias or name for name, field in DailyTotal.model_fields.items()]
    written = io.StringIO()
    rows = csv.DictWriter(written, heads)
    rows.writeheader()
    rows.writerows(each.as_json() for each in totals)
    return written.getvalue()


_DOUBLE_CLICK = timedelta(minutes=1)
_MOST = 10_000_000  # cents


class NewRefund(Body):
    """What goes back, in cents, and what was left of the payment when the operator decided. `note`: the reason."""

    cents: Annotated[int, Field(ge=1, le=_MOST)]
    left: Annotated[int, Field(ge=0, le=_MOST)]
    note: Annotated[Text, Field(max_length=500)]


def refund_payment(session: Session, payment_id: UUID, wish: NewRefund) -> Refund:
    """Write a refund of a payment, in whole or part. A full one ends the plan once Stripe has taken it.

    Raises:
        ApiError: 404; 409, it was not paid, or less than that is left of it, or the same refund was written
            a moment ago, or something went back since the operator looked.
    """
    try:
        payment = lock_payment(session, payment_id)
    except NoResultFound:
        raise not_found("payment") from None
    left = read_balances(session, payment.id).refundable
    if wish.left != left:
        raise ApiError(409, "payment-changed", f"{left} cents of this payment can be given back by now")
    _refuse_double_click(session, payment, wish.cents, wish.note)
    return plan_refund(session, payment, wish.cents, RefundReason.OPERATOR, wish.note)


def _refuse_double_click(session: Session, payment: Payment, amount: int, note: str) -> None:
    same = sa.select(Refund.id).where(
        Refund.payment_id == payment.id,
        Refund.amount_cents == amount,
        Refund.note == note,
        Refund.status != RefundStatus.FAILED,
        Refund.created_at > clock() - _DOUBLE_CLICK,
    )
    if session.scalar(same.limit(1)):
        detail = "this refund was written less than a minute ago: give another note to give the amount twice"
        raise ApiError(409, "refund-repeated", detail)


def describe_refund(refund: Refund) -> dict[str, Any]:
    """Return a refund as the audit notes it; the operator's words stay out, which may name a person."""
    return {"refundId": str(refund.id), "amount": refund.amount_cents}


def apply_event_again(session: Session, event_id: str) -> StripeEvent:
    """Have an event applied again: nudge its object after the commit.

    Raises:
        ApiError: 404, there is none, or it names no object; 409, nothing is done about events of its type.
    """
    event = read_event(session, event_id)
    if find_type(event.type) is None:
        raise ApiError(
            409, "unknown-type", f"events of the type {event.type} are stored only: nothing applies them"
        )
    replay_event(session, event_id)
    return event
