"""Payment methods: a test card as a customer's or a payment's means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.cards import CARDS, TestCard
from deploy.sandbox.stripe.objects import Json, new_id

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

_YEAR: Final = 2034


def add_payment_method(
    account: Account, card: TestCard, customer: str | None, email: str | None = None
) -> Json:
    """Keep a card as a payment method, attached to a customer where one is given."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    billing = {"address": address, "email": email, "name": None, "phone": None, "tax_id": None}
    made = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing,
        card.kind: describe_means(card),
        "created": account.clock.now(),
        "customer": customer,
        "livemode": False,
        "metadata": {},
        "type": card.kind,
        "_card": card.name,
    }
    account.add(made)
    if customer:
        account.emit("payment_method.attached", made)
    return made


def describe_means(card: TestCard) -> Json:
    """Return the part of a payment method that its type names."""
    if card.kind == "paypal":
        return {"country": "FR", "payer_email": "camille@example.org", "payer_id": "QWERTYUIOP123"}
    if card.kind == "sepa_debit":
        return {"bank_code": "20041", "branch_code": None, "country": "FR", "last4": card.last4}
    return {
        "brand": card.brand,
        "country": "FR",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": _YEAR,
        "fingerprint": f"sandbox{card.last4}",
        "funding": "credit",
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def card_of(method: Json) -> TestCard:
    """Return the test card of a payment method."""
    return CARDS[method["_card"]]


def set_default_card(account: Account, customer: Json, card: TestCard) -> Json:
    """Make a card the one that a customer and its subscriptions are charged by; return the payment method."""
    method = add_payment_method(account, card, customer["id"], customer["email"])
    settings = customer["invoice_settings"] | {"default_payment_method": method["id"]}
    account.change(customer, "customer.updated", invoice_settings=settings)
    for subscription in account.where("subscription", customer=customer["id"]):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            account.change(subscription, "customer.subscription.updated", default_payment_method=method["id"])
    return method
