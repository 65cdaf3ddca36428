"""View data of the audit: who acted, and each change in a few words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from api.admin.system.schemas import AuditItem
from api.models.audit import ActorKind
from api.pages.admin.words import count
from api.pages.context import write_moment

_KINDS = {ActorKind.ADMIN: "Administration", ActorKind.SUPPORT: "Assistance", ActorKind.COMMAND: "Commande"}
_PAIR = 2  # a value before and after
_LISTS = {
    "seen": ("ligne", "lignes"),
    "replayed": ("message", "messages"),
}  # of ids, by the name of the change


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry, the actor's name, and its changes as (field, what became of it)."""

    entry: AuditItem
    kind: str
    actor: str | None
    changes: list[tuple[str, str]]


def describe_entry(entry: AuditItem, names: Mapping[UUID, str], zone: str) -> ShownEntry:
    """Return an entry as the page shows it, its instants in the operator's zone.

    `names`: addresses of actors that have an account, by id.
    """
    actor = names.get(entry.actor_id, f"compte supprimé {entry.actor_id}") if entry.actor_id else None
    changes = [(name, _describe_change(name, value, zone)) for name, value in entry.changes.items()]
    return ShownEntry(entry, _KINDS[entry.actor_kind], actor, changes)


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
