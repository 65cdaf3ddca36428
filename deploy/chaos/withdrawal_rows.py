"""Reads the withdrawals of a run from the tables, each with the money of its order and renewals."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from api.models.declaration import Declaration, DeclarationKind
from api.models.notification import Notification
from api.models.payment import Payment, Refund, RefundReason, RefundStatus, StripeId, Subscription
from api.models.user import Grant
from configs.plan import plan
from deploy.chaos.withdrawal_accounts import OurWithdrawal, WithdrawnPayment, group

_MONTH = 28 * 86_400  # seconds: the shortest that a subscription bills
_ENDED = "canceled"  # Stripe's word


def read_withdrawals(
    connection: sa.Connection, ledger: Iterable[Mapping[str, Any]], now: datetime
) -> list[OurWithdrawal]:
    """Return all withdrawals. `ledger`: the stand-in's."""
    every = connection.execute(sa.select(Payment.__table__).where(Payment.paid_at.is_not(None))).all()
    by_contract = group((each.subscription_id, each) for each in every if each.subscription_id)
    by_id = {each.id: each for each in every}
    money = _Money(connection, ledger)
    mine = Declaration.kind == DeclarationKind.WITHDRAWAL, Declaration.payment_id.is_not(None)
    rows = connection.execute(sa.select(Declaration.__table__).where(*mine)).all()
    return [
        OurWithdrawal(
            id=str(row.id),
            number=row.reference or "",
            made_at=row.made_at,
            open=_is_open(row) and row.takes_effect_at <= now,
            applied=row.applied_at is not None,
            refund=row.refund_cents,
            payments=tuple(
                money.of(each, by_id[row.payment_id])
                for each in by_contract.get(row.subscription_id, [by_id[row.payment_id]])
            ),
        )
        for row in rows
    ]


def _is_open(row: Any) -> bool:
    return not (row.applied_at or row.undone_at or row.refused_because)


class _Money:
    """Money and time of payments, read once."""

    def __init__(self, connection: sa.Connection, ledger: Iterable[Mapping[str, Any]]) -> None:
        ids = sa.select(StripeId.payment_id, StripeId.id).where(StripeId.kind == "payment_intent")
        self._intents = group((row.payment_id, row.id) for row in connection.execute(ids))
        self._refunded = {each["payment_intent"]: int(each["refunded"]) for each in ledger}
        mails = sa.select(Notification.dedupe_key, Notification.accepted_at).where(
            Notification.kind == "order"
        )
        self._taken = {row.dedupe_key: row.accepted_at for row in connection.execute(mails)}
        refunds = connection.execute(sa.select(Refund.__table__)).all()
        self._refunds = group((row.payment_id, row) for row in refunds)
        grants = connection.execute(sa.select(Grant.__table__)).all()
        self._grants = group((row.payment_id, row) for row in grants)

    def of(self, payment: Any, order: Any) -> WithdrawnPayment:
        """Return what became of a payment of an order."""
        refunds, grants = self._refunds.get(payment.id, []), self._grants.get(payment.id, [])
        counted = [each for each in refunds if each.status != RefundStatus.FAILED]
        is_plain = len(grants) == 1 and grants[0].source == "payment" and payment.subscription_id is None
        return WithdrawnPayment(
            id=str(payment.id),
            amount=payment.amount_cents,
            paid_at=payment.paid_at,
            informed_at=order.order_mail_at or self._taken.get(f"order:{order.id}:email"),
            bought=plan(payment.plan).duration_seconds or _MONTH,
            began_at=grants[0].starts_at if is_plain else None,
            withdrawn=sum(each.amount_cents for each in counted if each.reason == RefundReason.WITHDRAWAL),
            others=sum(each.amount_cents for each in counted if each.reason != RefundReason.WITHDRAWAL),
            went_back=sum(self._refunded.get(each, 0) for each in self._intents.get(payment.id, [])),
        )


def find_running_contracts(
    connection: sa.Connection, withdrawn: Sequence[OurWithdrawal], at_stripe: Mapping[str, str]
) -> list[str]:
    """Return the contracts, in words, that a withdrawal or a deletion ended here and that Stripe still bills."""
    orders = [each.id for one in withdrawn if one.applied for each in one.payments]
    over = (
        sa.select(StripeId.id)
        .join(Subscription, Subscription.id == StripeId.subscription_id)
        .join(Payment, Payment.subscription_id == Subscription.id)
        .where(StripeId.kind == "subscription")
        .where(Subscription.user_id.is_(None) | sa.cast(Payment.id, sa.Text).in_(orders))
    )
    return [
        f"contract {each}: over here, {at_stripe[each]} at Stripe"
        for each in sorted(set(connection.scalars(over)))
        if at_stripe.get(each, _ENDED) != _ENDED
    ]
