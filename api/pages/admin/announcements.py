"""Operators' pages of announcements: write one, read it in each language, try it, send and stop it."""

from uuid import UUID

from api.admin.access import audited
from api.admin.announcements import (
    NewAnnouncement,
    add_announcement,
    count_left,
    count_people,
    get_announcement,
    list_announcements,
    start_announcement,
    stop_announcement,
    try_on,
)
from api.ground.paging import PageQuery
from api.models.notification import Announcement
from api.pages.admin import cells
from api.pages.admin.area import Confirmation, add_action, add_list, area
from api.pages.admin.page_data import Block, Cell, Column, Facts, Field, Text, render_page
from api.pages.admin.words import count
from api.pages.area import Access
from api.pages.context import build_public_url
from api.pages.forms import Texts
from api.web.auth import current_user_id
from configs.ground.text import MESSAGE_LANGUAGES
from configs.world.plan import PlanName, name_plan
from configs.world.sales_terms import find_newest_version

_LIST = "/admin/annonces"
_ONE = f"{_LIST}/<uuid:id>"
_TEXTS: Texts = {
    ("", "one_audience"): "Choisissez une formule ou un lieu, pas les deux.",
    ("", "unknown_place"): "Aucune préfecture ni aucun guichet n’a cet identifiant.",
    ("", "no_title"): "Chaque texte commence par une ligne de titre (120 signes), puis le texte.",
    "started-already": "Cette annonce est déjà partie.",
    "not-running": "Cette annonce n’est pas en cours.",
}
_TERMS = (
    "Nos conditions changent\nDe nouvelles conditions de vente valent à partir du … : {url}\nCe qui change : …\n"
    "Si ce changement ne vous est pas seulement mineur, vous pouvez mettre fin à votre contrat sans frais pendant "
    "trente jours (article L.224-25-26 du Code de la consommation) : « résilier votre contrat », en bas de chaque page."
)


def _name_audience(row: Announcement) -> Cell:
    whom = name_plan(PlanName(row.plan)) if row.plan else row.place or "tout le monde"
    return cells.lines("Nouvelles" if row.is_news else "Service", cells.hint(whom))


def _show_title(row: Announcement) -> Cell:
    return cells.link(cells.own(row.texts["fr"][0]), "admin.show_announcement", id=row.id)


def _name_state(row: Announcement) -> Cell:
    if row.stopped_at:
        return cells.row(cells.badge("Arrêtée", "warn"), cells.hint(row.stopped_at))
    if row.done_at:
        return cells.row(cells.badge("Écrite", "good"), cells.hint(row.done_at))
    return cells.badge("En cours", "info") if row.started_at else cells.badge("Projet")


add_list(
    _LIST,
    "list_announcements",
    title="Annonces",
    lead="Ce que nous écrivons à beaucoup de gens à la fois, par e-mail.",
    query=PageQuery,
    audit=("announcements.list", "announcement"),
    read=lambda work, wanted: list_announcements(work.session, wanted),
    above=lambda: [Text(cells.button("Écrire une annonce", "admin.ask_write_announcement"))],
    columns=(
        Column("Titre", _show_title, "head"),
        Column("À", _name_audience),
        Column("Écrite le", "created_at"),
        Column("État", _name_state),
        Column("Messages", "written", "number"),
    ),
    empty="Aucune annonce n’a été écrite.",
)


@add_action(f"{_LIST}/nouvelle", "announcement.write", add_announcement, form=NewAnnouncement)
def _ask_write_announcement() -> Confirmation:
    terms = build_public_url("legal.show_version", name="conditions", version=find_newest_version())
    languages = [each for each in MESSAGE_LANGUAGES if each not in ("fr", "en")]
    plans = [(each.value, name_plan(each)) for each in PlanName if each is not PlanName.NONE]
    wide = {"rows": "6", "maxlength": "4000"}
    return Confirmation(
        title="Écrire une annonce ?",
        effects=(
            "Rien ne part encore : vous la relisez dans chaque langue, et l’essayez sur vous.",
            "Une annonce de service ne dit que ce qui concerne le service : elle part sans consentement.",
            "Des nouvelles ne vont qu’à ceux qui y ont consenti.",
        ),
        button="Enregistrer",
        done="L’annonce est enregistrée : relisez-la.",
        fields=(
            Field("isNews", "Ce sont des nouvelles", is_box=True),
            Field("plan", "À ceux d’une formule", plans, blank="Tout le monde"),
            Field(
                "place", "À ceux qui attendent : préfecture ou guichet", attributes={"autocomplete": "off"}
            ),
            Field("fr", "Français : une ligne de titre, puis le texte", is_required=True, attributes=wide),
            Field("en", "Anglais, aussi pour les langues laissées vides", is_required=True, attributes=wide),
            *(Field(each, MESSAGE_LANGUAGES[each], attributes=wide) for each in languages),
        ),
        typed={"fr": _TERMS.format(url=terms)},
        texts=_TEXTS,
    )


@area.page(_ONE, Access.OPERATOR)
def show_announcement(id: UUID) -> str:
    """Show an announcement in each language, its number of people, and what can be done."""
    with audited("announcement.view", "announcement", id) as work:
        row = get_announcement(work.session, id)
        people = row.written if row.done_at or row.stopped_at else count_people(work.session, row)
        left = row.stopped_at is not None and count_left(work.session, row)
    actions = [cells.second_button("L’essayer sur moi", "admin.ask_try_announcement", id=id)]
    if not row.started_at:
        actions.append(cells.button("Envoyer", "admin.ask_start_announcement", id=id))
    elif not row.stopped_at:
        actions.append(cells.second_button("Arrêter", "admin.ask_stop_announcement", id=id))
    numbers = [("Personnes", people), ("Messages écrits", row.written), ("Partis avant l’arrêt", left)]
    facts = [("À", _name_audience(row)), *numbers]
    blocks: list[Block] = [Facts(facts, _name_state(row), actions)]
    for language, name in MESSAGE_LANGUAGES.items():
        title, *paragraphs = row.choose_text(language)
        own = "" if language in row.texts else cells.hint("(en anglais)")
        blocks.append(Text(cells.lines(cells.row(cells.own(title), own), *map(cells.own, paragraphs)), name))
    return render_page("Annonce", blocks, crumb=("admin.list_announcements", "Annonces"))


@add_action(f"{_ONE}/envoi", "announcement.start", start_announcement, access=Access.PROVEN_ADMIN)
def _ask_start_announcement(id: UUID) -> Confirmation:
    with audited("announcement.view", "announcement", id) as work:
        row = get_announcement(work.session, id)
        people = count_people(work.session, row)
    return Confirmation(
        title=f"Envoyer à {count(people, 'personne', 'personnes')} ?",
        effects=(
            f"« {row.texts['fr'][0]} » part par e-mail, après tous les autres messages, dans la langue de chacun.",
            "Vous pouvez l’arrêter : ce qui n’est pas encore parti ne part plus.",
        ),
        button="Envoyer",
        done="L’annonce part.",
        subject=str(people),
        subject_label="Pour confirmer, recopiez le nombre de personnes",
        texts=_TEXTS,
    )


@add_action(f"{_ONE}/essai", "announcement.try", lambda work, id: try_on(work.session, id, current_user_id()))
def _ask_try_announcement(**_: UUID) -> Confirmation:
    return Confirmation(
        title="L’essayer sur vous ?",
        effects=("Vous seul recevez cette annonce, à l’adresse et dans la langue de votre compte.",),
        button="Me l’envoyer",
        done="L’annonce est en route vers vous.",
    )


@add_action(f"{_ONE}/arret", "announcement.stop", stop_announcement)
def _ask_stop_announcement(**_: UUID) -> Confirmation:
    return Confirmation(
        title="Arrêter cette annonce ?",
        effects=("Elle n’est plus écrite à personne, et les messages qui attendent ne partent plus.",),
        button="Arrêter",
        done="L’annonce est arrêtée.",
        texts=_TEXTS,
    )
