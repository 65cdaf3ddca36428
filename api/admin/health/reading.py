"""Reads of health and the status: each is for itself, with short limits; one that is away delays no other."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session

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
