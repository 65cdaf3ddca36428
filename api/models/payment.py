"""Payments, what happened to them, refunds, subscriptions, Stripe's ids of them, and paid time without watching.

Triggers write `payments.status`, `paid_at`, `refunded_at`, `lost_cents` (from `payment_events`) and `refunded_cents`
(from `refunds`), and refuse every other change of them.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id, word_column
from configs.world.plan import PlanName

_NOW = sa.func.now()
_UNMAILED = "order_mail_at IS NULL AND paid_at IS NOT NULL AND consented_at IS NOT NULL"
DISPUTED = "charge_disputed"  # Stripe's code for a refund that must wait for the end of a dispute
_USERS, _PAYMENTS, _SUBSCRIPTIONS, _REFUNDS = "users.id", "payments.id", "subscriptions.id", "refunds.id"


class PaymentStatus(StrEnum):
    """Status of a payment, which follows from its events."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


class PaymentEventKind(StrEnum):
    """What happened to a payment. `subject` of an event names the refund or dispute, where it is about one."""

    PAID = "paid"
    FAILED = "failed"  # refused, or never paid
    EXPIRED = "expired"  # the checkout was abandoned
    REFUNDED = "refunded"  # the whole amount went back
    # The bank sent a refund back to us, so that the payment is no longer whole
    REFUND_UNDONE = "refund_undone"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"  # its amount is gone, which may be a part of the payment
    # It took no money: an inquiry that ended, or a dispute that was prevented
    DISPUTE_CLOSED = "dispute_closed"
    FRAUD_WARNING = "fraud_warning"
    # A dearer plan, a refund, a withdrawal or the account's deletion ended its plan
    PLAN_ENDED = "plan_ended"
    WITHDRAWN = "withdrawn"  # the user used the right to withdraw


class RefundStatus(StrEnum):
    """`planned`: Stripe may not know it yet. `failed` gives nothing back; all others count against the amount."""

    PLANNED = "planned"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundReason(StrEnum):
    """Why money goes back."""

    OPERATOR = "operator"
    WITHDRAWAL = "withdrawal"
    NOT_WATCHED = "not_watched"  # the desk closed between order and payment, or for good
    OUTAGE = "outage"
    CANCELLED = "cancelled"  # unused days of a subscription
    NO_ACCOUNT = "no_account"  # the account was deleted or suspended before it was paid
    DUPLICATE = "duplicate"  # another order had taken its place by the time it was paid
    EXTERNAL = "external"  # made in Stripe's dashboard


class Subscription(Base):
    """A monthly plan at Stripe, as it was when it was last read there."""

    __tablename__ = "subscriptions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_USERS, ondelete="SET NULL"), index=True)
    plan: Mapped[PlanName] = mapped_column(enum_column(PlanName, "plan"))
    status: Mapped[str]  # Stripe's word: active, past_due, canceled, …
    period_starts_at: Mapped[datetime | None]
    period_ends_at: Mapped[datetime | None]
    cancel_at: Mapped[datetime | None]  # when it will end, once it is cancelled
    ended_at: Mapped[datetime | None]
    cancel_wanted_at: Mapped[datetime | None]  # when it shall end, as its user or we decided
    lapsed_at: Mapped[datetime | None]  # when it was to end because its days of grace were over
    charge_at: Mapped[datetime | None]  # to when its next charge moves, by days that it was given
    synced_at: Mapped[datetime | None]  # when it was last read at Stripe
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    __table_args__ = (sa.CheckConstraint("plan <> 'NONE'", name="real_plan"),)

    @property
    def next_charge_at(self) -> datetime | None:
        """When the next period begins, and is charged."""
        return max(filter(None, (self.period_ends_at, self.charge_at)), default=None)


class Payment(Base):
    """An order, the renewal of a subscription, or what an organisation used in a month. It outlives its user's account.

    An organisation's has no user, and a day on which it is due.
    """

    __tablename__ = "payments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_USERS, ondelete="SET NULL"))
    plan: Mapped[PlanName] = mapped_column(enum_column(PlanName, "plan"))
    amount_cents: Mapped[int]  # to pay; once paid, what was paid
    currency: Mapped[str] = mapped_column(default="eur", server_default="eur")
    refunded_cents: Mapped[int] = mapped_column(default=0, server_default="0")  # all refunds but failed ones
    # By disputes that were not won since
    lost_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    status: Mapped[PaymentStatus] = word_column(PaymentStatus.PENDING, "status")
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    paid_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    subscription_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_SUBSCRIPTIONS), index=True)
    # What the user agreed to; null for a renewal, for which the order's holds.
    terms_version: Mapped[str | None]
    consent: Mapped[dict[str, Any] | None]
    consent_text: Mapped[str | None]
    consented_at: Mapped[datetime | None]
    alert_wish: Mapped[dict[str, Any] | None]  # body of POST /api/alerts: the alert that the payment creates
    alert_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("alerts.id", ondelete="SET NULL"), index=True)
    measured_at: Mapped[datetime | None]  # up to when its unwatched time was recorded
    synced_at: Mapped[datetime | None]  # when it was last compared with Stripe
    # Of an order; the trigger order_is_numbered gives it
    order_number: Mapped[str | None] = mapped_column(unique=True)
    # When a provider took the order mail: the time to withdraw counts from it
    order_mail_at: Mapped[datetime | None]
    client_name: Mapped[str | None]  # for its invoices, where the user gave one
    # Who paid, by Stripe's id: a person may be several customers there. Moves to `former_customers` with the account.
    stripe_customer_id: Mapped[str | None]
    organisation_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("organisations.id", ondelete="SET NULL")
    )
    used_from: Mapped[datetime | None]
    used_until: Mapped[datetime | None]
    due_at: Mapped[datetime | None]

    @property
    def number(self) -> str:
        """The number of an order, as its user reads it; a renewal has our id alone."""
        return self.order_number or str(self.id)

    @property
    def begins_later(self) -> bool:
        """Whether it is an order that is not asked to begin at once: api/payments/ledger/withdrawal_rules.py."""
        return self.consent is not None and self.consent.get("startNow") is False

    __table_args__ = (
        sa.CheckConstraint("order_number ~ '^[2-9A-HJ-NP-Z]{10}$'", name="order_number"),
        sa.CheckConstraint("plan <> 'NONE'", name="real_plan"),
        sa.CheckConstraint("currency = 'eur'", name="currency"),
        sa.CheckConstraint("amount_cents >= 0", name="amount"),
        sa.CheckConstraint("refunded_cents BETWEEN 0 AND amount_cents", name="refunded"),
        sa.CheckConstraint("(consent IS NULL) = (consented_at IS NULL)", name="consent"),
        sa.CheckConstraint(
            "num_nonnulls(used_from, used_until, due_at) IN (0, 3) AND (user_id IS NULL OR due_at IS NULL)",
            name="use",
        ),
        sa.UniqueConstraint("organisation_id", "used_from"),
        sa.Index("ix_payments_user_id_id", "user_id", "id"),
        sa.Index("ix_payments_status_id", "status", "id"),
        sa.Index("ix_payments_unmailed", "id", postgresql_where=sa.text(_UNMAILED)),
    )


class PlanCredit(Base):
    """The unused part of a cheaper plan that the order of a more expensive one credits.

    The cheaper plan ends when the order is paid. A withdrawal from the order revives it for `seconds`.
    """

    __tablename__ = "plan_credits"

    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey(_PAYMENTS), primary_key=True)  # the order
    credited_payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey(_PAYMENTS), primary_key=True, index=True)
    amount_cents: Mapped[int]
    seconds: Mapped[int]

    __table_args__ = (
        sa.CheckConstraint("amount_cents >= 0 AND seconds > 0", name="amounts"),
        sa.CheckConstraint("payment_id <> credited_payment_id", name="two_payments"),
    )


class PaymentEvent(Base):
    """One thing that happened to a payment, at most once for each subject. Rows are only ever added."""

    __tablename__ = "payment_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey(_PAYMENTS))
    kind: Mapped[PaymentEventKind] = mapped_column(enum_column(PaymentEventKind, "kind"))
    subject: Mapped[str] = mapped_column(default="", server_default="")
    at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sa.text("'{}'"))

    __table_args__ = (sa.UniqueConstraint("payment_id", "kind", "subject"),)


class Refund(Base):
    """Money that goes back. The row is written before Stripe is asked; its id is the idempotency key."""

    __tablename__ = "refunds"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey(_PAYMENTS), index=True)
    amount_cents: Mapped[int]
    reason: Mapped[RefundReason] = mapped_column(enum_column(RefundReason, "reason"))
    note: Mapped[str | None]  # an operator's own words
    status: Mapped[RefundStatus] = word_column(RefundStatus.PLANNED, "status")
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    # Since when it is owed; of one that follows a refund that failed, since that one was.
    owed_since: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]  # since when it has its last status
    error: Mapped[str | None]  # why it failed, or waits: Stripe's code

    @property
    def debt_began_at(self) -> datetime:
        """Since when it is owed: the fourteen days of L.221-24 count from there."""
        return self.owed_since or self.created_at

    __table_args__ = (sa.CheckConstraint("amount_cents > 0", name="amount"),)


class StripeId(Base):
    """An id of Stripe's and what it belongs to here; written once, then only compared.

    A payment has one id of each kind; so has a subscription, and a refund. Customers' ids are in `users`.
    """

    __tablename__ = "stripe_ids"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]  # Stripe's `object`: checkout.session, payment_intent, invoice, subscription, refund
    payment_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_PAYMENTS))
    subscription_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_SUBSCRIPTIONS))
    refund_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_REFUNDS))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    __table_args__ = (
        sa.CheckConstraint("num_nonnulls(payment_id, subscription_id, refund_id) = 1", name="owner"),
        sa.CheckConstraint("length(id) <= 255", name="length"),
        sa.UniqueConstraint("payment_id", "kind"),
        sa.UniqueConstraint("subscription_id", "kind"),
        sa.UniqueConstraint("refund_id", "kind"),
    )


class FormerCustomer(Base):
    """The customer at Stripe that a deleted account paid a payment as; Stripe knows the name and the address.

    An admin answers a dispute with it. At `dropped_at` the customer is deleted at Stripe, then its rows here.
    """

    __tablename__ = "former_customers"

    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Payment.id), primary_key=True)
    customer: Mapped[str]  # Stripe's id
    dropped_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("length(customer) <= 255", name="length"),
        sa.Index("ix_former_customers_customer", "customer"),
    )


class CreditForm(StrEnum):
    """How unwatched time is given back."""

    TIME = "time"  # a short plan lasts longer
    INVOICE = "invoice"  # taken off the subscription's next invoice
    REFUND = "refund"  # paid back


class Unwatched(Base):
    """One time of a payment's plan in which no desk of any alert could be proven; it grows while it lasts."""

    __tablename__ = "unwatched"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    # What the alert's desks allow: merged with its neighbours a hole is longer, or no hole
    least_seconds: Mapped[int]

    __table_args__ = (
        sa.CheckConstraint("ends_at > starts_at", name="order"),
        sa.Index("ix_unwatched_payment_id_starts_at", "payment_id", "starts_at"),
    )


class WatchCredit(Base):
    """What was given for unwatched time of a payment, once a day at most; kept as long as the payment."""

    __tablename__ = "watch_credits"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    seconds: Mapped[int]  # of unwatched time; less where what was given as time was taken back
    form: Mapped[CreditForm] = mapped_column(enum_column(CreditForm, "form"))
    amount_cents: Mapped[int]  # the share of the price, rounded up
    refund_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("refunds.id"), index=True)
    # The renewal whose invoice it lowered, once that is paid.
    borne_by_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    created_at: Mapped[datetime]

    __table_args__ = (sa.CheckConstraint("amount_cents >= 0 AND seconds >= 0", name="amounts"),)


class ReferralState(StrEnum):
    """What became of the days for a friend's order."""

    PENDING = "pending"  # its withdrawal period runs, or it is not paid
    GIVEN = "given"
    REFUSED = "refused"
    TAKEN_BACK = "taken_back"


class ReferralReason(StrEnum):
    """Why days were not given, or not to both, or not taken back from both."""

    MONEY_BACK = "money_back"  # the order was withdrawn, refunded or lost to the bank
    ONESELF = "oneself"  # same mailbox, phone or card
    ACCOUNT_GONE = "account_gone"
    NO_PLAN = "no_plan"  # the referrer had no plan any more
    YEAR_FULL = "year_full"  # the referrer got days for as many friends as a year allows
    # The days run, or the next charge's day was announced: no refund takes them back
    CHARGE_TOLD = "charge_told"


class Referral(Base):
    """A friend's order, the user whose link it named, and the grants of both."""

    __tablename__ = "referrals"

    # The friend's order
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    state: Mapped[ReferralState] = mapped_column(
        enum_column(ReferralState, "state"), default=ReferralState.PENDING, server_default="pending"
    )
    reason: Mapped[ReferralReason | None] = mapped_column(enum_column(ReferralReason, "reason"))
    friend_days: Mapped[int]  # as the order's page said
    days: Mapped[int] = mapped_column(default=0, server_default="0")  # of who named us, once they are given
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    friend_grant_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("grants.id", ondelete="SET NULL"), index=True
    )
    grant_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("grants.id", ondelete="SET NULL"), index=True)

    __table_args__ = (
        sa.CheckConstraint("friend_days > 0 AND days >= 0", name="days"),
        sa.CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
    )
