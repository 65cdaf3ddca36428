"""Operators' pages of organisations: who asks, what looks like misuse, and the ways to open, end and keep one."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.ground.paging import PageQuery
from api.models.base import read_once
from api.models.organisation import Organisation, OrganisationEnd, OrganisationKind
from api.organisations.ends import end_organisation, keep_organisation
from api.organisations.service import (
    EndWish,
    Opening,
    WeighedOrganisation,
    list_organisations,
    lock_one,
    open_organisation,
    read_organisation,
)
from api.pages.admin import cells
from api.pages.admin.area import REASON, Confirmation, add_action, add_list, area
from api.pages.admin.page_data import Block, Cell, Column, Facts, Field, render_page
from api.pages.admin.words import REASON_TEXTS
from api.pages.area import Access
from api.payments.organisations.use import read_unbilled
from configs.ground.clock import clock

_ONE = "/admin/organisations/<uuid:id>"
_KINDS = {
    OrganisationKind.ASSOCIATION: "Association",
    OrganisationKind.LAWYER: "Cabinet d’avocats",
    OrganisationKind.EMPLOYER: "Employeur",
    OrganisationKind.PUBLIC_BODY: "Organisme public",
    OrganisationKind.OTHER: "Autre",
}
_ENDS = {
    OrganisationEnd.DELETED: "par son responsable",
    OrganisationEnd.CLOSED: "par un opérateur",
    OrganisationEnd.UNPAID: "impayée",
    OrganisationEnd.ABUSE: "pour abus",
}
_TEXTS = {
    **REASON_TEXTS,
    "organisation-ending": "Elle prend déjà fin.",
    "not-ending": "Elle ne prend pas fin.",
}


def _write_end(row: Organisation) -> Cell:
    return cells.row(row.ends_at, _ENDS[row.ends_because]) if row.ends_because else cells.NOTHING


add_list(
    "/admin/organisations",
    "list_organisations",
    title="Organisations",
    lead="Qui aide plusieurs personnes. Un compte seul qui en aide beaucoup est signalé par le message"
    " « Usage inhabituel ».",
    query=PageQuery,
    audit=("organisations.list", "organisation"),
    read=lambda work, wanted: list_organisations(work.session, wanted),
    columns=(
        Column("Nom", lambda each: cells.link(each.name, "admin.show_organisation", id=each.id), "head"),
        Column("Sorte", lambda each: _KINDS[each.kind]),
        Column("Demandée", "created_at"),
        Column("Offre jusqu’au", "granted_until"),
        Column("Fin", _write_end),
    ),
    empty="Aucune organisation.",
)


@area.page(_ONE, Access.OPERATOR)
def show_organisation(id: UUID) -> str:
    found = _find(id)
    blocks: list[Block] = [Facts(_list_facts(found), actions=_list_actions(found.row))]
    return render_page(found.row.name, blocks, crumb=("admin.list_organisations", "Organisations"))


def _find(id: UUID) -> WeighedOrganisation:
    with audited("organisation.view", "organisation", id) as work:
        return read_organisation(work.session, id)


def _list_facts(found: WeighedOrganisation) -> list[tuple[Cell, object]]:
    row = found.row
    members = [
        cells.link(cells.own(cells.email(email)), "admin.show_user", id=id) for id, email in found.members
    ]
    return [
        ("Sorte", _KINDS[row.kind]),
        ("Ce qu’elle fait", cells.own(row.purpose)),
        ("Adresse", cells.own(row.address)),
        ("SIREN", row.siren or False),
        ("Numéro de TVA", row.vat_number or False),
        ("Membres", cells.lines(*members) if members else cells.NOTHING),
        ("Personnes aidées", found.people),
        ("Personnes qui partagent une boîte à trois ou plus", found.shared),
        ("Personnes sans rien de fermé depuis six mois", found.stuck),
        ("Contrat accepté", row.contract_version or False),
        ("Demandée", row.created_at),
        ("Ouverte", row.opened_at),
        ("Offre jusqu’au", row.granted_until),
        ("Payante depuis", row.billed_since or False),
        ("Gratuite jusqu’au", row.free_until or False),
        ("Fin", cells.row(_write_end(row), row.end_reason) if row.ends_at else False),
    ]


def _list_actions(row: Organisation) -> list[Cell]:
    if row.ended_at:
        return []
    if row.ends_at:
        return [cells.second_button("Ne pas y mettre fin", "admin.ask_keep_organisation", id=row.id)]
    return [
        cells.button(
            "Changer la date" if row.opened_at else "Ouvrir", "admin.ask_open_organisation", id=row.id
        ),
        cells.second_button("Mettre fin", "admin.ask_end_organisation", id=row.id),
        cells.audit_link(row.id),
    ]


def _open(work: AuditedWork, id: UUID, wanted: Opening) -> dict[str, Any]:
    return open_organisation(work.session, lock_one(work.session, id), wanted)


def _end(work: AuditedWork, id: UUID, wanted: EndWish) -> dict[str, Any]:
    row = lock_one(work.session, id)
    end_organisation(work.session, row, wanted.because, wanted.reason)
    return {"because": wanted.because.value, "endsAt": row.ends_at and row.ends_at.isoformat()}


def _keep(work: AuditedWork, id: UUID) -> None:
    keep_organisation(work.session, lock_one(work.session, id))


@add_action(f"{_ONE}/ouverture", "organisation.open", _open, form=Opening, access=Access.PROVEN_ADMIN)
def _ask_open_organisation(id: UUID) -> Confirmation:
    found = _find(id)
    net = read_once(read_unbilled, found.row, clock())[1].net
    used = cells.row(
        "Ce qu’elle a utilisé jusqu’ici reste facturé :", cells.amount(net), "hors taxes ce mois-ci."
    )
    return Confirmation(
        title=f"Ouvrir {found.row.name} ?",
        effects=(
            "Les personnes qu’elle aide ont URGENCE TOTAL à partir de maintenant, jusqu’à ce jour compris, sans payer.",
            *((used,) if net else ()),
            "Elle peut avoir plus de deux membres et de deux personnes, les SMS, des clés et des webhooks.",
            "Ses membres en sont prévenus.",
        ),
        button="Ouvrir",
        done="L’organisation est ouverte, ses membres sont prévenus.",
        version=str(found.row.granted_until or ""),
        fields=(Field("until", "Dernier jour", is_required=True, attributes={"type": "date"}),),
        texts=_TEXTS
        | {
            ("until", "missing"): "Écrivez le dernier jour.",
            ("until", "too_far"): "D’aujourd’hui à trois ans.",
        },
    )


@add_action(f"{_ONE}/fin", "organisation.end", _end, form=EndWish, access=Access.PROVEN_ADMIN)
def _ask_end_organisation(id: UUID) -> Confirmation:
    found = _find(id)
    return Confirmation(
        title=f"Mettre fin à {found.row.name} ?",
        effects=(
            "Ses membres et ses personnes en sont prévenus aujourd’hui, les membres avec la raison.",
            "Dans 14 jours, ce qui reste de ses personnes est supprimé. Pour abus, elle s’arrête tout de suite.",
            "Elle peut s’y opposer par l’assistance : « Ne pas y mettre fin » annule tout jusque-là.",
        ),
        button="Mettre fin",
        done="L’organisation prend fin, ses membres sont prévenus.",
        subject=found.row.name,
        fields=(
            Field(
                "because",
                "Pourquoi",
                [("closed", "Fermée"), ("abuse", "Abus : arrêt immédiat")],
                blank="Choisir",
                is_required=True,
            ),
            replace(REASON, hint="Ses membres la lisent : sans nom de personne."),
        ),
        texts=_TEXTS,
    )


@add_action(f"{_ONE}/suite", "organisation.keep", _keep, access=Access.PROVEN_ADMIN)
def _ask_keep_organisation(id: UUID) -> Confirmation:
    found = _find(id)
    return Confirmation(
        title=f"Garder {found.row.name} ?",
        effects=("Elle ne prend pas fin, ses personnes retrouvent son offre, ses membres sont prévenus.",),
        button="Garder",
        done=f"L’organisation continue, le {clock():%d/%m/%Y}.",
        texts=_TEXTS,
    )
