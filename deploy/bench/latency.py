"""Page read → provider accepted, on a quiet stack: the ledger of the notifications of one alert."""

import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification
from api.models.user import Channel, Contact
from deploy.bench.control import open_slot, take_all
from deploy.local.stack import Stack

_PATIENCE = 20.0


@dataclass(frozen=True)
class Delays:
    """Milliseconds from the page read to the provider's yes."""

    values: list[float]

    @property
    def p50(self) -> float:
        """Return the median."""
        return statistics.median(self.values)

    @property
    def p99(self) -> float:
        """Return the 99th percentile (of few values: nearly the largest)."""
        return statistics.quantiles(self.values, n=100, method="inclusive")[98]


def measure(stack: Stack, slots: int) -> Delays:
    """Open slots one by one on a quiet desk and read each e-mail's ledger."""
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    known: set[object] = set()
    values = []
    for _ in range(slots):
        open_slot(stack)
        for row in _wait(engine, known):
            known.add(row.id)
            if row.accepted_at and row.seen_at:
                values.append((row.accepted_at - row.seen_at) / timedelta(milliseconds=1))
    take_all(stack)
    return Delays(values)


def _wait(engine: sa.Engine, known: set[object]) -> Iterator[Notification]:
    end = time.monotonic() + _PATIENCE
    query = sa.select(Notification).where(
        Notification.accepted_at.is_not(None),
        Notification.kind == "slot_detected",
        Notification.channel == Channel.EMAIL,
        Notification.id.not_in(known),
    )
    while time.monotonic() < end:
        with Session(engine) as session:
            if rows := list(session.scalars(query)):
                return iter(rows)
        time.sleep(0.05)
    return iter(())


def hasty(text: str) -> str:
    """Make every desk of the sandbox due every second, so that a run of slots takes a minute."""
    text = re.sub(r"budget: \d+", "budget: 60000", text)
    return re.sub(r"interval: \d+", "interval: 1", text)


def by_mail_only(stack: Stack) -> None:
    """Leave Camille e-mail alone: one alert, one contact, one job."""
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    with Session(engine) as session, session.begin():
        session.execute(sa.update(Contact).where(Contact.channel != Channel.EMAIL).values(enabled=False))
