"""Disputes (needs_response → won or lost) and early fraud warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

_ANSWER_SECONDS: Final = 7 * 86_400
OUTCOMES: Final = ("won", "lost")


def open_dispute(
    account: Account, charge: Json, amount: int | None = None, reason: str = "fraudulent"
) -> Json:
    """Open a dispute of a paid charge, of what is not refunded of it or less; the money is withdrawn."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"] or not 0 < (amount or left) <= left:
        message = "This charge cannot be disputed: it is disputed, unpaid, or less is left of it."
        raise StripeError(message, code="charge_not_disputable")
    made = account.add(build_dispute(account, charge, amount or left, reason))
    charge["disputed"] = True
    account.emit("charge.dispute.created", made)
    account.emit("charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(account: Account, dispute: Json, status: str) -> Json:
    """End a dispute: ``won`` (the money comes back) or ``lost``."""
    if dispute["status"] in OUTCOMES:
        raise StripeError(f"This dispute is already {dispute['status']}.", code="dispute_already_closed")
    won = status == "won"
    account.find("charge", dispute["charge"])["_dispute_won"] = won
    account.change(dispute, "charge.dispute.closed", status=status, is_charge_refundable=won)
    if won:
        account.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def warn_of_fraud(account: Account, charge: Json) -> Json:
    """Issue an early fraud warning of a charge."""
    made = {
        "id": new_id("issfr"),
        "object": "radar.early_fraud_warning",
        "actionable": not charge["refunded"] and not charge["disputed"],
        "charge": charge["id"],
        "created": account.clock.now(),
        "fraud_type": "made_with_stolen_card",
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    account.add(made)
    account.emit("radar.early_fraud_warning.created", made)
    return made


def build_dispute(account: Account, charge: Json, amount: int, reason: str) -> Json:
    """Build a dispute that takes money; an inquiry has another status."""
    evidence = {
        "due_by": account.clock.now() + _ANSWER_SECONDS,
        "enhanced_eligibility": {},
        "has_evidence": False,
        "past_due": False,
        "submission_count": 0,
        "submission_method": "not_submitted",
    }
    return blank(
        "dispute",
        id=new_id("du"),
        amount=amount,
        charge=charge["id"],
        created=account.clock.now(),
        currency=charge["currency"],
        evidence_details=evidence,
        payment_intent=charge["payment_intent"],
        reason=reason,
    )
