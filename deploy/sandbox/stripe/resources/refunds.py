"""Refunds: pending → succeeded; or failed, when the money comes back. Their sum is limited by the charge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")


def create_refund(account: Account, given: Parameters) -> Json:
    """POST /v1/refunds."""
    given.only("amount", "charge", "metadata", "payment_intent", "reason")
    charge = _find_charge(account, given)
    amount, reason = given.number("amount", least=1), given.choice("reason", _REASONS)
    return refund_charge(account, charge, amount, reason=reason, metadata=given.metadata())


def refund_charge(account: Account, charge: Json, amount: int | None = None, **more: Any) -> Json:
    """Refund a charge, in whole or in part.

    Raises:
        StripeError: less is left of it, it is not paid, or it is disputed.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    _check(charge, amount, left)
    made = account.add(_build(account, charge, amount or left) | more)
    refunded = charge["amount_refunded"] + made["amount"]
    account.emit("refund.created", made)
    account.change(charge, "charge.refunded", amount_refunded=refunded, refunded=refunded == charge["amount"])
    return made


def fail_refund(account: Account, refund: Json) -> Json:
    """Let a refund fail, also one that had succeeded: the money is back and can be refunded again."""
    if refund["status"] not in {"pending", "succeeded"}:
        raise StripeError(f"This refund is {refund['status']}.", code="refund_unexpected_state")
    account.change(refund, "refund.failed", status="failed", failure_reason="expired_or_canceled_card")
    charge = account.find("charge", refund["charge"])
    back = charge["amount_refunded"] - refund["amount"]
    account.change(charge, "charge.updated", amount_refunded=back, refunded=False)
    return refund


def settle_refund(account: Account, refund: Json) -> Json:
    """Let a pending refund succeed."""
    if refund["status"] == "pending":
        account.change(refund, "refund.updated", status="succeeded", pending_reason=None)
    return refund


def charge_of(account: Account, intent: Json) -> Json:
    """Return the charge that paid an intent.

    Raises:
        StripeError: it is not paid.
    """
    charge = account.get("charge", intent["latest_charge"])
    if charge is None or charge["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise StripeError(message, code="payment_intent_unexpected_state", param="payment_intent")
    return charge


def _find_charge(account: Account, given: Parameters) -> Json:
    charge, intent = given.text("charge"), given.text("payment_intent")
    if charge:
        found = account.find("charge", charge, "charge")
        if intent and found["payment_intent"] != intent:
            raise StripeError("The charge does not belong to this PaymentIntent.", param="payment_intent")
        return found
    if intent:
        return charge_of(account, account.find("payment_intent", intent, "payment_intent"))
    message = "One of the following params should be provided for this request: payment_intent or charge."
    raise StripeError(message, code="parameter_missing")


def _check(charge: Json, amount: int | None, left: int) -> None:
    if charge["status"] != "succeeded":
        message = f"Charge {charge['id']} has not been paid and cannot be refunded."
        raise StripeError(message, code="charge_not_refundable")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(message, code="charge_already_refunded")
    if charge["disputed"] and charge["_dispute_won"] is None:
        message = "You cannot initiate a refund on a disputed payment."
        raise StripeError(message, code="refund_disputed_payment")
    if charge["disputed"] and not charge["_dispute_won"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise StripeError(message, code="charge_disputed")
    if amount is not None and amount > left:
        message = f"Refund amount (€{amount / 100:.2f}) is greater than unrefunded amount on charge (€{left / 100:.2f})"
        raise StripeError(message, param="amount")


def _build(account: Account, charge: Json, amount: int) -> Json:
    status, kind = account.settings.refund_status, charge["payment_method_details"]["type"]
    same = ("currency", "customer", "payment_intent", "payment_method")
    made = blank(
        "refund",
        id=new_id("re"),
        amount=amount,
        charge=charge["id"],
        created=account.clock.now(),
        destination_details={kind: {}, "type": kind},
        pending_reason="processing" if status == "pending" else None,
        status=status,
    )
    return made | {name: charge[name] for name in same}
