"""The kinds of message: each file in this folder is a kind, found by being there."""

import importlib
import pkgutil
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.notification import Notification, Priority, State
from api.models.user import Channel, Contact

SLOT_DETECTED = "slot_detected"


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """The columns of a claimed notification that saying and sending it need."""

    id: UUID
    contact_id: UUID | None
    channel: Channel
    kind: str
    language: str
    params: dict[str, Any]
    priority: Priority
    attempts: int
    reason: str | None
    seen_at: datetime | None
    matched_at: datetime | None
    unknown_attempts: int
    created_at: datetime

    @classmethod
    def of(cls, row: Notification) -> "ClaimedRow":
        """Return those columns of a row."""
        return cls(*(getattr(row, each.name) for each in fields(cls)))

    @classmethod
    def from_values(cls, row: Mapping[str, Any]) -> "ClaimedRow":
        """Return those columns of a row that is being written, by name; what it does not name is none."""
        named: dict[str, Any] = {each.name: row.get(each.name) for each in fields(cls)}
        return cls(**named)


@dataclass(frozen=True, slots=True)
class TemplateContext:
    """What a kind's texts are filled with; `url` is where its button leads, if it has one.

    `personal` is what the tags among the values stand for: what differs where all else is the same. Facts with
    the same `key` have the same values, so that their text is made once. `origin` is what `together` works from.
    """

    values: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    substitutions: dict[str, str] = field(default_factory=dict)
    key: Hashable = None
    origin: Any = None


@dataclass(frozen=True, slots=True)
class Skip:
    """A notification that is not sent: how it ends and why."""

    state: State
    reason: str


class Kind(Protocol):
    """What a kind's file offers."""

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether a message of this kind is written for a contact at all."""
        ...

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Read the rows again just before sending: what there is to say, or why nothing is said any more."""
        ...


Seen = Sequence[tuple[ClaimedRow, Contact]]


@runtime_checkable
class Mergeable(Kind, Protocol):
    """What a kind's file offers besides, where several of its notifications may leave as one message."""

    def prepare_all(self, session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
        """Read the rows of many notifications at once, as `look` does those of one."""
        ...

    def merge(self, facts: Sequence[TemplateContext], language: str) -> TemplateContext:
        """Return what one message says instead of these, which are told to one contact."""
        ...


class UnknownKind(LookupError):
    """No file of that name; the text names those that exist."""


@lru_cache(maxsize=1)
def kinds() -> dict[str, Kind]:
    """Return all kinds by name, imported at the first call."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: cast("Kind", importlib.import_module(f"{__name__}.{name}")) for name in names}


def kind_of(name: str) -> Kind:
    """Return one kind.

    Raises:
        UnknownKind: names those that exist.
    """
    if name not in kinds():
        raise UnknownKind(f"no kind of message {name!r}; those that exist: {', '.join(kinds())}")
    return kinds()[name]


@lru_cache(maxsize=1)
def gathering() -> tuple[str, ...]:
    """Return the names of the kinds whose notifications may leave as one message."""
    return tuple(name for name, kind in kinds().items() if isinstance(kind, Mergeable))


def prepare_all(kind: str, session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
    """Read again what many notifications of a kind say; in their order.

    Raises:
        UnknownKind: no such kind; names those that exist.
    """
    its = kind_of(kind)
    if isinstance(its, Mergeable):
        return its.prepare_all(session, rows, now)
    return [its.prepare(session, row, contact, now) for row, contact in rows]
