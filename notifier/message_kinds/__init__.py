"""Registry of the message kinds: each file in this folder is one, found by its name."""

from datetime import datetime
from functools import lru_cache

from sqlalchemy.orm import Session

from configs.class_registry import load_folder
from notifier.message_kind_base import Mergeable, MessageKind, Seen, Skip, TemplateContext

SLOT_DETECTED = "slot_detected"
SLOT_CALL = "slot_call"


class UnknownKind(LookupError):
    """No file of that name; the text names those that exist."""


@lru_cache(maxsize=1)
def kinds() -> dict[str, MessageKind]:
    """Return all kinds by name, imported at the first call."""
    return load_folder(__name__, __path__, MessageKind)  # type: ignore[type-abstract] # only its subclasses are built


def kind_of(name: str) -> MessageKind:
    """Return one kind.

    Raises:
        UnknownKind: names those that exist.
    """
    if name not in kinds():
        raise UnknownKind(f"no kind of message {name!r}; those that exist: {', '.join(kinds())}")
    return kinds()[name]


@lru_cache(maxsize=1)
def mergeable_kinds() -> tuple[str, ...]:
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
