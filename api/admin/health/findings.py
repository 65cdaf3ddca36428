"""Findings of health checks: what each part is asked within a time, its state, the reason, troubles with incidents."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Thread
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.incident import IncidentReason

PATIENCE = 6.0  # seconds for all parts together
_STATEMENT = "4s"


@dataclass(frozen=True, slots=True)
class PartAway:
    """A part that cannot be shown, and why."""

    down: str


def read_each(reads: Mapping[str, Callable[[], Any]], patience: float = PATIENCE) -> dict[str, Any]:
    """Return what each read finds, or PartAway; after `patience` seconds at the latest."""
    found: dict[str, Any] = {}
    # daemons: one that hangs for ever must not hold up our end
    threads = [Thread(target=_read_part, args=(found, *each), daemon=True) for each in reads.items()]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    silent = PartAway(f"no answer within {patience:g} s")
    return {name: found.get(name, silent) for name in reads}


def _read_part(found: dict[str, Any], name: str, read: Callable[[], Any]) -> None:
    try:
        found[name] = read()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is shown, and so are the other parts
        cause = getattr(error, "orig", None) or error  # SQLAlchemy's own would begin with the driver's class
        lines = str(cause).strip().splitlines()
        found[name] = PartAway(lines[0] if lines else type(cause).__name__)


@contextmanager
def read_session() -> Iterator[Session]:
    """Give a session that only reads, and no statement of which takes longer than _STATEMENT."""
    with session() as opened:
        opened.execute(sa.text(f"SET LOCAL statement_timeout = '{_STATEMENT}'"))
        opened.execute(sa.text("SET TRANSACTION READ ONLY"))
        yield opened


class PartState(StrEnum):
    """State of a part. `degraded`: it does not work as it should, but alerts are delivered."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble that has an incident and an alarm of its own; `figures` are values of its message."""

    reason: IncidentReason
    subject: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)


class PartDown(Exception):
    """A part does not work; the text says what is wrong. `troubles` have incidents in place of the part's own."""

    def __init__(self, text: str, troubles: Sequence[Trouble] = ()) -> None:
        super().__init__(text)
        self.troubles = tuple(troubles)


class PartFinding(NamedTuple):
    """State of a part, the reason, and the incidents that tell it; without any the part's own does."""

    state: PartState
    reason: str
    troubles: tuple[Trouble, ...] = ()


HealthAnswer = str | dict[str, PartFinding]  # text about the own part, or findings by part


def raise_troubles(troubles: Sequence[str | Trouble]) -> None:
    """Do nothing where there is no trouble.

    Raises:
        PartDown: there is one; where a text stands beside troubles with incidents, the part's own incident tells it.
    """
    if troubles:
        texts = [each if isinstance(each, str) else each.text for each in troubles]
        named = [each for each in troubles if isinstance(each, Trouble)]
        raise PartDown("; ".join(texts), named if len(named) == len(troubles) else [])
