"""Operators' pages of payments: the list, one payment, and giving money back."""

import re
from typing import Annotated, Any
from uuid import UUID

from flask import request
from markupsafe import Markup
from pydantic import Field as Bound

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.payments.queries import (
    OperatorPayment,
    PaymentDetails,
    PaymentQuery,
    PaymentSearch,
    list_payments,
    read_payment,
    search_payments,
)
from api.admin.payments.service import NewRefund, describe_refund, refund_payment
from api.ground.schemas import Body
from api.models.payment import PaymentEvent, PaymentEventKind, PaymentStatus, Refund
from api.pages.admin import cells, words
from api.pages.admin.area import Confirmation, NotNow, Search, add_action, add_list, area
from api.pages.admin.page_data import (
    Block,
    Cell,
    Column,
    Facts,
    Field,
    Html,
    Table,
    Text,
    name_field,
    render_page,
)
from api.pages.area import Access
from api.pages.context import write_duration, write_money
from api.pages.forms import Form, Texts
from api.pages.plan.view_data import list_sums, name_movement
from api.pages.words import CREDIT_REASONS, PAYMENT_STATUSES, REFUND_STATUSES
from api.payments.billing.queries import OrderBook, read_order_book
from configs.ground.text import clean_typed
from configs.world.plan import name_plan

_ONE = "/admin/paiements/<uuid:id>"
_EUROS = re.compile(r"(\d{1,5})(?:[.,](\d{1,2}))?€?")
_NO_REASON = "Écrivez la raison, pour les autres opérateurs."
_TEXTS: Texts = {
    ("note", "missing"): _NO_REASON,
    ("note", "string_too_short"): _NO_REASON,
    "payment-changed": "Entre-temps, de l’argent de ce paiement a été rendu. Relisez, puis confirmez de nouveau.",
    "refund-refused": "Ce montant ne peut pas être rendu : regardez ce qui reste de ce paiement.",
}
_DISPUTES: dict[PaymentEventKind, str] = {
    PaymentEventKind.DISPUTE_OPENED: "La banque examine une contestation de ce paiement : Stripe ne rend rien avant sa "
    "fin, et plus rien si elle est perdue.",
    PaymentEventKind.DISPUTE_LOST: "La banque a déjà rendu une partie, après une contestation perdue : Stripe peut "
    "refuser.",
}
_NOTE = Field(
    "note",
    "Raison",
    hint="Pour les autres opérateurs, sans nom de personne : « deux jours de panne ».",
    is_required=True,
    attributes={"maxlength": "500"},
)


def _show_number(payment: OperatorPayment) -> Cell:
    way = cells.link(cells.own(words.name_payment(payment)), "admin.show_payment", id=payment.id)
    return cells.lines(way, payment.entry.renewal and cells.hint("Renouvellement"))


def _show_amount(payment: OperatorPayment) -> Cell:
    entry = payment.entry
    back = entry.refunded > 0 and cells.hint("rendus :", cells.amount(entry.refunded, entry.currency))
    return cells.lines(cells.amount(entry.amount, entry.currency), back)


def _show_status(payment: OperatorPayment) -> Cell:
    tone, text = PAYMENT_STATUSES[payment.entry.status]
    return cells.badge(text, tone)


def _list_ways() -> list[Block]:
    ways = (
        cells.link("Événements Stripe", "admin.list_events"),
        cells.link("Écarts avec Stripe", "admin.list_differences"),
        cells.link("Totaux des factures", "admin.list_totals"),
        cells.link("Rétractations et résiliations", "admin.list_declarations"),
    )
    return [Text(Markup(" · ").join(ways))]


add_list(
    "/admin/paiements",
    "list_payments",
    title="Paiements",
    query=PaymentQuery,
    audit=("payments.list", "payment"),
    read=lambda work, wanted: list_payments(work.session, wanted),
    notes_seen=True,
    filters=(
        Field("status", "État", [(each.value, PAYMENT_STATUSES[each][1]) for each in PaymentStatus]),
        name_field("userId", "Identifiant du compte", maxlength="36"),
    ),
    above=_list_ways,
    search=Search(
        "find_payments",
        PaymentSearch,
        ("payments.search", "payment"),
        search_payments,
        label="Adresse e-mail entière du client, ou un numéro",
        hint="De commande, de facture (F2026-000001), ou de Stripe. Rien n’apparaît dans une adresse de page.",
        texts={("wanted", "missing"): "Écrivez une adresse ou un numéro."},
    ),
    columns=(
        Column("Commande", _show_number, "head"),
        Column("Formule", "entry.plan"),
        Column("Montant", _show_amount, "number"),
        Column("État", _show_status),
        Column("Créé", "entry.created_at"),
        Column("Compte", lambda each: cells.user_link(each.user_id, hidden=f"de {words.name_payment(each)}")),
    ),
    empty="Aucun paiement ne correspond.",
)


@area.page(_ONE, Access.OPERATOR)
def show_payment(id: UUID) -> str:
    payment, book = _read_payment(id)
    where_it_is = Html.render(
        "plan/_book.html",
        book=book,
        list_sums=list_sums,
        name_movement=name_movement,
        refund_reasons=words.ALL_REFUND_REASONS,
    )
    blocks: list[Block] = [Facts(_list_facts(payment), _show_status(payment), label="Commande")]
    if cells.is_admin():
        said = words.write_refundable(payment.left, payment.entry.currency)
        blocks.append(Html.render("admin/_refund.html", left=payment.left, said=said, id=payment.id))
    blocks += [
        where_it_is,
        Table("Remboursements", _REFUND_COLUMNS, payment.refunds, title="Remboursements"),
        *_list_credits(payment),
        Table("Ce qui s’est passé", _EVENT_COLUMNS, payment.events, title="Ce qui s’est passé"),
    ]
    return render_page(
        f"Paiement {words.name_payment(payment)}", blocks, crumb=("admin.list_payments", "Paiements")
    )


def _list_facts(payment: PaymentDetails) -> list[tuple[Cell, object]]:
    entry = payment.entry
    back = (
        Markup(", dont rendus : {}").format(cells.amount(entry.refunded, entry.currency))
        if entry.refunded
        else ""
    )
    former = payment.former_customer
    customer = cells.row("(client Stripe :", Markup("{})").format(cells.code(former))) if former else ""
    period = cells.row(entry.starts_at, "–", entry.ends_at)
    return [
        ("Formule", cells.row(entry.plan, entry.renewal and "(renouvellement)")),
        ("Montant", Markup("{}{}").format(cells.amount(entry.amount, entry.currency), back)),
        ("Compte", cells.row(cells.user_link(payment.user_id, "voir le compte"), customer)),
        ("Créé", entry.created_at),
        ("Payé", entry.paid_at),
        ("Période", period if entry.starts_at else cells.NOTHING),
        ("Rétractation jusqu’au", entry.withdraw_until),
        ("Conditions acceptées", entry.terms_version or False),
        *(
            (cells.row("Stripe,", cells.code(kind)), cells.code(name))
            for kind, name in payment.stripe_ids.items()
        ),
    ]


def _show_reason(refund: Refund) -> Cell:
    return cells.lines(
        words.ALL_REFUND_REASONS[refund.reason], refund.note and cells.hint(cells.own(refund.note))
    )


def _show_refund_state(refund: Refund) -> Cell:
    return cells.lines(
        REFUND_STATUSES[refund.status], refund.error and cells.hint(cells.english(refund.error))
    )


def _show_event(event: PaymentEvent) -> Cell:
    details = ", ".join(f"{name} {value}" for name, value in event.details.items())
    about = cells.row(event.subject, details)
    return cells.lines(words.PAYMENT_EVENTS[event.kind], about and cells.hint(cells.code(about)))


_REFUND_COLUMNS: tuple[Column[Refund], ...] = (
    Column("Demandé", "created_at"),
    Column("Montant", lambda each: cells.amount(each.amount_cents), "number"),
    Column("Raison", _show_reason),
    Column("État", _show_refund_state),
)
_EVENT_COLUMNS: tuple[Column[PaymentEvent], ...] = (
    Column("Quand", "at"),
    Column("Quoi", _show_event, "head"),
    Column("Noté", "recorded_at"),
)


def _list_credits(payment: PaymentDetails) -> list[Block]:
    shown = [
        cells.row(
            CREDIT_REASONS[each.reason],
            ":",
            write_duration(each.seconds)
            if each.amount is None
            else cells.amount(each.amount, payment.entry.currency),
        )
        for each in payment.entry.credits
    ]
    return [Text(cells.lines(*shown), "Crédits")] if shown else []


class AmountQuery(Body):
    """The amount in euros: `4,50`; without one all that is left."""

    amount: Annotated[str, Bound(max_length=20)] | None = None


def _refund(work: AuditedWork, id: UUID, wanted: NewRefund) -> dict[str, Any]:
    return describe_refund(refund_payment(work.session, id, wanted))


@add_action(f"{_ONE}/remboursement", "payment.refund", _refund, form=NewRefund, access=Access.PROVEN_ADMIN)
def _ask_refund_payment(id: UUID) -> Confirmation:
    """Return what it does to give back the amount that this request names."""
    payment, _ = _read_payment(id)
    if request.method == "POST":
        cents: int | None = request.form.get("cents", 0, type=int)
    else:
        wanted = Form.read_query(AmountQuery)
        cents = None if wanted.errors else _parse_amount(wanted.value.amount, payment.left)
    if cents is None or not 0 < cents <= payment.left:  # or all of it went back since the page was shown
        raise NotNow(_refuse_amount(payment))
    written = write_money(cents)
    return Confirmation(
        title=f"Rendre {written} ?",
        effects=tuple(_list_effects(payment, cents)),
        button=f"Rendre {written}",
        done=f"Stripe est prié de rendre {written}.",
        subject=words.name_payment(payment),
        subject_label="Pour confirmer, recopiez le numéro",
        hidden={"cents": cents, "left": payment.left},
        fields=(_NOTE,),
        texts=_TEXTS,
    )


def _parse_amount(text: str | None, left: int) -> int | None:
    """Return an amount in cents; None where the text is none. Without a text, all that is left."""
    if not text:
        return left
    found = _EUROS.fullmatch(clean_typed(text).replace(" ", ""))
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else None


def _refuse_amount(payment: PaymentDetails) -> str:
    if payment.left:
        said = words.write_refundable(payment.left)
        return f"De ce paiement, {said}, pas plus : écrivez un montant comme 4,50."
    return "De ce paiement, rien ne peut être rendu : il n’a pas été payé, ou tout l’a déjà été."


def _list_effects(payment: PaymentDetails, cents: int) -> list[str]:
    told = (
        "La personne en est avertie" if payment.user_id else "Le compte est supprimé : personne n’est averti"
    )
    rest, name = payment.left - cents, name_plan(payment.entry.plan)
    left = f"Ensuite, {words.write_refundable(rest)}." if rest else "Ensuite, il n’en reste rien à rendre."
    ends = (
        f"Tout est alors rendu : la formule {name} prend fin dès que Stripe accepte, "
        "et les alertes qu’aucune autre formule ne porte s’arrêtent."
        if payment.entry.refunded + cents >= payment.entry.amount
        else f"La formule {name} continue."
    )
    dispute = _find_dispute(payment)
    return [
        *([_DISPUTES[dispute]] if dispute else []),
        f"Stripe rend {write_money(cents)} par le moyen de paiement de la commande. {left}",
        ends,
        f"{told}. Un avoir est établi.",
        "Un remboursement ne se reprend pas.",
    ]


def _find_dispute(payment: PaymentDetails) -> PaymentEventKind | None:
    """Return the state of a payment's latest dispute where it keeps money from going back."""
    states = [each.kind for each in payment.events if each.kind.value.startswith("dispute_")]
    return states[-1] if states and states[-1] in _DISPUTES else None


def _read_payment(payment_id: UUID) -> tuple[PaymentDetails, OrderBook]:
    """Return a payment and its book; the audit notes that an admin saw the former customer."""
    with audited("payment.view", "payment", payment_id) as work:
        shown = read_payment(work.session, payment_id, sees_addresses=work.actor.sees_addresses)
        if shown.former_customer:
            work.changes["saw"] = "former customer"
        return shown, read_order_book(work.session, payment_id)
