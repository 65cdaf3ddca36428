"""Money that goes back: refunds, disputes and early fraud warnings, each with what it moved in Stripe's ledger.

Refunds: pending → succeeded, failed or canceled; one that succeeded fails where the money comes back. Their sum is
limited by the charge. Disputes: an inquiry (warning_needs_response) takes nothing, and ends as warning_closed or
prevented, or becomes a dispute (needs_response), which takes the money and ends as won or lost; one that was lost may
still be won.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from deploy.sandbox.stripe.objects import Json, StripeError, show
from deploy.sandbox.stripe.parameters import Metadata, Parameters, Positive
from deploy.sandbox.stripe.resources.balance import book_movement

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

# How new refunds begin. PENDING: a bank takes days, and the money has left; SHORT: it is pending until there is money
# in our balance; REFUSED: our balance is too low, and the call is refused.
PENDING, SHORT, REFUSED = "pending", "short", "refused"
BEGINNINGS: Final = ("succeeded", PENDING, SHORT, REFUSED)
SETTLED: Final = ("succeeded", "failed", "canceled")
_INQUIRY, _TAKES = "warning_needs_response", "needs_response"
_LOST = "lost"  # the bank may still change its mind
_OUTCOMES: Final = {
    _INQUIRY: ("warning_closed", "prevented"), _TAKES: ("won", _LOST), _LOST: ("won",),
}  # fmt: skip
OUTCOMES: Final = tuple(dict.fromkeys(each for ends in _OUTCOMES.values() for each in ends))
_DISPUTE_FEE: Final = 2000  # cents


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
        StripeError: less is left of it, it is disputed, or our balance is too low.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    _check(charge, amount, left)
    same = {name: charge[name] for name in ("currency", "customer", "payment_intent", "payment_method")}
    if account.refunds_begin == REFUSED:  # without a code
        raise StripeError("Insufficient funds in your Stripe balance to refund this amount.")
    waits = {PENDING: "processing", SHORT: "insufficient_funds"}.get(account.refunds_begin)
    about = {"amount": amount or left, "charge": charge["id"], "pending_reason": waits}
    made = account.new("refund", status="pending" if waits else "succeeded", **about, **same, **more)
    if account.refunds_begin != SHORT:
        _book_refund(account, made)
    account.emit("refund.created", made)
    refunded = charge["amount_refunded"] + made["amount"]
    account.change(charge, "charge.refunded", amount_refunded=refunded, refunded=refunded == charge["amount"])
    return made


def settle_refund(account: Account, refund: Json, status: str, reason: str | None = None) -> Json:
    """End a refund that is pending, or let one fail that had succeeded: then its money can be refunded again."""
    before = refund["status"]
    if before != "pending" and (before, status) != ("succeeded", "failed"):
        raise StripeError(f"This refund is {before}.", code="refund_unexpected_state")
    has_left = refund["balance_transaction"] is not None
    if status == "succeeded" and not has_left:
        _book_refund(account, refund)
    if status != "succeeded" and has_left:
        came = book_movement(account, refund, refund["amount"], "refund_failure")
        refund["failure_balance_transaction"] = came["id"]
    account.change(refund, "refund.updated", status=status, failure_reason=reason, pending_reason=None)
    if status == "failed":
        account.emit("refund.failed", refund)
    if status != "succeeded":
        charge = account.find("charge", refund["charge"])
        back = charge["amount_refunded"] - refund["amount"]
        account.change(charge, "charge.updated", amount_refunded=back, refunded=False)
    return refund


def _book_refund(account: Account, refund: Json) -> None:
    refund["balance_transaction"] = book_movement(account, refund, -refund["amount"], "refund")["id"]


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


def open_dispute(account: Account, charge: Json, amount: int | None = None, *, inquiry: bool = False) -> Json:
    """Open a dispute of a paid charge, of what is not refunded of it, of less or of more; or only an inquiry."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"] or not (amount or left):
        message = "This charge cannot be disputed: it is disputed, unpaid, or nothing is left of it."
        raise StripeError(message, code="charge_not_disputable")
    about = {name: charge[name] for name in ("currency", "payment_intent")} | {"charge": charge["id"]}
    made = account.new("dispute", amount=amount or left, reason="fraudulent", **about)
    if inquiry:
        made |= {"status": _INQUIRY, "is_charge_refundable": True}
    account.emit("charge.dispute.created", made)
    if not inquiry:
        _withdraw(account, charge, made)
    return made


def _withdraw(account: Account, charge: Json, dispute: Json) -> None:
    """Take the money of a dispute; refunds of its charge that are pending fail."""
    charge["disputed"] = True
    _move(account, dispute, -dispute["amount"], fee=_DISPUTE_FEE)
    account.emit("charge.dispute.funds_withdrawn", dispute)
    for refund in account.where("refund", charge=charge["id"], status="pending"):
        settle_refund(account, refund, "failed", "charge_for_pending_refund_disputed")


def _move(account: Account, dispute: Json, cents: int, *, fee: int = 0) -> None:
    dispute["balance_transactions"].append(
        show(book_movement(account, dispute, cents, "adjustment", fee=fee))
    )


def escalate_inquiry(account: Account, dispute: Json) -> Json:
    """Let an inquiry become a dispute, which takes the money."""
    charge = account.find("charge", dispute["charge"])
    if dispute["status"] not in {_INQUIRY, "warning_closed"} or charge["disputed"]:
        raise StripeError(f"This dispute is {dispute['status']}.", code="dispute_unexpected_state")
    account.change(dispute, "charge.dispute.updated", status=_TAKES, is_charge_refundable=False)
    _withdraw(account, charge, dispute)
    return dispute


def close_dispute(account: Account, dispute: Json, status: str) -> Json:
    """End a dispute: ``won`` (the money comes back, also after a loss) or ``lost``; an inquiry by its own words."""
    if status not in _OUTCOMES.get(dispute["status"], ()):
        raise StripeError(f"This dispute is already {dispute['status']}.", code="dispute_already_closed")
    won = status == "won"
    if status in _OUTCOMES[_TAKES]:
        account.find("charge", dispute["charge"])["_dispute_won"] = won
    account.change(dispute, "charge.dispute.closed", status=status)
    if won:
        _move(account, dispute, dispute["amount"])
        account.emit("charge.dispute.funds_reinstated", dispute)
    return dispute


def warn_of_fraud(account: Account, charge: Json) -> Json:
    """Issue an early fraud warning of a charge."""
    about = {"actionable": not charge["refunded"] and not charge["disputed"], "charge": charge["id"]}
    about["payment_intent"], kind = charge["payment_intent"], "radar.early_fraud_warning"
    return account.make(f"{kind}.created", kind, **about)
