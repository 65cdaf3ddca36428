"""Operators' pages of the system: background jobs, and the audit."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from api.admin.audit import AuditedWork, AuditQuery, list_audit, name_actors, shorten_email
from api.admin.jobs import JobQuery, list_job_names, list_jobs
from api.ground.paging import Found
from api.models.audit import ActorKind, AuditEntry
from api.models.job import JobResult, JobState
from api.pages.admin import cells
from api.pages.admin.area import add_list
from api.pages.admin.page_data import Cell, Column, Field, name_field
from api.pages.admin.words import count
from api.pages.context import write_moment
from api.web.auth import current_identity

_KINDS = {
    ActorKind.ADMIN: "Administration",
    ActorKind.SUPPORT: "Assistance",
    ActorKind.COMMAND: "Commande",
    ActorKind.MEMBER: "Membre d’une organisation",
    ActorKind.KEY: "Clé d’une organisation",
}
_PAIR = 2  # a value before and after
_LISTS = {
    "seen": ("ligne", "lignes"),
    "replayed": ("message", "messages"),
}  # of ids, by the name of the change


def _show_result(run: JobState) -> Cell:
    states = {
        JobResult.DONE: cells.badge("Terminée", "good"),
        JobResult.FAILED: cells.badge("Échouée", "bad"),
    }
    open_state = cells.badge("En cours", "info") if run.turn_ends_at else cells.badge("Due")
    error = run.error and cells.hint(cells.english(run.error))
    return cells.row(states[run.result] if run.result else open_state, error)


def _show_counts(run: JobState) -> Cell:
    return cells.english(
        ", ".join(f"{name} {value}" for name, value in (run.counts or {}).items()) or cells.NOTHING
    )


add_list(
    "/admin/taches",
    "list_jobs",
    title="Tâches de fond",
    query=JobQuery,
    audit=("jobs.list", "job"),
    read=lambda work, wanted: list_jobs(work.session, wanted),
    filters=(
        Field("job", "Tâche", lambda: [(name, name) for name in list_job_names()], blank="Toutes"),
        Field("result", "Fin", [("done", "Terminées"), ("failed", "Échouées")], blank="Toutes"),
    ),
    columns=(
        Column("Tâche", "name", "head"),
        Column("Due", "due_at"),
        Column("Début", "started_at"),
        Column("Fin", "ended_at"),
        Column("Résultat", _show_result),
        Column("Essais", "attempts", "number"),
        Column("Bilan", _show_counts),
    ),
    empty="Aucune tâche ne correspond à ce choix.",
)


def _read_audit(work: AuditedWork, wanted: AuditQuery) -> Found[tuple[AuditEntry, str | None]]:
    """Return entries with the names of who acted; support reads their addresses shortened."""
    found = list_audit(work.session, wanted)
    names = name_actors(work.session, found.items)
    full = work.actor.sees_addresses
    return Found([(each, _name_actor(each, names, full=full)) for each in found.items], found.next)


def _name_actor(entry: AuditEntry, names: Mapping[UUID, str], *, full: bool) -> str | None:
    if entry.actor_id is None:
        return None
    address = names.get(entry.actor_id)
    if address is None:
        return f"compte supprimé {entry.actor_id}"
    return address if full else shorten_email(address)


def _show_actor(pair: tuple[AuditEntry, str | None]) -> Cell:
    entry, name = pair
    way = name and cells.link(cells.own(name), "admin.list_audit", actorId=entry.actor_id)
    return cells.lines(_KINDS[entry.actor_kind], way)


def _show_subject(pair: tuple[AuditEntry, str | None]) -> Cell:
    entry = pair[0]
    return cells.lines(entry.subject_type, entry.subject_id and cells.hint(entry.subject_id))


def _show_changes(pair: tuple[AuditEntry, str | None]) -> Cell:
    entry, zone = pair[0], current_identity().time_zone
    changes = [
        cells.row(cells.hint(name), cells.own(_describe_change(name, value, zone)))
        for name, value in entry.changes.items()
    ]
    request = entry.request_id and cells.hint("requête", cells.code(entry.request_id))
    return cells.lines(*changes, request) or cells.NOTHING


def _describe_change(name: str, value: Any, zone: str) -> str:
    if name in _LISTS and isinstance(value, list):
        return count(len(value), *_LISTS[name])
    if isinstance(value, list) and len(value) == _PAIR:
        before, after = (_write_value(each, zone) for each in value)
        return f"{before} → {after}"
    return _write_value(value, zone)


def _write_value(value: Any, zone: str) -> str:
    if value is None:
        return "rien"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    try:
        moment = datetime.fromisoformat(value)
        return write_moment(moment, zone, "medium") if moment.tzinfo else value
    except (ValueError, OverflowError):
        return value


add_list(
    "/admin/journal",
    "list_audit",
    title="Journal des opérateurs",
    lead="Ce que les opérateurs ont fait et vu. Gardé trois ans, sans modification possible.",
    query=AuditQuery,
    audit=("audit.list", "audit"),
    read=_read_audit,
    filters=(
        name_field("action", "Action", placeholder="host.stop"),
        name_field("subjectType", "Sorte d’objet", placeholder="host"),
        name_field("subjectId", "Objet"),
        name_field("actorId", "Opérateur (identifiant)"),
    ),
    columns=(
        Column("Instant", lambda each: each[0].at, "head"),
        Column("Qui", _show_actor),
        Column("Action", lambda each: cells.code(each[0].action)),
        Column("Objet", _show_subject),
        Column("Détail", _show_changes),
    ),
)
