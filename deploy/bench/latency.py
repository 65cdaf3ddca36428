"""Page read → provider accepted, on a quiet stack: the ledger of the notifications of one alert."""

import itertools
import json
import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification
from api.models.user import Channel, Contact, User
from configs.clock import clock
from deploy.bench.figures import percentile
from deploy.local.seed import EMAIL
from deploy.local.stack import Stack
from deploy.sandbox.clock import PARIS

CODE, FORM = "91", 23014  # the site and the form of the desk that Camille waits for
_PATIENCE = 20.0
_STAGES = ("seen", "committed", "matched", "accepted")
_AT_ONCE = 20  # slots open at most
_DAYS, _SATURDAY, _MINUTES = 28, 5, 480  # days ahead; counter hours of a day
_opened = itertools.count()


@dataclass(frozen=True)
class Delays:
    """Each told slot's ledger: milliseconds since the page was read, by stage."""

    ledgers: list[dict[str, float]]

    def percentile(self, stage: str, percent: int) -> float:
        """Return a percentile of a stage, in milliseconds."""
        return percentile([ledger[stage] for ledger in self.ledgers], percent)


def measure(stack: Stack, slots: int, goes_on: Callable[[], bool] = lambda: True) -> Delays:
    """Open slots one by one on a quiet desk, while it goes on, and read the ledger of each e-mail to Camille."""
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    known: set[object] = {row.id for row in _read_accepted(engine, set())}
    ledgers = []
    for number in range(slots):
        if not goes_on():
            break
        if number % _AT_ONCE == 0:
            take_all(stack)  # a page of a hundred slots takes longer to read, which is not what is compared
        open_slot(stack)
        for row in _wait(engine, known):
            known.add(row.id)
            ledgers.append(_ledger(row))
    take_all(stack)
    return Delays(ledgers)


def _ledger(row: Notification) -> dict[str, float]:
    times = [getattr(row, f"{stage}_at") for stage in _STAGES]
    return {
        stage: (at - times[0]) / timedelta(milliseconds=1)
        for stage, at in zip(_STAGES, times, strict=True)
        if at
    }


def _wait(engine: sa.Engine, known: set[object]) -> list[Notification]:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if rows := _read_accepted(engine, known):
            return rows
        time.sleep(0.2)
    return []


def _read_accepted(engine: sa.Engine, known: set[object]) -> list[Notification]:
    query = (
        sa.select(Notification)
        .join(User, User.id == Notification.user_id)
        .where(
            User.email == EMAIL,
            Notification.accepted_at.is_not(None),
            Notification.kind == "slot_detected",
            Notification.channel == Channel.EMAIL,
            Notification.id.not_in(known),
        )
    )
    with Session(engine) as session:
        return list(session.scalars(query))


def hasty(text: str) -> str:
    """Make the desk where slots open due every second, so that a run of slots takes a minute."""
    text = re.sub(r"budget: \d+", "budget: 60000", text)
    return re.sub(r"interval: \d+", "interval: 1", text) if f'department: "{CODE}"' in text else text


def by_mail_only(stack: Stack) -> None:
    """Leave Camille e-mail alone: one alert, one contact, one job."""
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    with Session(engine) as session, session.begin():
        session.execute(sa.update(Contact).where(Contact.channel != Channel.EMAIL).values(enabled=False))


def open_slot(stack: Stack) -> None:
    """Open one slot on the desk that Camille waits for, at a time that was not open before.

    A slot that opens again within half an hour is told at its end only.
    """
    _control(stack, "open", {"form": FORM, "at": [_choose_time(next(_opened)).isoformat()]})


def _choose_time(number: int) -> datetime:
    """Return the n-th of 9,600 times: minutes of counter hours on the weekdays of four weeks."""
    first = datetime.combine(clock().astimezone(PARIS), datetime.min.time(), PARIS) + timedelta(hours=9)
    ahead = (first + timedelta(days=days) for days in range(1, _DAYS + 1))
    weekdays = [day for day in ahead if day.weekday() < _SATURDAY]
    minute, day = divmod(number, len(weekdays))
    return weekdays[day] + timedelta(minutes=minute % _MINUTES)


def take_all(stack: Stack) -> None:
    """Take every slot of that desk."""
    _control(stack, "take", {"form": FORM})


def _control(stack: Stack, act: str, body: dict[str, Any]) -> None:
    address = f"http://127.77.0.{CODE}:{stack.ports.sites}/_control/{act}"
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 -- loopback
        answer.read()
