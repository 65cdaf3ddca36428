"""Operators' pages of candidates: the list by weight, what people ask for in vain, one candidate, the two decisions."""

from typing import Any
from uuid import UUID

from markupsafe import Markup

from api.admin.access import audited
from api.admin.audit import AuditedWork
from api.admin.candidates import (
    Acceptance,
    CandidateQuery,
    WeighedCandidate,
    accept_candidate,
    list_candidates,
    preview_entry,
    read_candidate,
    refuse_candidate,
)
from api.admin.desk_orders import Reason
from api.models.candidate import CandidateSource, CandidateState
from api.pages.admin import cells
from api.pages.admin.area import REASON, Confirmation, add_action, add_list, area
from api.pages.admin.page_data import Block, Cell, Column, Facts, Field, Table, Text, render_page
from api.pages.admin.words import OUTCOMES, REASON_TEXTS, count
from api.pages.area import Access
from api.pages.choices import PROCEDURE_NAMES, list_place_options
from api.pages.forms import Form, Texts
from api.prefectures.queries import count_unmet
from configs.world.desk import Procedure
from configs.world.prefecture import prefectures

_ONE = "/admin/pages-proposees/<uuid:id>"
_SOURCES = {
    CandidateSource.LIST: "liste de sources publiques",
    CandidateSource.DISCOVERY: "lien d’une préfecture",
    CandidateSource.PERSON: "donnée par quelqu’un",
}
_STATES = {
    CandidateState.OPEN: ("info", "À décider"),
    CandidateState.ACCEPTED: ("good", "Acceptée, pas encore écrite"),
    CandidateState.REFUSED: ("bad", "Refusée"),
    CandidateState.WRITTEN: ("good", "Écrite"),
}
_DECIDED = "Un opérateur a déjà décidé."
_ACCEPT_TEXTS: Texts = {
    ("label", "missing"): "Écrivez le nom du guichet, tel que les gens le cherchent.",
    ("procedures[]", "too_short"): "Cochez au moins une démarche.",
    ("neutralLabel", "health"): "Ce nom révèle la santé : donnez-en un autre pour les messages.",
    "candidate-decided": _DECIDED,
    "unknown-platform": "Aucun logiciel connu : essayez scrapy detect, ou refusez.",
}


def _link(each: WeighedCandidate) -> Cell:
    row = each.row
    address = Markup('<span class="address" dir="ltr">{}</span>').format(row.url.partition("://")[2])
    is_awaited = row.state is CandidateState.OPEN and row.given_at is not None
    return cells.lines(
        cells.link(address, "admin.show_candidate", id=each.id),
        cells.hint(_SOURCES[row.source], is_awaited and "· quelqu’un attend la réponse"),
    )


def _show_page(each: WeighedCandidate) -> Cell:
    row = each.row
    title = Markup("<q>{}</q>").format(row.title) if row.title else cells.NOTHING
    outcome = (
        f"{OUTCOMES[row.outcome]} ({row.proofs} / {row.visits})" if row.outcome else "pas encore consultée"
    )
    return cells.lines(title, cells.hint(outcome), each.unasked and cells.english(each.unasked))


def _name_place(prefecture_id: str | None) -> str:
    place = prefectures().get(prefecture_id or "")
    return f"{place.name} ({place.department})" if place else cells.NOTHING


def _show_unmet(work: AuditedWork, form: Form[CandidateQuery], _: object) -> list[Block]:
    if form.value.after or form.value.state is not CandidateState.OPEN:
        return []
    columns: tuple[Column[Any], ...] = (
        Column("Préfecture", lambda each: _name_place(each[0][0]), "head"),
        Column("Démarche", lambda each: str(PROCEDURE_NAMES[each[0][1]])),
        Column("Personnes", lambda each: each[1], "number"),
    )
    place = form.value.prefecture_id
    rows = [each for each in count_unmet(work.session).items() if place in (None, each[0][0])]
    return [Table("Attendu en vain", columns, rows, "Personne n’attend en vain.", title="Attendu en vain")]


add_list(
    "/admin/pages-proposees",
    "list_candidates",
    title="Pages proposées",
    lead="Pages de rendez-vous qu’aucun fichier n’a. D’abord celles que des gens attendent.",
    query=CandidateQuery,
    audit=("candidates.list", "candidate"),
    read=lambda work, wanted: list_candidates(work.session, wanted),
    filters=(
        Field(
            "state",
            "État",
            [(each.value, text) for each, (_, text) in _STATES.items()],
            blank="À décider",
        ),
        Field("prefectureId", "Préfecture", list_place_options, blank="Toutes"),
    ),
    columns=(
        Column("Page", _link, "head"),
        Column("Préfecture", lambda each: _name_place(each.row.prefecture_id)),
        Column("Attendent", "waiting", "number"),
        Column("Ce que la page dit", _show_page),
        Column(
            "Démarches",
            lambda each: ", ".join(str(PROCEDURE_NAMES[Procedure(name)]) for name in each.row.procedures),
        ),
    ),
    empty="Aucune page à décider.",
    heading="Pages",
    between=_show_unmet,
)


@area.page(_ONE, Access.OPERATOR)
def show_candidate(id: UUID) -> str:
    found = _find(id)
    tone, text = _STATES[found.row.state]
    blocks: list[Block] = [Facts(_list_facts(found), cells.badge(text, tone), _list_actions(found))]
    if found.row.state is not CandidateState.REFUSED:
        entry = Markup("<pre><code>{}</code></pre>").format(
            preview_entry(found.row) or "Aucun logiciel connu."
        )
        blocks.append(Text(entry, "L’entrée de son fichier"))
    return render_page("Page proposée", blocks, crumb=("admin.list_candidates", "Pages proposées"))


def _list_facts(found: WeighedCandidate) -> list[tuple[Cell, object]]:
    row = found.row
    return [
        ("Page", Markup('<a href="{0}" rel="noopener noreferrer">{0}</a>').format(row.url)),
        ("Préfecture", _name_place(row.prefecture_id)),
        ("Personnes qui attendent là", found.waiting),
        ("Connue par", cells.lines(_SOURCES[row.source], row.note, row.linked_by)),
        ("Donnée le", row.given_at or False),
        ("Dernière visite", row.asked_at),
        ("Ce que la page dit", cells.lines(_show_page(found), row.reading and cells.english(row.reading))),
        ("Raison", row.decision or False),
    ]


def _list_actions(found: WeighedCandidate) -> list[Cell]:
    decisions = [
        cells.button("Accepter", "admin.ask_accept_candidate", id=found.id),
        cells.second_button("Refuser", "admin.ask_refuse_candidate", id=found.id),
    ]
    return [*(decisions if found.row.state is CandidateState.OPEN else []), cells.audit_link(found.id)]


def _find(id: UUID) -> WeighedCandidate:
    with audited("candidate.view", "candidate", id) as work:
        return read_candidate(work.session, id)


def _describe_giver(found: WeighedCandidate) -> tuple[str, ...]:
    return ("La personne qui l’a donnée est prévenue.",) if found.row.user_id else ()


@add_action(f"{_ONE}/acceptation", "candidate.accept", accept_candidate, form=Acceptance)
def _ask_accept_candidate(id: UUID) -> Confirmation:
    found = _find(id)
    mine = found.row.prefecture_id
    places = sorted(list_place_options(), key=lambda option: option[0] != mine)
    return Confirmation(
        title="Accepter cette page ?",
        effects=(
            f"{found.row.url} devient un guichet : scrapy candidates --write l’écrit dans son fichier.",
            "Le titre de la page ne suffit pas : écrivez le nom que les gens connaissent.",
            f"{count(found.waiting, 'personne attend', 'personnes attendent')} dans cette préfecture.",
            *_describe_giver(found),
        ),
        button="Accepter",
        done="La page est acceptée : scrapy candidates --write l’écrit dans son fichier.",
        version=found.row.state,
        typed={"procedures[]": found.row.procedures},
        fields=(
            Field("prefectureId", "Préfecture", places, blank="" if mine else "Choisir…", is_required=True),
            Field("label", "Nom du guichet", is_required=True, attributes={"maxlength": "500"}),
            Field(
                "procedures[]", "Démarches", [(each.value, name) for each, name in PROCEDURE_NAMES.items()]
            ),
            Field("neutralLabel", "Nom dans les messages", hint="Seulement si le nom révèle la santé."),
        ),
        texts=_ACCEPT_TEXTS,
    )


@add_action(f"{_ONE}/refus", "candidate.refuse", refuse_candidate, form=Reason)
def _ask_refuse_candidate(id: UUID) -> Confirmation:
    found = _find(id)
    return Confirmation(
        title="Refuser cette page ?",
        effects=(f"{found.row.url} n’est plus jamais consultée ni proposée.", *_describe_giver(found)),
        button="Refuser",
        done="La page est refusée : elle n’est plus consultée.",
        version=found.row.state,
        fields=(REASON,),
        texts={**REASON_TEXTS, "candidate-decided": _DECIDED},
    )
