"""Operators' pages around payments: Stripe's events, differences, declarations, totals of invoices, sales journal."""

import json
import re

from flask import Response, request, url_for
from markupsafe import Markup

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.payments.accounting import (
    DailyTotal,
    TotalsQuery,
    read_daily_totals,
    write_csv,
    write_sales_journal,
)
from api.admin.payments.queries import (
    DeclarationQuery,
    StripeEventQuery,
    list_declarations,
    list_differences,
    list_events,
    read_event,
)
from api.admin.payments.service import apply_event_again
from api.ground.errors import not_found
from api.ground.paging import Found, PageQuery
from api.models.base import do_after_commit
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.stripe_event import PaymentDifference, StripeEvent, StripeEventFlag
from api.pages.admin import cells
from api.pages.admin.area import Confirmation, add_action, add_list, area
from api.pages.admin.page_data import Block, Cell, Column, Field, Text, name_field
from api.pages.admin.words import count
from api.pages.area import Access
from api.pages.forms import Form
from api.payments.exchange.events import ask_apply_object

_EVENT = "/admin/evenements-stripe/<id>/rejeu"
_TOTALS = "/admin/paiements/totaux"
_CRUMB = ("admin.list_payments", "Paiements")
_ID = re.compile(r"[\x21-\x7e]{1,255}")
_FLAGS: dict[StripeEventFlag, str] = {
    StripeEventFlag.UNKNOWN_TYPE: "Sorte inconnue",
    StripeEventFlag.UNKNOWN_OWNER: "Objet inconnu ici",
    StripeEventFlag.GAVE_UP: "Abandonné",
}


def _show_state(event: StripeEvent) -> Cell:
    error = event.error and cells.hint(
        count(event.attempts, "essai", "essais"), ";", cells.english(event.error)
    )
    return cells.lines(_name_state(event), error)


def _name_state(event: StripeEvent) -> Cell:
    if event.flag:
        return cells.badge(_FLAGS[event.flag], "bad" if event.flag is StripeEventFlag.GAVE_UP else "warn")
    if event.applied_at:
        return cells.row(cells.badge("Appliqué", "good"), cells.hint(event.applied_at))
    if event.next_attempt_at:
        return cells.row(
            cells.badge("En attente", "warn"), cells.hint("prochain essai :", event.next_attempt_at)
        )
    return cells.badge("Gardé")


def _show_replay(event: StripeEvent) -> Cell:
    if not event.object_id or event.flag is StripeEventFlag.UNKNOWN_TYPE:
        return cells.NOTHING
    return cells.link("Appliquer de nouveau", "admin.ask_replay_event", event.id, id=event.id)


def _show_type(event: StripeEvent) -> Cell:
    return Markup('<span dir="ltr">{}</span>').format(
        cells.lines(event.type, cells.hint(cells.code(event.id)))
    )


def _show_received(event: StripeEvent) -> Cell:
    sent = cells.row("chez Stripe :", event.created_at, f"({event.api_version or '?'})")
    return cells.lines(event.received_at, cells.hint(sent))


add_list(
    "/admin/evenements-stripe",
    "list_events",
    title="Événements Stripe",
    lead="Ce que Stripe a annoncé. Chaque événement fait relire son objet chez Stripe.",
    query=StripeEventQuery,
    audit=("stripe-events.list", "stripe-event"),
    read=lambda work, wanted: list_events(work.session, wanted),
    filters=(
        name_field("type", "Sorte", maxlength="255"),
        Field("open", "Appliqué", [("true", "pas encore"), ("false", "plus rien à faire")]),
        Field("flag", "À regarder", _FLAGS.items()),
        name_field("objectId", "Objet", maxlength="255"),
    ),
    columns=(
        Column("Événement", _show_type, "head"),
        Column(
            "Objet",
            lambda each: cells.lines(
                cells.code(each.object_id), each.object_type and cells.hint(each.object_type)
            ),
            "code",
        ),
        Column("Reçu", _show_received),
        Column("État", _show_state),
        Column("Action", _show_replay),
    ),
    empty="Aucun événement ne correspond.",
    crumb=_CRUMB,
)


def _replay(work: AuditedWork, id: str) -> dict[str, str]:
    event = apply_event_again(work.session, id)
    do_after_commit(work.session, lambda: ask_apply_object(str(event.object_id), event.type))
    return {"type": event.type}


@add_action(_EVENT, "stripe-event.replay", _replay)
def _ask_replay_event(id: str) -> Confirmation:
    if not _ID.fullmatch(id):
        raise not_found("event")
    with audited("stripe-event.view", "stripe-event", id) as work:
        event = read_event(work.session, id)
    return Confirmation(
        title=f"Appliquer de nouveau {event.type} ?",
        effects=(
            f"L’objet {event.object_id} est relu chez Stripe, et son état présent est appliqué ici.",
            "Répété, cela ne change rien : ce qui est déjà noté ne l’est pas deux fois.",
            "Un paiement qui manquait ici donne sa formule, sa facture et ses messages, comme à son arrivée.",
        ),
        button="Appliquer de nouveau",
        done=f"{id} est appliqué de nouveau : son objet est relu chez Stripe.",
        back=url_for("admin.list_events", objectId=event.object_id),
        texts={"unknown-type": "Rien n’applique les événements de cette sorte : ils sont seulement gardés."},
    )


def _show_difference(difference: PaymentDifference) -> Cell:
    payment = difference.payment_id
    way = payment and cells.link("Paiement", "admin.show_payment", f"de {difference.object_id}", id=payment)
    return cells.lines(cells.code(difference.object_id), way)


def _write_side(side: object) -> Cell:
    return cells.code(json.dumps(side, ensure_ascii=False, sort_keys=True))


add_list(
    "/admin/paiements/ecarts",
    "list_differences",
    title="Écarts avec Stripe",
    lead="Ce que la comparaison de chaque jour a trouvé. Un écart réparé a pris l’état de Stripe.",
    query=PageQuery,
    audit=("payment-differences.list", "payment-difference"),
    read=lambda work, wanted: list_differences(work.session, wanted),
    columns=(
        Column("Trouvé", "found_at"),
        Column("Objet", _show_difference, "head"),
        Column("Chez nous", lambda each: _write_side(each.ours), "code"),
        Column("Chez Stripe", lambda each: _write_side(each.stripe), "code"),
        Column("Réparé", lambda each: cells.badge(each.repaired, "good" if each.repaired else "bad")),
    ),
    empty="Aucun écart n’a été trouvé.",
    crumb=_CRUMB,
)
_KINDS = {DeclarationKind.WITHDRAWAL: "Rétractation", DeclarationKind.CANCELLATION: "Résiliation"}
_BY = {
    DeclaredBy.ACCOUNT: "dans le compte",
    DeclaredBy.LINK: "par un lien",
    DeclaredBy.FORM: "par le formulaire",
}


def _show_author(each: Declaration) -> Cell:
    account = each.user_id and cells.user_link(each.user_id, hidden=each.id)
    return cells.lines(
        each.name and cells.own(each.name), each.email and cells.own(cells.email(each.email)), account
    )


def _show_about(each: Declaration) -> Cell:
    payment = each.payment_id and cells.link("Paiement", "admin.show_payment", each.id, id=each.payment_id)
    subscription = each.subscription_id and cells.hint("abonnement", cells.code(each.subscription_id))
    reference = each.reference and cells.row("écrit :", cells.own(each.reference))
    return cells.lines(payment, subscription, reference) or cells.NOTHING


def _show_effect(each: Declaration) -> Cell:
    wished = each.wished_on and cells.row("voulue le", each.wished_on)
    at_end = "à la fin de la période" if each.at_period_end else ""
    due = each.takes_effect_at and cells.row("prend effet le", each.takes_effect_at)
    confirmed = cells.row("confirmée le", each.confirmed_at) if each.confirmed_at else "non confirmée"
    return cells.lines(confirmed, wished, at_end, due)


def _show_end(each: Declaration) -> Cell:
    if each.refused_because:
        return cells.row(cells.badge("Sans effet", "warn"), cells.english(each.refused_because))
    if each.undone_at:
        return cells.row(cells.badge("Annulée"), cells.hint(each.undone_at))
    if each.applied_at:
        back = cells.row("rendus :", cells.amount(each.refund_cents)) if each.refund_cents is not None else ""
        return cells.lines(cells.row(cells.badge("Appliquée", "good"), cells.hint(each.applied_at)), back)
    return cells.badge("En attente", "info")


add_list(
    "/admin/declarations",
    "list_declarations",
    title="Rétractations et résiliations",
    lead="Ce que les gens ont déclaré, à la seconde où ils l’ont fait, et ce qui en est devenu.",
    query=DeclarationQuery,
    audit=("declarations.list", "declaration"),
    read=lambda work, wanted: list_declarations(work.session, wanted),
    notes_seen=True,
    filters=(Field("open", "À regarder", [("true", "Sans commande trouvée"), ("false", "Les autres")]),),
    columns=(
        Column("Faite", lambda each: cells.lines(each.made_at, cells.hint(_BY[each.made_by])), "head"),
        Column("Sorte", lambda each: _KINDS[each.kind]),
        Column("De", _show_author),
        Column("Au sujet de", _show_about),
        Column("Effet", _show_effect),
        Column("Fin", _show_end),
    ),
    empty="Aucune déclaration ne correspond.",
    crumb=_CRUMB,
)


def _read_totals(work: AuditedWork, wanted: TotalsQuery) -> Found[DailyTotal]:
    first, last = wanted.days
    work.changes.update({"first": first.isoformat(), "last": last.isoformat()})
    return Found(read_daily_totals(work.session, first, last))


def _name_days(_: AuditedWork, form: Form[TotalsQuery], totals: object) -> list[Block]:
    first, last = form.value.days
    days = cells.row("Du", first, "au", last)
    file = bool(totals) and cells.link("Le même en CSV", "admin.send_totals", first=first, last=last)
    journal = bool(totals) and cells.link(
        "Journal des ventes, à importer", "admin.send_sales_journal", first=first, last=last
    )
    return [Text(cells.row(days, file, journal))]


add_list(
    _TOTALS,
    "list_totals",
    title="Totaux des factures",
    lead="Factures moins avoirs, sans les organisations, par jour à Paris, formule et ligne de TVA.",
    query=TotalsQuery,
    audit=("invoice-totals.export", "invoice"),
    read=_read_totals,
    filters=(
        Field("first", "Premier jour", attributes={"type": "date"}),
        Field("last", "Dernier jour", attributes={"type": "date"}),
    ),
    between=_name_days,
    columns=(
        Column("Jour", "day", "head"),
        Column("Formule", lambda each: cells.lines(each.plan, cells.hint(each.vat_line))),
        Column("Factures", "invoices", "number"),
        Column("Avoirs", "credit_notes", "number"),
        Column("Hors taxes", lambda each: cells.amount(each.net, each.currency), "number"),
        Column("TVA", lambda each: cells.amount(each.vat, each.currency), "number"),
        Column("Toutes taxes", lambda each: cells.amount(each.gross, each.currency), "number"),
    ),
    empty="Aucune facture n’a été établie dans ce temps.",
    crumb=_CRUMB,
)


@area.page(f"{_TOTALS}.csv", Access.OPERATOR)
def send_totals() -> Response:
    """Send the totals as a file for spreadsheets; amounts in cents."""
    form = Form.read_query(TotalsQuery)
    if form.errors:
        raise not_found(f"{request.path} of these days")
    with audited("invoice-totals.export", "invoice") as work:
        totals = _read_totals(work, form.value).items
    return _send_file(write_csv(totals), "text/csv", "invoice-totals.csv")


@area.page("/admin/paiements/journal.txt", Access.OPERATOR)
def send_sales_journal() -> Response:
    form = Form.read_query(TotalsQuery)
    if form.errors:
        raise not_found(f"{request.path} of these days")
    first, last = form.value.days
    with audited("sales-journal.export", "invoice") as work:
        work.changes.update({"first": first.isoformat(), "last": last.isoformat()})
        journal = write_sales_journal(work.session, first, last)
    return _send_file(journal, "text/plain", f"journal-des-ventes-{first}-{last}.txt")


def _send_file(text: str, mimetype: str, name: str) -> Response:
    answer = Response(text, mimetype=mimetype)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer
