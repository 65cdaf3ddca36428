"""World of the notifier's tests: people with plans and contacts, alerts, seen slots, and slots that go."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import sqlalchemy as sa
import time_machine

import notifier
from api.jobs import schedule as background_jobs
from api.models.alert import AlertTarget
from api.models.base import database_clock, new_id, session
from api.models.contact_lookup import find_contact
from api.models.desk import DeskState
from api.models.notification import QUEUES, Match, Notice, Notification, State
from api.models.provider_event import ProviderEvent
from api.models.slot import Detection, DetectionSlot, GoneReason, SlotRow
from api.models.user import Channel, Grant, User
from configs.ground.clock import clock
from configs.ground.redis import redis as shared_redis
from configs.programs.jobs import queue
from configs.world.desk import Procedure
from configs.world.plan import PlanName
from notifier import jobs
from notifier.jobs import deliver
from notifier.matching.match_service import find_untold, match_detection, match_open_slots
from notifier.sweep import undelivered
from tests import factories
from tests.browser_keys import browser_address
from tests.factories import add_alert, add_grant, add_with, make_contact, select_announced_slots

if TYPE_CHECKING:
    from tests.running_sandbox import Running

PREFECTURE = "evry-courcouronnes_91"
DESK = f"{PREFECTURE}/naturalisation"
OTHER_DESK = f"{PREFECTURE}/titre-sejour"
TOWN_HALLS = f"{PREFECTURE}/mairies-rendezvousonline"  # of the department, asked in turn
URL = "https://www.essonne.example/booking/create/23014"
ALL_DAY = {"calls_from": time(0), "calls_until": time(23, 59, 59)}  # hours of calls
ADDRESSES = {
    Channel.EMAIL: "camille@example.org", Channel.SMS: "+33612345678", Channel.TELEGRAM: "987654",
    Channel.PUSH: browser_address("camille"),
}  # fmt: skip
# An accepted message; the answer of Telegram is its receipt.
ACCEPTED = dict.fromkeys(Channel, State.SENT) | {Channel.TELEGRAM: State.DELIVERED}
MORNING = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)  # 9:30 in Paris, a Thursday


@dataclass(frozen=True)
class Person:
    """A user and the ids of the contacts."""

    id: UUID
    contacts: dict[Channel, UUID]


def person(
    plan: PlanName | None = PlanName.URGENCE_TOTAL,
    channels: Sequence[Channel] = (Channel.EMAIL,),
    *,
    verified: bool = True,
    enabled: bool = True,
    addresses: dict[Channel, str] | None = None,
) -> Person:
    """Make a user who holds a plan from yesterday on. Of several with one e-mail address the first has it."""
    now, known = clock(), addresses or ADDRESSES
    with session() as s:
        mailbox = known[Channel.EMAIL] if Channel.EMAIL in channels else ""
        is_free = mailbox and find_contact(s, Channel.EMAIL, mailbox) is None
    user = User(id=new_id(), email=mailbox if is_free else f"{uuid4().hex}@example.org")
    confirmed = {"verified_at": now if verified else None, "enabled": enabled}
    contacts = {each: make_contact(user.id, each, known[each], **confirmed) for each in channels}
    held = {"starts_at": now - timedelta(days=30), "ends_at": now + timedelta(days=1), "source": "test"}
    add_with(user, *contacts.values(), *([Grant(user_id=user.id, plan=plan, **held)] if plan else []))
    return Person(user.id, {channel: each.id for channel, each in contacts.items()})


def start_anew(world: "Running") -> None:
    """Delete what the case before left, where several share a test: people, desks, messages, queues."""
    with session() as s:
        for table in (User, Notification, ProviderEvent, Detection, SlotRow, DeskState):
            s.execute(sa.delete(table))
    shared_redis().flushdb()
    world.reset()


def grant(who: Person, plan: PlanName, starts_at: datetime, ends_at: datetime) -> None:
    """Entitle from one instant to another."""
    add_grant(who.id, plan, starts_at=starts_at, ends_at=ends_at)


def alert(who: Person, *targets: dict[str, Any], **fields: Any) -> UUID:
    """Make an alert; without targets it waits for the desk."""
    return add_alert(who.id, *(AlertTarget(**each) for each in targets or ({"desk_id": DESK},)), **fields)


def for_procedure(procedure: Procedure = Procedure.NATURALISATION, **limits: Any) -> dict[str, Any]:
    """Return a target: a procedure of the prefecture."""
    return {"prefecture_id": PREFECTURE, "procedure": procedure, **limits}


def slots(
    moments: Iterable[datetime | str] = (MORNING,),
    desk_id: str = DESK,
    place: str = "1",
    seen_at: datetime | None = None,
) -> list[int]:
    """Open slots at instants, at dates (`2026-11-26`), or `open`; return their ids."""
    now = seen_at or clock()
    with session() as s:
        if s.get(DeskState, desk_id) is None:
            s.add(DeskState(id=desk_id))
            s.flush()
        shared = {"desk_id": desk_id, "place_key": place, "url": URL, "opened_at": now, "seen_at": now}
        made = [
            SlotRow(moment=each, **shared)
            if isinstance(each, str)
            else SlotRow(moment=each.isoformat(), starts_at=each, **shared)
            for each in moments
        ]
        s.add_all(made)
        s.flush()
        return [slot.id for slot in made]


def detection(
    slot_ids: Sequence[int] | None = None, desk_id: str = DESK, seen_at: datetime | None = None, **fields: Any
) -> UUID:
    """Write a detection of these slots (default: one new one) as the crawler does."""
    now = seen_at or clock()
    slot_ids = slots(desk_id=desk_id, seen_at=now) if slot_ids is None else slot_ids
    values = {
        "desk_id": desk_id, "prefecture_id": PREFECTURE, "procedures": ["NATURALISATION"], "label": "Naturalisation <b>&",
        "booking_url": URL, "seen_at": now, "committed_at": now,
    }  # fmt: skip
    with session() as s:
        s.add(made := Detection(**values | fields))
        s.flush()
        s.add_all(DetectionSlot(detection_id=made.id, slot_id=slot) for slot in slot_ids)
    return made.id


all_of = factories.rows


def get(row: type[Any], key: Any) -> Any:
    """Return one row."""
    return factories.get(row, key)


def gone(slot_ids: Sequence[int]) -> None:
    """Close slots as taken."""
    factories.change(SlotRow, SlotRow.id.in_(slot_ids), gone_at=clock(), gone_reason=GoneReason.TAKEN)


def confirm(slot_ids: Sequence[int]) -> None:
    """See open slots again, now."""
    factories.change(SlotRow, SlotRow.id.in_(slot_ids), seen_at=clock())


def change(row: type[Any], key: Any, **values: Any) -> None:
    """Set columns of one row."""
    factories.change(row, row.id == key, **values)


def notifications(*states: State) -> list[Notification]:
    """Return the notifications, oldest first; only those in these states, where some are given."""
    found = sorted(factories.rows(Notification), key=lambda row: (row.created_at, row.id))
    return [each for each in found if not states or each.state in states]


def told_pairs() -> set[tuple[UUID, int]]:
    """Return which alert was notified of which slot, by any match."""
    with session() as s:
        slot = select_announced_slots()
        rows = s.execute(sa.select(Match.alert_id, slot.c.slot_id).join(slot, slot.c.match_id == Match.id))
        return {(alert_id, slot_id) for alert_id, slot_id in rows}


def matched(seen: UUID) -> list[UUID]:
    """Match a detection as a worker does; return the notifications that were written, in their order."""
    written: list[UUID] = in_one_transaction(match_detection, seen, clock())[0]
    return written


def told(made: Iterable[UUID]) -> None:
    """Let notifications be accepted."""
    for each in made:
        change(Notification, each, state=State.SENT, accepted_at=clock())


def rearm(alert_id: UUID | None = None, desk_id: str = DESK) -> list[UUID]:
    """Match what is open with one alert, or in a round with all; return the notifications that were written."""
    parts = [[alert_id]] if alert_id else in_one_transaction(find_untold, desk_id, clock())
    alerts = [each for part in parts for each in part]
    made: list[UUID] = in_one_transaction(match_open_slots, desk_id, clock(), alerts) if alerts else []
    return made


def show(number: int, apart: timedelta = timedelta(minutes=1), **fields: Any) -> list[int]:
    """Show one more slot of a desk, and match it as a worker does; return the slot."""
    made = slots([MORNING + number * apart], place=str(number), **fields)
    match(str(detection(made, **fields)))
    return made


def sweep() -> None:
    """Deliver what the sweep would have delivered."""
    for each in undelivered(database_clock()):
        jobs.deliver(str(each.id))


def match(seen: str) -> None:
    """Match a detection, and deliver what that wrote, as workers do."""
    jobs.match(seen)
    deliver_queued()


def deliver_queued() -> None:
    """Deliver what the queues of the channels name, as workers do."""
    for each in map(queue, QUEUES):
        for job in each.get_jobs():
            if job.func_name == "notifier.jobs.deliver":
                each.remove(job)
                job.delete()
                jobs.deliver(*job.args)


def in_one_transaction(act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Run something that takes a session, and commit."""
    with session() as s:
        return act(s, *arguments, **named)


def at_once(*acts: Callable[[], object]) -> None:
    """Do each act on a thread of its own, all at the same moment."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        start.wait()
        act()

    with ThreadPoolExecutor(len(acts)) as threads:
        for done in [threads.submit(run, each) for each in acts]:
            done.result()


def is_anyone_blocked() -> bool:
    """Return whether a transaction waits for a lock of another."""
    blocked = sa.text(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0)"
    )
    with session() as s:
        return bool(s.scalar(blocked))


# Messages that wait in the tests of delivery, and what became of them


def waiting(channel: Channel = Channel.EMAIL, **fields: Any) -> UUID:
    """Write one slot alert that waits; return its id."""
    alert(person(channels=(channel,)))
    (made,) = matched(detection(**fields))
    return made


def verification() -> UUID:
    who = person(verified=False, enabled=False)
    (made,) = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "key")
    return made  # type: ignore[no-any-return]


def after(key: UUID) -> tuple[State, str | None]:
    row = get(Notification, key)
    return row.state, row.reason


# Slots that are announced and go, and the job that edits


def announce(*moments: datetime) -> list[int]:
    """Open slots, and deliver the alerts about them; return the ids of the slots."""
    opened = slots(moments or [MORNING])
    deliver(*map(str, matched(detection(opened))))
    return opened


def write_edits() -> list[UUID]:
    """Run the job; return the edits that it wrote."""
    before = {each.id for each in notifications()}
    background_jobs.mark_gone_slots()
    return [each.id for each in notifications() if each.id not in before]


def run_job() -> list[UUID]:
    """Run the job, and deliver what it wrote; return that."""
    written = write_edits()
    deliver(*map(str, written))
    return written


def stay_gone(frozen: time_machine.Traveller, ids: list[int], desk_id: str = DESK) -> None:
    """Close slots, let the time pass in which they may return, and have a check begin."""
    gone(ids)
    frozen.shift(timedelta(minutes=5))
    prove(desk_id)


def prove(desk_id: str = DESK) -> None:
    """Have a conclusive check begin now."""
    change(DeskState, desk_id, last_proven_at=clock())


def marked() -> list[bool]:
    """Return which notices are marked as gone, the oldest first."""
    return [each.gone_at is not None for each in sorted(all_of(Notice), key=lambda each: each.id)]
