"""Owners of Stripe's objects: found by the table of Stripe's ids, or by the ids of ours that metadata carries."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.payment import Payment, Refund, StripeId, Subscription
from api.models.user import User
from api.payments.gateway.errors import IdConflict, UnknownOwner
from api.payments.gateway.former_customers import keep_customer
from api.payments.ledger.payment_events import lock_payment

# Keys of the metadata that we give to Stripe's objects; their values are ids of our rows.
PAYMENT_KEY, REFUND_KEY, CREDIT_KEY = "payment", "refund", "watch_credit"
SESSION = "checkout.session"  # kind of an id
# Kind of an id; the second one of an invoice is `payment_intent.2`, as of a session
INTENT = "payment_intent"


def find_payment_id(
    session: Session, stripe_id: str | None, metadata: Mapping[str, str] | None = None
) -> UUID | None:
    """Return the payment that an object belongs to, by its id or else by our metadata."""
    known = session.scalar(sa.select(StripeId.payment_id).where(StripeId.id == stripe_id))
    return known or _find_named(session, Payment, (metadata or {}).get(PAYMENT_KEY))


def lock_owner(session: Session, stripe_id: str | None, metadata: Mapping[str, str] | None = None) -> Payment:
    """Return the payment that an object belongs to, locked.

    Raises:
        UnknownOwner: none is known, or not yet.
    """
    payment_id = find_payment_id(session, stripe_id, metadata)
    if payment_id is None:
        raise UnknownOwner(f"no payment has {stripe_id}")
    return lock_payment(session, payment_id)


def find_refund_id(session: Session, stripe_id: str, metadata: Mapping[str, str] | None) -> UUID | None:
    """Return our row of a refund."""
    known = session.scalar(sa.select(StripeId.refund_id).where(StripeId.id == stripe_id))
    return known or _find_named(session, Refund, (metadata or {}).get(REFUND_KEY))


def find_subscription_id(session: Session, stripe_id: str) -> UUID | None:
    """Return our row of a subscription."""
    return session.scalar(sa.select(StripeId.subscription_id).where(StripeId.id == stripe_id))


def find_stripe_id(session: Session, owner: Payment | Subscription | Refund, kind: str) -> str | None:
    """Return Stripe's id of this kind of one of our rows."""
    mine = getattr(StripeId, _name_column(owner)) == owner.id
    return session.scalar(sa.select(StripeId.id).where(mine, StripeId.kind == kind))


def link_id(
    session: Session, stripe_id: str | None, kind: str, owner: Payment | Subscription | Refund
) -> None:
    """Write whose an id is, once; later only compare.

    Raises:
        IdConflict: it is another's, or the owner has another one of this kind.
    """
    if stripe_id is None:
        return
    column = _name_column(owner)
    session.flush()
    made = insert(StripeId).values(id=stripe_id, kind=kind, **{column: owner.id})
    session.execute(made.on_conflict_do_nothing())
    known = session.execute(
        sa.select(StripeId.kind, getattr(StripeId, column)).where(StripeId.id == stripe_id)
    ).one_or_none()
    if known is None or tuple(known) != (kind, owner.id):
        raise IdConflict(f"{stripe_id} is no {kind} of {column} {owner.id}: compare stripe_ids with Stripe")


def link_intent(session: Session, stripe_id: str | None, payment: Payment, kind: str = INTENT) -> None:
    """Write the PaymentIntent (or session) of an invoice, which may have another one already that was not paid.

    Raises:
        IdConflict: it is another payment's.
    """
    known = list_intents(session, payment.id, kind)
    if stripe_id not in known:
        link_id(session, stripe_id, f"{kind}.{len(known) + 1}" if known else kind, payment)


def link_customer(session: Session, payment: Payment, customer: str | None) -> None:
    """Write who paid, and whom Stripe takes a user for, once: the portal is opened for that customer.

    Where the account was deleted meanwhile, the customer is noted, to be deleted too.
    """
    if customer and payment.user_id is None:
        keep_customer(session, payment.id, customer)
    if customer and payment.user_id:
        payment.stripe_customer_id = customer
        nameless = (User.id == payment.user_id, User.stripe_customer_id.is_(None))
        session.execute(sa.update(User).where(*nameless).values(stripe_customer_id=customer))


def read_customers(session: Session, user_id: UUID) -> tuple[str, set[str]]:
    """Return a user's address, and Stripe's ids of the customers who paid; empty ones where the account is gone."""
    user = session.get(User, user_id)
    if user is None:
        return "", set()
    paid = session.scalars(sa.select(Payment.stripe_customer_id).where(Payment.user_id == user_id))
    return user.email, {each for each in (user.stripe_customer_id, *paid) if each}


def list_intents(session: Session, payment_id: UUID, kind: str = INTENT) -> Sequence[str]:
    """Return the PaymentIntents (or sessions) of a payment; the newest, which has its money, is the last one."""
    mine = (StripeId.payment_id == payment_id, StripeId.kind.startswith(kind, autoescape=True))
    ids = sa.select(StripeId.id).where(*mine)
    return session.scalars(ids.order_by(sa.func.length(StripeId.kind), StripeId.kind)).all()


def _name_column(owner: Payment | Subscription | Refund) -> str:
    columns = {Payment: "payment_id", Subscription: "subscription_id", Refund: "refund_id"}
    return columns[type(owner)]


def read_id(text: str | None) -> UUID | None:
    """Return the id in a value of metadata, which people may write too."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


def _find_named(session: Session, table: type[Payment | Refund], text: str | None) -> UUID | None:
    named = read_id(text)
    return session.scalar(sa.select(table.id).where(table.id == named)) if named else None
