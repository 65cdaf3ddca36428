"""View data of the audit: who acted, and each change in a few words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.admin.system.schemas import AuditItem
from api.models.audit import ActorKind
from api.pages.admin.words import count

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


def describe_entry(entry: AuditItem, names: Mapping[UUID, str]) -> ShownEntry:
    """Return an entry as the page shows it. `names`: addresses of actors that have an account, by id."""
    actor = names.get(entry.actor_id, f"compte supprimé {entry.actor_id}") if entry.actor_id else None
    changes = [(name, _describe_change(name, value)) for name, value in entry.changes.items()]
    return ShownEntry(entry, _KINDS[entry.actor_kind], actor, changes)


def _describe_change(name: str, value: Any) -> str:
    if name in _LISTS and isinstance(value, list):
        return count(len(value), *_LISTS[name])
    if isinstance(value, list) and len(value) == _PAIR:
        before, after = map(_write_value, value)
        return f"{before} → {after}"
    return _write_value(value)


def _write_value(value: Any) -> str:
    if value is None:
        return "rien"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
