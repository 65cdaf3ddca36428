"""Payment intents, the charges that try to pay them, and payment methods.

requires_payment_method → requires_action → processing → succeeded; or canceled. A declined try leads back to
requires_payment_method. https://docs.stripe.com/payments/paymentintents/lifecycle; the cards: https://docs.stripe.com/testing
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.request_body import Refusal
from deploy.sandbox.stripe.objects import Json, StripeError
from deploy.sandbox.stripe.resources.balance import book_movement
from deploy.sandbox.stripe.resources.money_back import open_dispute, warn_of_fraud
from deploy.sandbox.stripe.resources.subscriptions import list_running

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

_DEBIT_SECONDS: Final = 3 * 86_400


@dataclass(frozen=True)
class TestCard:
    """A means of payment and how it behaves.

    ``declines`` says that each charge is declined. ``authenticates`` is "always", "once" (at Checkout only) or
    "" (no 3-D Secure). ``debits`` says that a charge takes days, ``bounces`` that it then fails. ``then`` is what
    follows a payment: "dispute", "fraud_warning".
    """

    name: str
    label: str
    number: str = ""
    kind: str = "card"
    declines: bool = False
    authenticates: str = ""
    debits: bool = False
    bounces: bool = False
    then: str = ""

    @property
    def last4(self) -> str:
        """Return the last four digits."""
        return self.number[-4:] if self.number else "3000"


CARDS: Final = {
    card.name: card
    for card in (
        TestCard("visa", "est acceptée", "4242424242424242"),
        TestCard("declined", "est refusée", "4000000000000002", declines=True),
        TestCard("3ds", "demande 3-D Secure à chaque fois", "4000002760003184", authenticates="always"),
        TestCard("3ds_once", "demande 3-D Secure ici seulement", "4000002500003155", authenticates="once"),
        TestCard("fails_later", "peut être enregistrée, puis est refusée", "4000000000000341", declines=True),
        TestCard("dispute", "est acceptée, puis contestée", "4000000000000259", then="dispute"),
        TestCard(
            "fraud_warning", "est acceptée, puis signalée", "4000000000005423", then="fraud_warning"
        ),
        TestCard("paypal", "PayPal", kind="paypal"),
        TestCard("sepa", "prélèvement SEPA, payé après 3 jours", kind="sepa_debit", debits=True),
        TestCard(
            "sepa_fails", "prélèvement SEPA, refusé après 3 jours", kind="sepa_debit", debits=True, bounces=True
        ),
    )
}  # fmt: skip


def find_card(told: str) -> TestCard:
    """Return a card by its name; a Refusal names those that exist."""
    if told not in CARDS:
        raise Refusal(f"no test card {told!r}", known=CARDS)
    return CARDS[told]


def add_payment_method(account: Account, card: TestCard, customer: str | None) -> Json:
    """Keep a card as a payment method, attached to a customer where one is given."""
    made = account.new("payment_method", customer=customer, type=card.kind, _card=card.name)
    if customer:
        account.emit("payment_method.attached", made)
    return made


def card_of(method: Json) -> TestCard:
    """Return the test card of a payment method."""
    return CARDS[method["_card"]]


def set_default_card(account: Account, customer: Json, card: TestCard) -> Json:
    """Make a card the one that a customer and its subscriptions are charged by; return the payment method."""
    method = add_payment_method(account, card, customer["id"])
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    account.change(customer, "customer.updated", invoice_settings=settings)
    for subscription in list_running(account, customer["id"]):
        account.change(subscription, "customer.subscription.updated", default_payment_method=method["id"])
    return method


def add_payment_intent(account: Account, amount: int, currency: str, **more: Any) -> Json:
    """Make a payment intent without any try to pay it."""
    return account.make("payment_intent.created", "payment_intent", amount=amount, currency=currency, **more)


def try_payment(account: Account, intent: Json, method: Json, *, off_session: bool = False) -> str:
    """Try to pay by a payment method; return the status that this leads to.

    Raises:
        StripeError: the card is declined (402); the intent is as declined.
    """
    card = card_of(method)
    intent["payment_method"] = method["id"]
    if card.declines:
        _decline(account, intent, method)
    if card.authenticates == "always" or (card.authenticates and not off_session):
        account.change(intent, "payment_intent.requires_action", status="requires_action")
    elif card.debits:
        _debit(account, intent, method, card)
    else:
        _succeed(account, intent, _add_charge(account, intent, method))
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
        _decline(account, intent, method, unproven=True)
    _succeed(account, intent, _add_charge(account, intent, method))


def settle_debit(account: Account, intent: Json, *, paid: bool) -> None:
    """End a delayed debit; does nothing where it has ended."""
    if intent["status"] != "processing":
        return
    charge = account.find("charge", intent["latest_charge"])
    if paid:
        _succeed(account, intent, charge)
    else:
        _fail(account, intent, charge)
    if intent["_settled"]:
        intent["_settled"](paid)


def _add_charge(account: Account, intent: Json, method: Json) -> Json:
    """Make a charge of an intent's amount: one try to take money, pending → succeeded or failed."""
    same = ("amount", "currency", "customer", "description", "metadata", "receipt_email")
    # One card, or one account, has one fingerprint for all customers.
    own = {"card": {"fingerprint": method["_card"]}, "paypal": {"payer_id": method["_card"]}}
    details = {"type": method["type"], method["type"]: own.get(method["type"])}
    means = {"payment_method": method["id"], "payment_method_details": details}
    about = {name: intent[name] for name in same}
    return account.new("charge", payment_intent=intent["id"], **about, **means, _card=method["_card"])


def _succeed(account: Account, intent: Json, charge: Json) -> None:
    """Let a charge succeed; some test cards are disputed, or warned of, thereafter."""
    intent["latest_charge"] = charge["id"]
    fee = round(charge["amount"] * 0.015) + 25  # of a European card
    charge["balance_transaction"] = book_movement(account, charge, charge["amount"], "charge", fee=fee)["id"]
    values = {"status": "succeeded", "paid": True, "captured": True, "amount_captured": charge["amount"]}
    account.change(charge, "charge.succeeded", **values)
    if then := card_of(charge).then:
        account.clock.add_due(account.clock.now(), lambda: _trouble(account, charge, then))
    account.change(intent, "payment_intent.succeeded", status="succeeded", amount_received=intent["amount"])


def _trouble(account: Account, charge: Json, kind: str) -> None:
    with suppress(StripeError):  # it was refunded meanwhile
        (open_dispute if kind == "dispute" else warn_of_fraud)(account, charge)


def _decline(account: Account, intent: Json, method: Json, *, unproven: bool = False) -> None:
    """Let a try fail, of a card that is declined or an ``unproven`` customer: raises the card error."""
    charge = _add_charge(account, intent, method)
    intent["latest_charge"] = charge["id"]
    _fail(account, intent, charge)
    code, why = "card_declined", "generic_decline"
    message = "Your card was declined."
    if unproven:
        code = why = "authentication_required"
        message = f"{message} This transaction requires authentication."
    raise StripeError(message, code=code, status=402, type="card_error", decline_code=why)


def _fail(account: Account, intent: Json, charge: Json) -> None:
    account.change(charge, "charge.failed", status="failed")
    values: Json = {"status": "requires_payment_method", "payment_method": None}
    account.change(intent, "payment_intent.payment_failed", **values)


def _debit(account: Account, intent: Json, method: Json, card: TestCard) -> None:
    charge = _add_charge(account, intent, method)
    intent["latest_charge"] = charge["id"]
    account.emit("charge.pending", charge)
    account.change(intent, "payment_intent.processing", status="processing")
    moment = account.clock.now() + _DEBIT_SECONDS
    account.clock.add_due(moment, lambda: settle_debit(account, intent, paid=not card.bounces))
