"""Payment intents: an amount that is to be paid, and the tries to pay it.

requires_payment_method → requires_action → processing → succeeded; or canceled. A declined try leads back to
requires_payment_method. https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError, card_declined
from deploy.sandbox.stripe.objects import Json, new_id, show
from deploy.sandbox.stripe.resources.charges import add_charge, complete_charge, fail_charge
from deploy.sandbox.stripe.resources.payment_methods import card_of
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.cards import TestCard
    from deploy.sandbox.stripe.parameters import Parameters

_REASONS: Final = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")


def add_payment_intent(account: Account, amount: int, currency: str, **more: Any) -> Json:
    """Make a payment intent without any try to pay it."""
    identifier = new_id("pi")
    made = blank(
        "payment_intent",
        id=identifier,
        amount=amount,
        client_secret=f"{identifier}_secret_sandbox",
        created=account.clock.now(),
        currency=currency,
    )
    kept = account.add(made | more)
    account.emit("payment_intent.created", kept)
    return kept


def try_payment(account: Account, intent: Json, method: Json, *, off_session: bool = False) -> str:
    """Try to pay by a payment method; return the status that this leads to.

    Raises:
        StripeError: the card is declined (402); the intent is as declined.
    """
    card = card_of(method)
    intent |= {"payment_method": method["id"], "next_action": None, "last_payment_error": None}
    if card.declines:
        decline(account, intent, method, card.declines)
    if card.authenticates == "always" or (card.authenticates and not off_session):
        redirect = {"return_url": None, "url": f"{account.origin}/3ds/{intent['id']}"}
        action = {"type": "redirect_to_url", "redirect_to_url": redirect}
        account.change(intent, "payment_intent.requires_action", status="requires_action", next_action=action)
    elif card.debits:
        _debit(account, intent, method, card)
    else:
        _succeed(account, intent, add_charge(account, intent, method))
    return str(intent["status"])


def finish_authentication(account: Account, intent: Json, *, passed: bool) -> None:
    """End 3-D Secure: the payment succeeds, or is declined.

    Raises:
        StripeError: it was not passed (402).
    """
    if intent["status"] != "requires_action":
        raise StripeError("This PaymentIntent requires no action.", code="payment_intent_unexpected_state")
    method = account.find("payment_method", intent["payment_method"])
    if not passed:
        decline(account, intent, method, "authentication_required")
    _succeed(account, intent, add_charge(account, intent, method))


def settle_debit(account: Account, intent: Json, *, paid: bool) -> None:
    """End a delayed debit; does nothing where it has ended."""
    if intent["status"] != "processing":
        return
    charge = account.find("charge", intent["latest_charge"])
    if paid:
        _succeed(account, intent, charge)
    else:
        fail_charge(account, charge, "generic_decline")
        _fail(account, intent, "generic_decline")
    if intent["_settled"]:
        intent["_settled"](paid)


def decline(account: Account, intent: Json, method: Json, reason: str) -> None:
    """Let a try fail: raises the card error."""
    charge = add_charge(account, intent, method)
    fail_charge(account, charge, reason)
    intent["latest_charge"] = charge["id"]
    _fail(account, intent, reason)
    raise card_declined(reason, show(intent))


def cancel_intent(account: Account, intent: Json, reason: str | None) -> None:
    """Cancel what was not paid."""
    moment = account.clock.now()
    account.change(
        intent,
        "payment_intent.canceled",
        status="canceled",
        canceled_at=moment,
        cancellation_reason=reason,
        next_action=None,
    )


def retrieve_payment_intent(account: Account, given: Parameters, intent: str) -> Json:
    """GET /v1/payment_intents/{id}."""
    given.only("client_secret")
    return account.find("payment_intent", intent)


def _debit(account: Account, intent: Json, method: Json, card: TestCard) -> None:
    charge = add_charge(account, intent, method, status="pending")
    intent["latest_charge"] = charge["id"]
    account.emit("charge.pending", charge)
    account.change(intent, "payment_intent.processing", status="processing")
    moment = account.clock.now() + account.settings.debit_seconds
    account.clock.add_due(moment, lambda: settle_debit(account, intent, paid=not card.bounces))


def _succeed(account: Account, intent: Json, charge: Json) -> None:
    intent["latest_charge"] = charge["id"]
    complete_charge(account, charge)
    values = {"status": "succeeded", "amount_received": intent["amount"], "next_action": None}
    account.change(intent, "payment_intent.succeeded", **values)


def _fail(account: Account, intent: Json, reason: str) -> None:
    error = card_declined(reason).fields | {"charge": intent["latest_charge"]}
    values: Json = {"status": "requires_payment_method", "last_payment_error": error, "payment_method": None}
    account.change(intent, "payment_intent.payment_failed", next_action=None, **values)
