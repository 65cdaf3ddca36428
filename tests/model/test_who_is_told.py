"""Desks, readings, alerts, plans and time in any order: the product and the model must tell the same."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import structlog
import time_machine
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import notifier
from api.models import alert as alerts
from api.models.user import Contact
from configs.ground.clock import clock
from configs.world.desk import Outcome
from crawler.items import CheckItem
from crawler.reading import CoveredWindow, Place, Slot
from notifier import jobs
from notifier.channels.provider_base import Acceptance
from notifier.delivery import claiming, delivery, nudges
from notifier.matching.notification_writer import InlineClaim
from notifier.sweep import Sweep
from tests.fuzz import times
from tests.model.model import Alert, Limits, Message, Model
from tests.model.world import CHANNELS, DESKS, FILE, INTERVALS, PEOPLE, PLANS, PROCEDURES, SITES, World
from tests.samples import try_first

HISTORIES, STEPS, SHARES = 15, 20, 3
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
LONGEST_NUDGE = timedelta(seconds=301)
NIGHT = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)  # 00:30 on 2 December in Paris
THURSDAY = date(2026, 12, 3)
MORNING = datetime(2026, 12, 3, 9, tzinfo=UTC)
MOMENTS = (NIGHT, NIGHT, None, None, MORNING, START + timedelta(minutes=20), THURSDAY, START.date())
BEFORE, AFTER = (None, date(2026, 12, 1)), (date(2026, 12, 2), None)
COVERS = (
    (CoveredWindow(),),
    (),
    (CoveredWindow("1"),),
    (CoveredWindow("2"),),
    (CoveredWindow(None, *BEFORE),),
    (CoveredWindow(None, *AFTER),),
    (CoveredWindow("1", *BEFORE),),
    (CoveredWindow("1", *AFTER),),
    (CoveredWindow("1", date(2026, 12, 2), date(2026, 12, 2)),),
    (CoveredWindow("1", *AFTER), CoveredWindow("1", *BEFORE)),  # together the whole place
    (CoveredWindow("1", *BEFORE), CoveredWindow("2", *AFTER)),
)
LIMITS = (
    Limits(DESKS[0]),
    Limits(procedure="TITRE_SEJOUR"),
    Limits(procedure="NATURALISATION"),
    Limits(DESKS[0], first=date(2026, 12, 2)),
    Limits(DESKS[0], last=date(2026, 12, 1)),
    Limits(procedure="TITRE_SEJOUR", weekday=4),
    Limits(DESKS[0], hour=time(8)),
    Limits(procedure="TITRE_SEJOUR", site="Palaiseau"),
)
_PHASES = tuple(each for each in hypothesis.Phase if each is not hypothesis.Phase.explain)
# Odd, so that nothing happens just at the edge of a span, where one microsecond decides.
PAUSES = tuple(timedelta(seconds=each) for each in (13, 67, 307, 611, 1741, 1867))

slots = st.sampled_from([Slot(Place(key), moment) for key in ("1", "1", "2") for moment in MOMENTS])
covers = st.sampled_from(COVERS)
silences = st.sampled_from([Outcome.NO_SLOTS] * 3 + [Outcome.OVERLOADED, Outcome.UNREACHABLE])
looks = st.tuples(
    st.sampled_from([DESKS[0], DESKS[0], DESKS[1]]),
    st.lists(slots, max_size=3).map(tuple),
    silences,
    covers,
)
Look = tuple[str, tuple[Slot, ...], Outcome, tuple[CoveredWindow, ...]]
limits = st.lists(st.sampled_from(LIMITS), min_size=1, max_size=2).map(tuple)
people = st.integers(0, PEOPLE - 1)
number = st.integers(0, 5)


class Telling(RuleBasedStateMachine):
    """What is nudged waits in `queue` until a rule takes it, takes it twice, or loses it.

    What a worker claims as it writes it, in histories that are `inline`, is in `taken` until it is sent.
    """

    world: World
    traveller: time_machine.Traveller
    queue: list[tuple[str, Any]]
    taken: list[InlineClaim]
    inline = True

    @initialize(plan=st.sampled_from(sorted(PLANS)), wish=limits, inline=st.booleans())
    def begin(self, plan: str, wish: tuple[Limits, ...], inline: bool) -> None:
        type(self).inline = inline
        self.traveller.move_to(START)
        self.world.empty()
        self.queue.clear()
        self.taken.clear()
        sold = {name: paid & {each.value for each in CHANNELS} for name, paid in PLANS.items()}
        self.model = Model(INTERVALS, PROCEDURES, SITES, sold)
        self.bound: dict[UUID, Message] = {}
        self.written = False
        self.sweeper = Sweep()
        self.last: Look = (DESKS[0], (), Outcome.NO_SLOTS, (CoveredWindow(),))
        self.shown: Look = (DESKS[0], (Slot(Place("1"), NIGHT),), Outcome.SLOTS, ())
        self.read_at = dict.fromkeys(DESKS, START - timedelta(seconds=300))
        self.grant(0, plan, 0, 86400)
        self.wait(0, wish)

    def now(self) -> datetime:
        """Let a moment pass: no two things happen at once."""
        self.traveller.shift(timedelta(milliseconds=1))
        return clock()

    # The crawl

    @rule(several=st.lists(looks, min_size=1, max_size=2, unique_by=lambda look: look[0]))
    def check(self, several: list[Look]) -> None:
        self.read(several)

    @rule(silence=silences, covered=covers)
    def check_that_shows_nothing(self, silence: Outcome, covered: tuple[CoveredWindow, ...]) -> None:
        self.read([(self.shown[0], (), silence, covered)])

    @rule(pause=st.sampled_from(PAUSES[:2]))
    def check_the_same_again(self, pause: timedelta) -> None:
        self.traveller.shift(pause)
        self.read([self.last])

    @rule(look=looks)
    def check_and_tell(self, look: Look) -> None:
        self.read([look])
        self.work_all()

    @rule(pause=st.sampled_from(PAUSES), told=st.booleans())
    def flap(self, pause: timedelta, told: bool) -> None:
        """All of a desk is gone, and comes back."""
        self.read([(self.shown[0], (), Outcome.NO_SLOTS, (CoveredWindow(),))])
        self.traveller.shift(pause)
        self.read([self.shown])
        if told:
            self.work_all()

    @rule(
        between=st.lists(st.sampled_from(["closed", NIGHT, NIGHT, MORNING, THURSDAY, None]), max_size=3),
        named=st.sampled_from([None, THURSDAY]),
        pauses=st.lists(st.sampled_from(PAUSES[2:4]), min_size=1, max_size=3),
        late=st.booleans(),
        told=st.booleans(),
    )
    def read_in_turn(
        self, between: Sequence[Any], named: date | None, pauses: Sequence[timedelta], late: bool, told: bool
    ) -> None:
        """A place is open, its hours are seen, and its page calls it open until they lapse and after.

        In `between` other hours are seen, or that there are none. `named`: the day that the page names with it.
        """
        for shown in (None, MORNING if named else NIGHT, *between):
            self.read_place(shown)
            if told:
                self.work_all()
        for pause in pauses:
            self.traveller.shift(pause)
            if not late:
                self.lapse()
            self.read_place(named)
        self.lapse()
        self.read_place(named)

    def read_place(self, shown: datetime | date | str | None) -> None:
        """Read a page that shows an hour of place 1, or says that it is open (None) or closed (any text)."""
        if isinstance(shown, str):
            self.read([(self.shown[0], (), Outcome.NO_SLOTS, (CoveredWindow("1"),))])
        else:
            self.read([(self.shown[0], (Slot(Place("1"), shown),), Outcome.SLOTS, ())])

    @rule(look=looks, behind=st.integers(0, 2), delay=st.sampled_from([0, 61, 125, 367]))
    def check_late(self, look: Look, behind: int, delay: int) -> None:
        """A result of the same or an older claim, or one that was long on its way, or the same one twice."""
        self.read([look], ahead=1 - behind, delay=timedelta(seconds=delay))

    @rule(look=looks)
    def check_whose_result_comes_twice(self, look: Look) -> None:
        self.read([look])
        self.read([look], ahead=0)

    def read(self, several: Sequence[Look], ahead: int = 1, delay: timedelta = timedelta()) -> None:
        now, batch = self.now(), []
        for look in several:
            self.read_at[look[0]] = at = max(now - delay, self.read_at[look[0]])
            batch.append((check_item(look, self.model.tokens[look[0]] + ahead, at), at))
        self.last = several[0]
        self.shown = next((look for look in several if look[1]), self.shown)
        found = [self.model.read(item, at, now) for item, at in batch]
        made = self.world.check(batch)
        self.written = True
        assert len(made) == len([each for each in found if each]), "detections"
        self.queue += [("match", each) for each in made]

    @rule()
    def lapse(self) -> None:
        now = self.now()
        self.world.lapse(now)
        self.model.lapse(now)
        self.written = True

    # People

    @precondition(lambda self: len(self.model.alerts) < 4)
    @rule(person=people, wish=limits)
    def wait(self, person: int, wish: tuple[Limits, ...]) -> None:
        self.model.alerts.append(Alert(person, wish))
        self.queue.append(("catch_up", self.world.wait(person, wish)))

    @rule(which=number)
    def toggle(self, which: int) -> None:
        which %= len(self.model.alerts)
        alert = self.model.alerts[which]
        alert.enabled = not alert.enabled
        self.world.set(alerts.Alert, self.world.alerts[which], enabled=alert.enabled)
        if alert.enabled:
            self.queue.append(("catch_up", self.world.alerts[which]))

    @precondition(lambda self: len(self.model.alerts) > 1)
    @rule(which=number)
    def close(self, which: int) -> None:
        which %= len(self.model.alerts)
        self.model.alerts[which].closed = True
        self.world.set(
            alerts.Alert,
            self.world.alerts[which],
            closed_at=self.now(),
            closed_because=alerts.ClosedBecause.FOUND,
        )

    @rule(which=number, wish=limits)
    def limit(self, which: int, wish: tuple[Limits, ...]) -> None:
        which %= len(self.model.alerts)
        self.model.alerts[which].limits, self.model.alerts[which].changed_at = wish, self.now()
        self.world.limit(which, wish)
        self.queue.append(("catch_up", self.world.alerts[which]))

    @rule(
        person=people,
        plan=st.sampled_from(sorted(PLANS)),
        begins=st.sampled_from([0, 0, 400]),
        lasts=st.sampled_from([601, 86400]),
    )
    def grant(self, person: int, plan: str, begins: int, lasts: int) -> None:
        start = self.now() + timedelta(seconds=begins)
        end = start + timedelta(seconds=lasts)
        self.model.grants.append((person, plan, start, end))
        self.world.grant(person, plan, start, end)
        for alert, key in zip(self.model.alerts, self.world.alerts, strict=True):
            if alert.person == person and alert.waits:
                self.queue.append(("catch_up", key))

    @rule(person=people)
    def end_grants(self, person: int) -> None:
        now = self.now()
        self.model.grants = [
            (who, plan, start, now if who == person and start < now < end else end)
            for who, plan, start, end in self.model.grants
        ]
        self.world.end_grants(person, now)

    @rule(person=people, channel=st.sampled_from(CHANNELS))
    def switch(self, person: int, channel: str) -> None:
        contact = (person, str(channel))
        self.model.off ^= {contact}
        self.world.set(Contact, self.world.contacts[contact], enabled=contact not in self.model.off)

    @rule(pause=st.sampled_from(PAUSES))
    def time_passes(self, pause: timedelta) -> None:
        self.traveller.shift(pause)

    # Telling

    @precondition(lambda self: self.queue)
    @rule(which=number, kept=st.sampled_from([False, False, False, True]))
    def work(self, which: int, kept: bool) -> None:
        """A worker takes a nudge; one that died after its commit left it in the queue."""
        job = self.queue[which % len(self.queue)]
        if not kept:
            self.queue.remove(job)
        self.run_job(*job)

    @rule()
    def work_all(self) -> None:
        while self.queue:
            self.run_job(*self.queue.pop(0))

    @precondition(lambda self: self.queue)
    @rule(which=number)
    def lose(self, which: int) -> None:
        del self.queue[which % len(self.queue)]

    @rule()
    def sweep(self) -> None:
        self.now()
        self.sweeper.turn()

    @rule()
    def settle(self) -> None:
        """Everything that waited in Redis is lost: after the longest wait the sweep alone makes up for it."""
        self.queue.clear()
        self.traveller.shift(LONGEST_NUDGE)
        self.sweep()
        self.work_all()
        assert not [each for each in self.model.messages if each.waits(clock())]
        assert not [each for each in self.model.detections if not each.matched]
        assert not self.model.owed(clock())

    def run_job(self, kind: str, key: Any) -> None:
        now = self.now()
        {"match": jobs.match, "catch_up": jobs.catch_up, "rearm": jobs.rearm, "deliver": jobs.deliver}[kind](
            str(key)
        )
        if kind == "match":
            self.model.match(self.model.detections[self.world.detections.index(key)], now)
        elif kind == "deliver":
            self.model.deliver(self.bound[key], now)
        elif kind == "rearm":
            self.model.tell_open(key, now, self.model.alerts)
        else:
            for desk in DESKS:
                self.model.tell_open(desk, now, [self.model.alerts[self.world.alerts.index(key)]])
        self.agree()
        if self.taken:
            self.hand_over(now)

    def hand_over(self, now: datetime) -> None:
        """The same worker sends all that it claimed as it wrote it: the model sends what waits for a contact at once."""
        while self.taken:
            mine = self.taken.pop()
            delivery.hand_over(mine.messages)
            for message in mine.messages:
                self.model.deliver(self.bound[message.first.id], now)
        self.agree()

    # The two worlds

    @invariant()
    def nothing_differs(self) -> None:
        if self.written:
            self.agree()

    def agree(self) -> None:
        self.written = False
        slots, rows = self.world.look()
        assert Counter(slots.values()) == Counter((each.name, each.gone) for each in self.model.slots)
        for key in sorted(rows.keys() - self.bound.keys(), key=str):
            self.bind(key, *rows[key][:2])
        assert len(self.bound) == len(self.model.messages), f"not told: {self.untold()}"
        for key, message in self.bound.items():
            contact, of, state = rows[key]
            assert (contact, {"sending": "pending"}.get(state, state)) == (message.contact, message.state)
            # What was never sent may be written again, by the same match: its slots are then the later message's.
            assert of == self.said(message)[1] or (not of and state in ("expired", "skipped"))

    def bind(self, key: UUID, contact: tuple[int, str], of: frozenset[Any]) -> None:
        alike = [each for each in self.untold() if self.said(each) == (contact, of)]
        assert alike, f"told {contact} of {sorted(of)}, expected {list(map(self.said, self.untold()))}"
        self.bound[key] = alike[0]

    def untold(self) -> list[Message]:
        return [each for each in self.model.messages if each not in self.bound.values()]

    def said(self, message: Message) -> tuple[tuple[int, str], frozenset[Any]]:
        return message.contact, frozenset(
            (self.model.alerts.index(alert), slot.name) for alert, slot in message.of
        )


def check_item(look: Look, token: int, at: datetime) -> CheckItem:
    desk, seen, silence, covered = look
    return CheckItem(
        desk_id=desk,
        token=token,
        started_at=at,
        seen_at=at,
        milliseconds=100,
        outcome=Outcome.SLOTS if seen else silence,
        reason="test",
        slots=seen,
        covered=covered,
        requests=1,
        error=None,
        retry_after=None,
        booking_url="http://127.77.0.91:8800/booking/create/1",
        process="test:1",
    )


@pytest.fixture
def machine(
    database: str,
    settings_env: Any,
    frozen: time_machine.Traveller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[type[Telling]]:
    """Bind the machine to a database; nudges go to its queue, and every provider says yes."""
    (tmp_path / "evry_91.yaml").write_text(FILE)
    settings_env(PREFECTURES_DIR=tmp_path)
    # A history takes no time, and its clock goes back: the caps have tests of their own.
    monkeypatch.setattr(claiming, "read_turns", lambda *_: {})
    queue: list[tuple[str, Any]] = []
    logs = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    def match(key: UUID, _times: int = 0) -> bool:
        queue.append(("match", key))
        return True

    monkeypatch.setattr(notifier, "detection_seen", match)
    monkeypatch.setattr(
        nudges,
        "ask_many",
        lambda _name, job, asked, **_: queue.extend((job, each) for (each,) in asked),
    )

    def deliver(waiting: Iterable[nudges.WaitingWork]) -> set[UUID]:
        ids = [each.id for each in waiting]
        queue.extend(("deliver", each) for each in ids)
        return set(ids)

    monkeypatch.setattr(nudges, "ask_deliver_work", deliver)
    taken: list[InlineClaim] = []

    def send(written: Sequence[UUID], mine: InlineClaim | None, *, in_crowd: bool = False) -> None:
        queue.extend(("deliver", each) for each in written)
        taken.extend([mine] if mine else [])

    parts = {"world": World(), "traveller": frozen, "queue": queue, "taken": taken}
    bound: Any = type("Bound", (Telling,), parts)
    monkeypatch.setattr(InlineClaim, "begin", lambda now: InlineClaim(now) if bound.inline else None)
    monkeypatch.setattr(jobs, "_send", send)
    monkeypatch.setattr(nudges, "read_wait", lambda _channel, *, single: None)
    monkeypatch.setattr(
        delivery,
        "send",
        lambda messages: [delivery.Sent([each], Acceptance("test", "1")) for each in messages],
    )
    yield bound
    structlog.configure(**logs)


@pytest.mark.fuzz
@pytest.mark.parametrize("share", try_first(range(SHARES), 1))
def test_the_product_tells_what_the_model_tells(machine: type[Telling], share: int) -> None:
    run_state_machine_as_test(
        hypothesis.seed(share)(machine) if times(1) == 1 else machine,
        settings=hypothesis.settings(
            max_examples=times(HISTORIES), stateful_step_count=STEPS, phases=_PHASES
        ),
    )
