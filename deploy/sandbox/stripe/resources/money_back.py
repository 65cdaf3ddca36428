"""Money that goes back: refunds, disputes (needs_response → won or lost) and early fraud warnings.

Refunds: pending → succeeded; or failed, when the money comes back. Their sum is limited by the charge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from deploy.sandbox.stripe.objects import Json, StripeError
from deploy.sandbox.stripe.parameters import Metadata, Parameters, Positive

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

OUTCOMES: Final = ("won", "lost")


class NewRefund(Parameters):
    """What is refunded, in whole or in part."""

    payment_intent: str
    amount: Positive | None = None
    metadata: Metadata = Field({})
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None


def create_refund(account: Account, given: NewRefund) -> Json:
    """POST /v1/refunds."""
    charge = charge_of(account, account.find("payment_intent", given.payment_intent, "payment_intent"))
    return refund_charge(account, charge, given.amount, reason=given.reason, metadata=given.metadata)


def refund_charge(account: Account, charge: Json, amount: int | None = None, **more: Any) -> Json:
    """Refund a charge, in whole or in part.

    Raises:
        StripeError: less is left of it, or it is disputed.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    _check(charge, amount, left)
    same = {name: charge[name] for name in ("currency", "customer", "payment_intent", "payment_method")}
    about = {"amount": amount or left, "charge": charge["id"], "status": "succeeded"}
    made = account.make("refund.created", "refund", **about, **same, **more)
    refunded = charge["amount_refunded"] + made["amount"]
    account.change(charge, "charge.refunded", amount_refunded=refunded, refunded=refunded == charge["amount"])
    return made


def fail_refund(account: Account, refund: Json) -> Json:
    """Let a refund fail that had succeeded: the money is back and can be refunded again."""
    if refund["status"] != "succeeded":
        raise StripeError(f"This refund is {refund['status']}.", code="refund_unexpected_state")
    account.change(refund, "refund.failed", status="failed", failure_reason="expired_or_canceled_card")
    charge = account.find("charge", refund["charge"])
    back = charge["amount_refunded"] - refund["amount"]
    account.change(charge, "charge.updated", amount_refunded=back, refunded=False)
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


def _check(charge: Json, amount: int | None, left: int) -> None:
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


def open_dispute(account: Account, charge: Json, amount: int | None = None) -> Json:
    """Open a dispute of a paid charge, of what is not refunded of it or less; the money is withdrawn."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"] or not 0 < (amount or left) <= left:
        message = "This charge cannot be disputed: it is disputed, unpaid, or less is left of it."
        raise StripeError(message, code="charge_not_disputable")
    charge["disputed"] = True
    made = build_dispute(account, charge, amount or left, "fraudulent")
    account.emit("charge.dispute.created", account.add(made))
    account.emit("charge.dispute.funds_withdrawn", made)
    return made


def build_dispute(account: Account, charge: Json, amount: int, reason: str) -> Json:
    """Build a dispute that takes money; an inquiry has another status."""
    same = {name: charge[name] for name in ("currency", "payment_intent")} | {"charge": charge["id"]}
    return account.build("dispute", amount=amount, reason=reason, **same)


def close_dispute(account: Account, dispute: Json, status: str) -> Json:
    """End a dispute: ``won`` (the money comes back) or ``lost``."""
    if dispute["status"] in OUTCOMES:
        raise StripeError(f"This dispute is already {dispute['status']}.", code="dispute_already_closed")
    won = status == "won"
    account.find("charge", dispute["charge"])["_dispute_won"] = won
    account.change(dispute, "charge.dispute.closed", status=status)
    if won:
        account.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def warn_of_fraud(account: Account, charge: Json) -> Json:
    """Issue an early fraud warning of a charge."""
    about = {"actionable": not charge["refunded"] and not charge["disputed"], "charge": charge["id"]}
    about["payment_intent"], kind = charge["payment_intent"], "radar.early_fraud_warning"
    return account.make(f"{kind}.created", kind, **about)
