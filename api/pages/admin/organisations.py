"""Operators' pages of organisations: who asks, what looks like misuse, and the ways to open, end and keep one."""

from dataclasses import replace
from uuid import UUID

from flask import url_for

from api.admin.access import audited
from api.ground.paging import PageQuery
from api.models.organisation import Organisation, OrganisationEnd, OrganisationKind
from api.organisations.ends import end_organisation, keep_organisation
from api.organisations.review import (
    EndWish,
    Opening,
    WeighedOrganisation,
    list_organisations,
    lock_one,
    open_organisation,
    read_organisation,
)
from api.pages.admin import cells
from api.pages.admin.area import REASON, Confirmation, NoFields, add_action, add_list, area
from api.pages.admin.page_data import Block, Cell, Column, Facts, Field, ListPage, render_page
from api.pages.admin.words import REASON_TEXTS
from api.pages.area import Access
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
    ListPage(
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
    ),
)


@area.page(_ONE, Access.OPERATOR)
def show_organisation(id: UUID) -> str:
    """Show one organisation."""
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
        ("Fin", cells.row(_write_end(row), row.end_reason) if row.ends_at else False),
    ]


def _list_actions(row: Organisation) -> list[Cell]:
    if not cells.is_admin() or row.ended_at:
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


def _describe_opening(id: UUID) -> Confirmation:
    found = _find(id)
    return Confirmation(
        title=f"Ouvrir {found.row.name} ?",
        effects=(
            "Les personnes qu’elle aide ont URGENCE TOTAL jusqu’à ce jour compris, sans payer.",
            "Elle peut avoir plus de deux membres et de deux personnes, les SMS, des clés et des webhooks.",
            "Ses membres en sont prévenus.",
        ),
        button="Ouvrir",
        back=url_for("admin.show_organisation", id=id),
        version=str(found.row.granted_until or ""),
        fields=(Field("until", "Dernier jour", is_required=True, attributes={"type": "date"}),),
        texts=_TEXTS
        | {
            ("until", "missing"): "Écrivez le dernier jour.",
            ("until", "too_far"): "D’aujourd’hui à trois ans.",
        },
    )


def _open(wanted: Opening, id: UUID) -> str:
    with audited("organisation.open", "organisation", id) as work:
        work.changes.update(open_organisation(work.session, lock_one(work.session, id), wanted))
    return "L’organisation est ouverte, ses membres sont prévenus."


def _describe_end(id: UUID) -> Confirmation:
    found = _find(id)
    return Confirmation(
        title=f"Mettre fin à {found.row.name} ?",
        effects=(
            "Ses membres et ses personnes en sont prévenus aujourd’hui, les membres avec la raison.",
            "Dans 14 jours, ce qui reste de ses personnes est supprimé. Pour abus, elle s’arrête tout de suite.",
            "Elle peut s’y opposer par l’assistance : « Ne pas y mettre fin » annule tout jusque-là.",
        ),
        button="Mettre fin",
        back=url_for("admin.show_organisation", id=id),
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


def _end(wanted: EndWish, id: UUID) -> str:
    with audited("organisation.end", "organisation", id) as work:
        row = lock_one(work.session, id)
        end_organisation(work.session, row, wanted.because, wanted.reason)
        work.changes.update(because=wanted.because.value, endsAt=row.ends_at and row.ends_at.isoformat())
    return "L’organisation prend fin, ses membres sont prévenus."


def _describe_keeping(id: UUID) -> Confirmation:
    found = _find(id)
    return Confirmation(
        title=f"Garder {found.row.name} ?",
        effects=("Elle ne prend pas fin, ses personnes retrouvent son offre, ses membres sont prévenus.",),
        button="Garder",
        back=url_for("admin.show_organisation", id=id),
        texts=_TEXTS,
    )


def _keep(_wanted: NoFields, id: UUID) -> str:
    with audited("organisation.keep", "organisation", id) as work:
        keep_organisation(work.session, lock_one(work.session, id))
    return f"L’organisation continue, le {clock():%d/%m/%Y}."


_ACCESS = Access.PROVEN_ADMIN
add_action(f"{_ONE}/ouverture", "open_organisation", _describe_opening, _open, form=Opening, access=_ACCESS)
add_action(f"{_ONE}/fin", "end_organisation", _describe_end, _end, form=EndWish, access=_ACCESS)
add_action(f"{_ONE}/suite", "keep_organisation", _describe_keeping, _keep, access=_ACCESS)
