"""The kinds of message: each file in this folder is a kind, found by being there."""

import importlib
import pkgutil
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, cast

from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.user import Contact

SLOT_DETECTED = "slot_detected"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a kind's texts are filled with; `url` is where its button leads, if it has one."""

    values: dict[str, Any] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A notification that is not sent: how it ends and why."""

    state: State
    reason: str


class Kind(Protocol):
    """What a kind's file offers."""

    def may_go_to(self, contact: Contact) -> bool:
        """Whether a message of this kind is written for a contact at all."""
        ...

    def look(self, session: Session, row: Notification, contact: Contact, now: datetime) -> Facts | Held:
        """Read the rows again just before sending: what there is to say, or why nothing is said any more."""
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
