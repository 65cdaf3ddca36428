"""Stripe's test cards, and what each does when it is charged.

https://docs.stripe.com/testing
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deploy.sandbox.request_body import Refusal


@dataclass(frozen=True)
class TestCard:
    """A means of payment and how it behaves.

    ``saves`` says whether it can become a customer's card, ``declines`` is the reason why each charge is declined.
    ``authenticates`` is "always", "once" (at Checkout only) or "" (no 3-D Secure). ``debits`` says that a charge takes
    days, ``bounces`` that it then fails. ``then`` is what follows a payment: "dispute", "fraud_warning".
    """

    name: str
    label: str
    number: str = ""
    kind: str = "card"
    brand: str = "visa"
    declines: str = ""
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
        TestCard("declined", "est refusée", "4000000000000002", declines="generic_decline"),
        TestCard(
            "insufficient_funds", "provision insuffisante", "4000000000009995", declines="insufficient_funds"
        ),
        TestCard("3ds", "demande 3-D Secure à chaque fois", "4000002760003184", authenticates="always"),
        TestCard("3ds_once", "demande 3-D Secure ici seulement", "4000002500003155", authenticates="once"),
        TestCard(
            "fails_later", "peut être enregistrée, puis est refusée", "4000000000000341", declines="generic_decline"
        ),
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
    """Return a card by its name or number; a Refusal names those that exist."""
    digits = "".join(told.split())
    for card in CARDS.values():
        if told == card.name or (digits and digits == card.number):
            return card
    raise Refusal(f"no test card {told!r}", known=CARDS)
