"""View data of web hosts, and what their actions do, in French."""

from dataclasses import dataclass

from flask import url_for

from api.admin.audit import AuditedWork
from api.admin.incidents.queries import list_incidents
from api.admin.incidents.schemas import IncidentEntry, IncidentQuery
from api.admin.watch import queries
from api.admin.watch.schemas import DeskEntry, HostEntry
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.words import REASON_TEXTS, count
from configs.world.prefecture import desks

_LATEST = 10  # incidents


@dataclass(frozen=True, slots=True)
class HostView:
    """A host with its scheduled desks and its latest incidents."""

    host: HostEntry
    desks: list[DeskEntry]
    incidents: list[IncidentEntry]


def read_host_view(work: AuditedWork, host: str) -> HostView:
    """Return what the page of a host shows.

    Raises:
        api.errors.ApiError: 404, nothing is known of it.
    """
    found = queries.read_known_host(work.session, host)
    incidents = list_incidents(work.session, IncidentQuery(subject=host, limit=_LATEST))
    return HostView(found, queries.list_host_desks(work.session, host), incidents.items)


def describe_stop(work: AuditedWork, host: str) -> Confirmation:
    """Return what it does to stop a host.

    Raises:
        api.errors.ApiError: 404, nothing is known of it.
    """
    found = queries.read_known_host(work.session, host)
    concerned = [desk for desk in desks().values() if desk.host == host and desk.schedulable]
    people = queries.count_waiting_people(work.session, concerned)
    waiting = f"{count(people, 'personne attend', 'personnes attendent')} un créneau ici."
    effects = [
        f"Plus aucune requête ne part vers {host}, et les visites en cours s’arrêtent, en deux secondes.",
        f"{count(found.desks, 'guichet passe', 'guichets passent')} en pause. {waiting}",
        "Le temps sans surveillance est compté, et rendu aux abonnés selon leur formule.",
        "Rien ne reprend de soi-même : il faut faire reprendre ce site.",
    ]
    if found.stopped_at:
        effects.insert(0, f"Ce site est déjà arrêté (« {found.stop_reason} ») : la raison est remplacée.")
    return Confirmation(
        title=f"Arrêter le site {host} ?",
        effects=tuple(effects),
        button="Arrêter ce site",
        back=url_for("admin_hosts.show_host", host=host),
        subject=host,
        version=str(found.stopped_at),
        template="admin/confirm_reason.html",
        texts=REASON_TEXTS,
    )


def describe_release(work: AuditedWork, host: str) -> Confirmation:
    """Return what it does to ask a stopped host again.

    Raises:
        api.errors.ApiError: 404, nothing is known of it.
    """
    found = queries.read_known_host(work.session, host)
    effects = [
        f"{count(found.desks, 'guichet est de nouveau vérifié', 'guichets sont de nouveau vérifiés')}.",
        "Le débit permis et un repos après un refus du site restent ce qu’ils étaient.",
    ]
    if found.stop_reason:
        effects.insert(0, f"Il était arrêté : « {found.stop_reason} ».")
    return Confirmation(
        title=f"Faire reprendre le site {host} ?",
        effects=tuple(effects),
        button="Faire reprendre ce site",
        back=url_for("admin_hosts.show_host", host=host),
        version=str(found.stopped_at),
        texts={"host-not-stopped": "Aucun opérateur n’a arrêté ce site : il n’y a rien à reprendre."},
    )
