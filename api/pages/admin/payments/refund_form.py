"""The form of a refund: its amount in euros, what it does, and what must not have changed since its page was shown."""

import re
from typing import Annotated

from flask import url_for
from pydantic import Field

from api.models.payment import PaymentEventKind
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.payments.view_data import PaymentView
from api.pages.admin.payments.words import name_payment, write_refundable
from api.pages.context import write_money
from api.pages.error_texts import Texts
from api.schemas import Body
from configs.ground.typed_text import clean_typed
from configs.world.desk import Text
from configs.world.plan import name_plan

_EUROS = re.compile(r"(\d{1,5})(?:[.,](\d{1,2}))?€?")
_MOST = 10_000_000  # cents, as api.admin.payments.schemas.NewRefund
_NO_REASON = "Écrivez la raison, pour les autres opérateurs."
_TEXTS: Texts = {
    ("note", "missing"): _NO_REASON,
    ("note", "string_too_short"): _NO_REASON,
    "payment-changed": "Entre-temps, de l’argent de ce paiement a été rendu. Relisez, puis confirmez de nouveau.",
    "refund-repeated": "Le même remboursement a été demandé il y a moins d’une minute. "
    "Pour rendre ce montant deux fois, écrivez une autre raison.",
    "refund-refused": "Ce montant ne peut pas être rendu : regardez ce qui reste de ce paiement.",
}


_DISPUTES: dict[PaymentEventKind, str] = {
    PaymentEventKind.DISPUTE_OPENED: "La banque examine une contestation de ce paiement : Stripe ne rend rien avant sa "
    "fin, et plus rien si elle est perdue.",
    PaymentEventKind.DISPUTE_LOST: "La banque a déjà rendu une partie, après une contestation perdue : Stripe peut "
    "refuser.",
}


class AmountQuery(Body):
    """The amount in euros: `4,50`; without one all that is left."""

    amount: Annotated[str, Field(max_length=20)] | None = None


class RefundForm(Body):
    """What goes back, in cents, and what was left when the page was shown. `note`: the operator's reason."""

    cents: Annotated[int, Field(ge=1, le=_MOST)]
    left: Annotated[int, Field(ge=0, le=_MOST)]
    note: Annotated[Text, Field(max_length=500)]


def parse_amount(text: str | None, left: int) -> int | None:
    """Return an amount in cents; None where the text is none. Without a text, all that is left."""
    if not text:
        return left
    found = _EUROS.fullmatch(clean_typed(text).replace(" ", ""))
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else None


def describe_refund(view: PaymentView, cents: int) -> Confirmation:
    """Return what a refund of so many cents does."""
    payment, amount = view.payment, write_money(cents)
    told = (
        "La personne en est avertie" if payment.user_id else "Le compte est supprimé : personne n’est averti"
    )
    rest = view.left - cents
    left = f"Ensuite, {write_refundable(rest)}." if rest else "Ensuite, il n’en reste rien à rendre."
    effects = [
        f"Stripe rend {amount} par le moyen de paiement de la commande. {left}",
        f"{told}. Un avoir est établi.",
        "Un remboursement ne se reprend pas.",
    ]
    if payment.refunded + cents >= payment.amount:
        effects.insert(
            1,
            f"Tout est alors rendu : la formule {name_plan(payment.plan)} prend fin dès que Stripe accepte, "
            "et les alertes qu’aucune autre formule ne porte s’arrêtent.",
        )
    else:
        effects.insert(1, f"La formule {name_plan(payment.plan)} continue.")
    if dispute := _find_dispute(view):
        effects.insert(0, _DISPUTES[dispute])
    return Confirmation(
        title=f"Rendre {amount} ?",
        effects=tuple(effects),
        button=f"Rendre {amount}",
        back=url_for("admin_payments.show_payment", id=payment.id),
        subject=name_payment(payment),
        subject_label="Pour confirmer, recopiez le numéro",
        template="admin_payments/refund.html",
        texts=_TEXTS,
        shown={"cents": cents, "left": view.left},
    )


def _find_dispute(view: PaymentView) -> PaymentEventKind | None:
    """Return the state of a payment's latest dispute where it keeps money from going back."""
    states = [each.kind for each in view.payment.events if each.kind.value.startswith("dispute_")]
    return states[-1] if states and states[-1] in _DISPUTES else None
