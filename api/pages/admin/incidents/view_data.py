"""View data of incidents, and what an acknowledgement does, in French."""

from dataclasses import dataclass
from typing import Self

from flask import url_for

from api.admin.incidents.schemas import IncidentEntry
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.desks.links import find_subject_url
from api.pages.admin.words import INCIDENT_REASONS


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident, its name, and the address of the desk or host that it is about."""

    incident: IncidentEntry
    name: str
    subject_url: str | None

    @classmethod
    def of(cls, incident: IncidentEntry) -> Self:
        """Return what the page of an incident shows."""
        reason = INCIDENT_REASONS[incident.reason]
        name = f"Incident {incident.id} : {reason[:1].lower()}{reason[1:]}"
        return cls(incident, name, find_subject_url(incident.subject))


def describe_acknowledgement(incident: IncidentEntry) -> Confirmation:
    """Return what it does to acknowledge an incident's alarm."""
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
        title=f"Acquitter l’incident {incident.id} ?",
        effects=tuple(effects),
        button="Acquitter",
        back=url_for("admin_incidents.show_incident", id=incident.id),
    )
