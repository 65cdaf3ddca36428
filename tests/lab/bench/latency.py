"""Page read → provider accepted, on a quiet stack: the ledger of the notifications of one alert."""

import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification
from api.models.user import Channel, Contact, User
from configs.ground.clock import clock
from deploy.local.ports import StackPorts
from deploy.local.processes import free_port
from deploy.local.seed import EMAIL, seed
from deploy.local.stack import Stack, running, wait_ready
from deploy.sandbox.clock import PARIS
from tests.lab.bench.figures import forget
from tests.sample_desk_files import add_people_desks, only
from tests.sandbox_controls import SandboxControl

CODE, FORM = "91", 23014  # the site and the form of the desk that Camille waits for
_PATIENCE = 20.0
_STAGES = ("seen", "committed", "matched", "accepted")
_AT_ONCE = 20  # slots open at most
_DAYS, _SATURDAY, _MINUTES = 28, 5, 480  # days ahead; counter hours of a day
_opened = itertools.count()
Ledger = dict[str, float]  # milliseconds since the page was read, by stage


@contextmanager
def run_stack(
    say: Callable[[str], None], edit: Callable[[str], str] = str, *, people_desks: int = 0
) -> Iterator[Stack]:
    """Run a whole stack of EZBooking's desks while the block lasts; this process has its settings.

    `edit`: desk files; `people_desks`: so many copies of the desk that people watch.
    """
    with TemporaryDirectory(prefix="rdv-bench-") as folder:
        usual = StackPorts(*(free_port() for _ in range(5)))
        kept = partial(only, "ezbooking", with_people=people_desks > 0)
        copied = partial(add_people_desks, copies=people_desks)
        with running(Path(folder), usual, say, edit=lambda text: copied(kept(edit(text)))) as stack:
            os.environ.update(stack.environment)
            forget()  # the stack before
            wait_ready(stack, 180)
            yield stack


def measure(stack: Stack, slots: int, goes_on: Callable[[], bool] = lambda: True) -> list[Ledger]:
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
    return ledgers


def _ledger(row: Notification) -> Ledger:
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


def seed_by_mail_only(stack: Stack) -> None:
    """Write the demo accounts, and leave Camille e-mail alone: one alert, one contact, one job."""
    seed(stack)
    engine = sa.create_engine(stack.environment["DATABASE_URL"])
    with Session(engine) as session, session.begin():
        session.execute(sa.update(Contact).where(Contact.channel != Channel.EMAIL).values(enabled=False))


def control(stack: Stack) -> SandboxControl:
    """Return the controls of a stack's stand-ins."""
    return SandboxControl(stack.ports.sites, stack.ports.inbox)


def open_slot(stack: Stack) -> None:
    """Open one slot on the desk that Camille waits for, at a time that was not open before.

    A slot that is back within five minutes is the same slot, and not told again.
    """
    control(stack).open_slots(CODE, FORM, [_choose_time(next(_opened))])


def _choose_time(number: int) -> datetime:
    """Return the n-th of 9,600 times: minutes of counter hours on the weekdays of four weeks."""
    first = datetime.combine(clock().astimezone(PARIS), datetime.min.time(), PARIS) + timedelta(hours=9)
    ahead = (first + timedelta(days=days) for days in range(1, _DAYS + 1))
    weekdays = [day for day in ahead if day.weekday() < _SATURDAY]
    minute, day = divmod(number, len(weekdays))
    return weekdays[day] + timedelta(minutes=minute % _MINUTES)


def take_all(stack: Stack) -> None:
    """Take every slot of that desk."""
    control(stack).take_slots(CODE, FORM)
