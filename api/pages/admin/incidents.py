"""Operators' pages of incidents: the list, one incident, and the acknowledgement of its alarm."""

from flask import url_for
from markupsafe import Markup

from api.admin.access import audited
from api.admin.desks import count_watched_desks
from api.admin.incidents import (
    IncidentQuery,
    acknowledge_incident,
    list_incidents,
    read_incident,
    write_proof_links,
)
from api.models.incident import Incident
from api.pages.admin import cells
from api.pages.admin.area import Confirmation, add_action, add_list, area
from api.pages.admin.page_data import Cell, Column, Facts, Field, name_field, render_page
from api.pages.admin.words import INCIDENT_REASONS
from api.pages.area import Access
from configs.world.prefecture import desks

_ONE = "/admin/incidents/<int:id>"
# Pages on which alarms of our operations are dealt with, by reason or by the part of health that they are about.
_DEALT_WITH = {
    "admin.list_delivery": "provider_down quota low_delivery spam_reports held_bounces delivery providers",
    "admin.list_dead_letters": "dead_letters",
    "admin.list_messages": "old_queue sms_ceiling mail_ceiling messages",
    "admin.list_payments": "failures_rising fraud_warning refund_blocked payments",
    "admin.list_jobs": "self_check background",
    "admin.list_desks": "checks planner",
}
_PLACES = {word: page for page, words in _DEALT_WITH.items() for word in words.split()}


def _name(incident: Incident) -> Cell:
    return cells.link(
        f"{incident.id} · {INCIDENT_REASONS[incident.reason]}", "admin.show_incident", id=incident.id
    )


def _show_alarm(incident: Incident) -> Cell:
    if incident.acknowledged_at:
        return cells.row(cells.badge("Acquittée", "good"), incident.acknowledged_at)
    if not incident.told_at:
        return cells.NOTHING
    again = (
        Markup(", répétée le {}").format(cells.format_cell(incident.repeated_at))
        if incident.repeated_at
        else ""
    )
    sent = Markup("envoyée le {}{}").format(cells.format_cell(incident.told_at), again)
    return cells.row(cells.badge("Sans réponse", "warn"), sent)


def _show_end(incident: Incident) -> Cell:
    return cells.format_cell(incident.ends_at) if incident.ends_at else cells.badge("En cours", "bad")


COLUMNS: tuple[Column[Incident], ...] = (
    Column("Incident", _name, "head"),
    Column("Objet", lambda each: cells.own(each.subject)),
    Column("Début", "starts_at"),
    Column("Fin", _show_end),
    Column("Alarme", _show_alarm),
)
add_list(
    "/admin/incidents",
    "list_incidents",
    title="Incidents",
    lead="Ce qui ne va pas à un site, à un guichet ou chez nous, du début à la fin.",
    query=IncidentQuery,
    audit=("incidents.list", "incident"),
    read=lambda work, wanted: list_incidents(work.session, wanted),
    filters=(
        Field("open", "Durée", [("true", "En cours"), ("false", "Finis")]),
        Field(
            "acknowledged",
            "Alarme",
            [("false", "Pas acquittée"), ("true", "Acquittée")],
            blank="Peu importe",
        ),
        name_field("subject", "Objet exact"),
    ),
    columns=COLUMNS,
    empty="Aucun incident ne correspond à ce choix.",
)


@area.page(_ONE, Access.OPERATOR)
def show_incident(id: int) -> str:
    incident = _read_incident(id)
    reason, place = INCIDENT_REASONS[incident.reason], find_place(incident.reason, incident.subject)
    proofs = [
        Markup('<a href="{}" rel="noopener noreferrer">Preuve {}</a>').format(url, number)
        for number, url in enumerate(write_proof_links(incident), start=1)
    ]
    facts: list[tuple[Cell, object]] = [
        (
            "Objet",
            Markup('<a href="{}">{}</a>').format(place, incident.subject) if place else incident.subject,
        ),
        ("Début", incident.starts_at),
        ("Vu pour la dernière fois", incident.seen_at),
        ("Fin", incident.ends_at),
        ("Alarme", _show_alarm(incident)),
        ("Preuves", bool(proofs) and Markup(" · ").join(proofs)),
    ]
    state = cells.badge("Fini", "good") if incident.ends_at else cells.badge("En cours", "bad")
    acknowledge = cells.button("Acquitter", "admin.ask_acknowledge_incident", id=id)
    actions = [acknowledge] if not incident.acknowledged_at else []
    return render_page(
        f"Incident {id} : {reason[:1].lower()}{reason[1:]}",
        [Facts(facts, state, [*actions, cells.audit_link(id)])],
        crumb=("admin.list_incidents", "Incidents"),
    )


def find_place(reason: str, subject: str) -> str | None:
    """Return the address of the page on which an incident is dealt with: of its desk, its host, or its subject."""
    if subject in desks():
        return url_for("admin.show_desk", id=subject)
    if count_watched_desks()[subject]:
        return url_for("admin.show_host", host=subject)
    page = _PLACES.get(reason) or _PLACES.get(subject)
    return url_for(page) if page else None


@add_action(f"{_ONE}/acquittement", "incident.acknowledge", acknowledge_incident)
def _ask_acknowledge_incident(id: int) -> Confirmation:
    incident = _read_incident(id)
    effects = [
        "Son alarme n’est pas envoyée une nouvelle fois : les autres opérateurs voient qu’on s’en occupe."
    ]
    if incident.acknowledged_at:
        effects = ["Un opérateur l’a déjà acquitté : rien ne change."]
    elif incident.reason.of_moment:
        effects.append("Cet incident est l’affaire d’un moment : il est clos.")
    else:
        effects.append("Il reste en cours tant que le trouble dure ; rien n’est réparé par là.")
    return Confirmation(
        title=f"Acquitter l’incident {id} ?",
        effects=tuple(effects),
        button="Acquitter",
        done=f"L’incident {id} est acquitté.",
    )


def _read_incident(incident_id: int) -> Incident:
    with audited("incident.view", "incident", incident_id) as work:
        return read_incident(work.session, incident_id)
