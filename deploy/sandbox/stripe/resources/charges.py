"""Charges: one try to take money from a payment method; pending → succeeded or failed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from deploy.sandbox.stripe.errors import StripeError, card_declined
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.resources.disputes import open_dispute, warn_of_fraud
from deploy.sandbox.stripe.resources.payment_methods import card_of, describe_means
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account


def add_charge(account: Account, intent: Json, method: Json, status: str = "pending") -> Json:
    """Make a charge of an intent's amount."""
    kind = method["type"]
    made = blank(
        "charge",
        id=new_id("ch"),
        amount=intent["amount"],
        billing_details=method["billing_details"],
        created=account.clock.now(),
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={kind: describe_means(card_of(method)), "type": kind},
        status=status,
        _card=method["_card"],
    )
    same = ("currency", "customer", "description", "metadata", "receipt_email")
    return account.add(made | {name: intent[name] for name in same})


def complete_charge(account: Account, charge: Json) -> None:
    """Let a charge succeed; some test cards are disputed, or warned of, thereafter."""
    outcome = {
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    values = {"status": "succeeded", "paid": True, "captured": True, "amount_captured": charge["amount"]}
    account.change(charge, "charge.succeeded", outcome=outcome, **values)
    then = card_of(charge).then
    if then == "dispute":
        account.clock.add_due(account.clock.now(), lambda: _dispute(account, charge))
    elif then == "fraud_warning":
        account.clock.add_due(account.clock.now(), lambda: _warn(account, charge))


def _dispute(account: Account, charge: Json) -> None:
    with suppress(StripeError):  # it was refunded meanwhile
        open_dispute(account, charge)


def _warn(account: Account, charge: Json) -> None:
    warn_of_fraud(account, charge)


def fail_charge(account: Account, charge: Json, reason: str) -> None:
    """Let a charge fail."""
    error = card_declined(reason).fields
    outcome = {
        "network_status": "declined_by_network",
        "reason": reason,
        "risk_level": "normal",
        "seller_message": "The bank did not accept the payment.",
        "type": "issuer_declined",
    }
    values = {"status": "failed", "failure_code": error["code"], "failure_message": error["message"]}
    account.change(charge, "charge.failed", outcome=outcome, **values)
