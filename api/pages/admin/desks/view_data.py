"""View data of desks, and what their actions do, in French."""

from dataclasses import dataclass

from api.admin.audit import AuditedWork
from api.admin.incidents.queries import list_incidents
from api.admin.incidents.schemas import IncidentEntry, IncidentQuery
from api.admin.watch import queries
from api.admin.watch.schemas import CheckEntry, CheckQuery, DeskEntry
from api.pages.admin.confirmation import Confirmation
from api.pages.admin.desks.links import build_desk_url
from api.pages.admin.words import REASON_TEXTS, count
from configs.world.desk import Desk
from configs.world.prefecture import prefectures

_LATEST = 20  # checks
_LATEST_INCIDENTS = 5
_MANY = 10  # people: a pause that so many notice asks for the desk's id
_NOT_WATCHED = "Ce guichet n’est pas surveillé : son fichier en donne la raison."


@dataclass(frozen=True, slots=True)
class DeskView:
    """A desk with its latest checks and incidents, and how many people wait for it."""

    desk: DeskEntry
    people: int
    checks: list[CheckEntry]
    incidents: list[IncidentEntry]


def list_prefecture_options() -> list[tuple[str, str]]:
    """Return id and name of each prefecture, by department."""
    places = sorted(prefectures().values(), key=lambda place: place.department)
    return [(place.id, f"{place.department} {place.name}") for place in places]


def read_desk_view(work: AuditedWork, desk: Desk) -> DeskView:
    """Return what the page of a desk shows."""
    latest = CheckQuery.model_validate({"deskId": desk.id, "limit": _LATEST})
    checks = queries.list_checks(work.session, latest)
    incidents = list_incidents(work.session, IncidentQuery(subject=desk.id, limit=_LATEST_INCIDENTS))
    people = queries.count_waiting_people(work.session, [desk])
    return DeskView(queries.read_desk(work.session, desk), people, checks.items, incidents.items)


def describe_pause(work: AuditedWork, desk: Desk) -> Confirmation:
    """Return what it does to pause a desk."""
    people = queries.count_waiting_people(work.session, [desk])
    found = queries.read_desk(work.session, desk)
    return Confirmation(
        title=f"Mettre en pause {desk.id} ?",
        effects=(
            f"« {desk.label} » n’est plus vérifié, jusqu’à ce qu’un opérateur le fasse reprendre.",
            f"{count(people, 'personne attend', 'personnes attendent')} un créneau ici ; la pause s’y voit.",
            "Le temps sans surveillance est compté, et rendu aux abonnés selon leur formule.",
        ),
        button="Mettre en pause",
        back=build_desk_url(desk.id),
        subject=desk.id if people >= _MANY else None,
        version=str(found.paused_at),
        template="admin/confirm_reason.html",
        texts={
            **REASON_TEXTS,
            "desk-paused": "Un opérateur l’a déjà mis en pause.",
            "not-watched": _NOT_WATCHED,
        },
    )


def describe_resume(work: AuditedWork, desk: Desk) -> Confirmation:
    """Return what it does to resume a desk."""
    found = queries.read_desk(work.session, desk)
    effects = [f"« {desk.label} » est vérifié aussitôt que son site le permet, puis à son intervalle."]
    if found.pause_reason:
        effects.insert(0, f"Il était en pause : « {found.pause_reason} ».")
    return Confirmation(
        title=f"Faire reprendre {desk.id} ?",
        effects=tuple(effects),
        button="Faire reprendre",
        back=build_desk_url(desk.id),
        version=str(found.paused_at),
        texts={"desk-not-paused": "Aucun opérateur ne l’a mis en pause : il n’y a rien à reprendre."},
    )


def describe_check(desk: Desk) -> Confirmation:
    """Return what it does to have a desk checked now."""
    return Confirmation(
        title=f"Vérifier {desk.id} maintenant ?",
        effects=(
            f"« {desk.label} » est vérifié aussitôt que {desk.host} peut être consulté.",
            "Un site au repos, ou dont le débit est épuisé, n’est pas consulté plus tôt.",
            "Un créneau nouveau est annoncé à ses abonnés comme d’habitude.",
        ),
        button="Vérifier maintenant",
        back=build_desk_url(desk.id),
        texts={
            "desk-paused": "Un opérateur a mis ce guichet en pause : faites-le reprendre.",
            "host-stopped": "Un opérateur a arrêté son site : faites-le reprendre d’abord.",
            "not-watched": _NOT_WATCHED,
        },
    )
