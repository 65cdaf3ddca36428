"""A notification's life in any order of events: claims, deaths, lost and late answers, refusals, sweeps, replays."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import redis
import sqlalchemy as sa
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

from api.models.alert import Alert, ClosedBecause
from api.models.base import session
from api.models.notification import Notification, State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, User
from configs.ground.clock import clock
from notifier import dead_letters
from notifier.channels import batch_sender
from notifier.channels.provider_base import (
    Acceptance,
    OneCallProvider,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from notifier.content.outgoing_message import OutgoingMessage
from notifier.delivery import delivery
from notifier.delivery.claiming import ClaimedMessage
from notifier.delivery.retry_policy import UNKNOWN_RETRY_SECONDS
from notifier.sweep import undelivered
from tests.fuzz import times
from tests.notifier.world import (
    DESK,
    OTHER_DESK,
    Person,
    alert,
    confirm,
    detection,
    gone,
    matched,
    notifications,
    person,
    slots,
)  # fmt: skip

HISTORIES, STEPS = 6, 30
LONGEST = timedelta(seconds=max(UNKNOWN_RETRY_SECONDS()))  # of all waits
OPEN = (State.PENDING, State.SENDING)
ANSWERS = st.sampled_from(["yes", "yes", "no", "later", "lost", "silent"])
DESKS = (DESK, OTHER_DESK)
HOURS = st.integers(1, 500)
something_waits = precondition(lambda self: self.open)


class Provider(OneCallProvider):
    """Answers as it is set: `lost` takes messages and its answer does not arrive, `silent` does neither."""

    def __init__(self) -> None:
        self.answer = "yes"
        self.taken: Counter[UUID] = Counter()

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        if self.answer == "no":
            raise PermanentError("refused")
        if self.answer == "later":
            raise TemporaryError("busy", 3)
        if self.answer != "silent":
            self.taken.update(key for each in messages for key in each.ids)
        if self.answer != "yes":
            raise OutcomeUnknown("no answer")
        return Acceptance("test", "1")


class Life(RuleBasedStateMachine):
    """The rows beside what the provider saw. A yes is heard when its row says so."""

    traveller: time_machine.Traveller
    provider: Provider
    redis: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()  # what providers did in the history before
        with session() as s:
            for table in (User, Detection, SlotRow):
                s.execute(sa.delete(table))
        self.provider.taken.clear()
        self.people: list[Person] = [
            person(addresses={Channel.EMAIL: f"p{number}@example.org"}) for number in range(2)
        ]
        for each in self.people:
            alert(each, *({"desk_id": desk} for desk in DESKS))
        self.places = count()
        self.late: list[delivery.Sent] = []
        self.tries: Counter[UUID] = Counter()
        self.order: dict[UUID, int] = {}  # ids of one instant have none that is the same in each run
        self.open: list[UUID] = []

    @initialize(hour=HOURS)
    def the_first_slot_opens(self, hour: int) -> None:
        self.a_slot_opens(DESK, hour)

    @rule(desk=st.sampled_from(DESKS), hour=HOURS)
    def a_slot_opens(self, desk: str, hour: int) -> None:
        place = str(next(self.places))  # two slots may open at one instant
        opened = slots([clock() + timedelta(hours=hour)], desk_id=desk, place=place)
        matched(detection(opened, desk_id=desk))

    @something_waits
    @rule(which=st.integers(0, 20), answer=ANSWERS)
    def deliver(self, which: int, answer: str) -> None:
        self.send(self.row(which), answer)

    @something_waits
    @rule(which=st.integers(0, 20))
    def a_worker_dies_before_it_sends(self, which: int) -> None:
        self.claim(self.row(which))

    @something_waits
    @rule(which=st.integers(0, 20), answer=ANSWERS)
    def a_worker_is_slow_to_record(self, which: int, answer: str) -> None:
        """Or dies, and no answer is ever recorded."""
        self.provider.answer = answer
        self.late += delivery.send(self.claim(self.row(which)))

    @precondition(lambda self: self.late)
    @rule()
    def the_slow_one_records(self) -> None:
        """What another has taken over meanwhile is the other's."""
        sent = self.late.pop(0)
        others = self.states_but_of(sent)
        delivery.record(sent)
        assert self.states_but_of(sent).items() >= others.items()

    @something_waits
    @rule(which=st.integers(0, 20), answer=ANSWERS, other=ANSWERS)
    def a_slow_worker_is_overtaken(self, which: int, answer: str, other: str) -> None:
        self.a_worker_is_slow_to_record(which, answer)
        self.time_passes(31)
        self.the_sweep_nudges(other)
        while self.late:
            self.the_slow_one_records()

    @something_waits
    @rule(which=st.integers(0, 20))
    def whoever_takes_it_dies(self, which: int) -> None:
        row = self.row(which)
        for _ in range(7):
            self.claim(row)
            self.time_passes(31)

    @rule(seconds=st.sampled_from([1, 6, 31, 90]))
    def time_passes(self, seconds: int) -> None:
        self.traveller.shift(seconds)
        with session() as s:
            confirm(list(s.scalars(sa.select(SlotRow.id).where(SlotRow.gone_at.is_(None)))))

    @something_waits
    @rule(answer=ANSWERS)
    def the_sweep_nudges(self, answer: str) -> None:
        for each in undelivered(clock()):
            self.send([each.id], answer)

    @rule(desk=st.sampled_from(DESKS))
    def slots_go(self, desk: str) -> None:
        with session() as s:
            gone(
                list(
                    s.scalars(sa.select(SlotRow.id).where(SlotRow.desk_id == desk, SlotRow.gone_at.is_(None)))
                )
            )

    @rule(who=st.integers(0, 1))
    def an_alert_is_stopped(self, who: int) -> None:
        with session() as s:
            mine = sa.update(Alert).where(Alert.user_id == self.people[who].id, Alert.closed_at.is_(None))
            s.execute(mine.values(closed_at=clock(), closed_because=ClosedBecause.STOPPED))
        alert(self.people[who], *({"desk_id": desk} for desk in DESKS))

    @rule(unsure=st.booleans())
    def dead_letters_are_replayed(self, unsure: bool) -> None:
        with session() as s:
            rows = s.scalars(sa.select(Notification).where(Notification.state == State.FAILED)).all()
            alive = dead_letters.replay(s, rows, clock(), unsure=unsure)
        for key in alive:
            self.tries[key] = 0

    @something_waits
    @rule()
    def all_is_well_for_long(self) -> None:
        """Nothing is stuck: the sweep alone ends every life."""
        self.late.clear()
        for _ in range(30):
            if not (rows := notifications(*OPEN)):
                return
            due = min(row.next_attempt_at for row in rows)
            self.time_passes(max(1, math.ceil((due - clock()).total_seconds())))
            self.the_sweep_nudges("yes")
        raise AssertionError(f"still on their way: {[row.state for row in notifications(*OPEN)]}")

    def teardown(self) -> None:
        """However a history goes, all lives end."""
        if self.open:
            self.all_is_well_for_long()

    @invariant()
    def every_row_makes_sense(self) -> None:
        rows = notifications()
        owners: list[UUID | None] = [each.id for each in self.people]
        for row in sorted(rows, key=lambda row: owners.index(row.user_id)):
            self.order.setdefault(row.id, len(self.order))
        self.open = sorted((row.id for row in rows if row.state in OPEN), key=self.order.__getitem__)
        for row in rows:
            assert row.state in (*OPEN, State.SENT) or (row.reason and row.failed_at), row.state
            assert row.unknown_attempts <= row.attempts <= self.tries[row.id] + 1  # a claim may end it
            assert row.state not in OPEN or row.next_attempt_at <= clock() + LONGEST

    def row(self, which: int) -> list[UUID]:
        return [self.open[which % len(self.open)]]

    def claim(self, keys: list[UUID]) -> list[ClaimedMessage]:
        at_work = {
            row.id for row in notifications(State.SENDING) if row.lease_until and row.lease_until > clock()
        }
        claimed = delivery.claim(keys)
        states = {row.id: row.state for row in notifications()}
        for message in claimed:
            for row in message.rows:
                assert states[row.id] is State.SENDING
                assert row.id not in at_work
                self.tries[row.id] += 1
        return claimed

    @staticmethod
    def states_but_of(sent: delivery.Sent) -> dict[UUID, State]:
        token = sent.messages[0].token
        return {row.id: row.state for row in notifications() if row.lease_token != token}

    def send(self, keys: list[UUID], answer: str) -> None:
        heard = {row.id: self.provider.taken[row.id] for row in notifications(State.SENT)}
        self.provider.answer = answer
        for sent in delivery.send(self.claim(keys)):
            assert delivery.record(sent)
        assert all(self.provider.taken[key] == count for key, count in heard.items())


@pytest.fixture
def machine(
    database: str,
    redis_server: redis.Redis,
    settings_env: Any,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[type[Life]]:
    """Bind the machine to a database and to a provider of its own."""
    settings_env(PROVIDER_REST_SECONDS="0.001")  # as if no breaker: a provider's rest uses no attempt
    provider = Provider()
    monkeypatch.setitem(batch_sender.providers(), "sendgrid", provider)
    logs = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield type("Bound", (Life,), {"provider": provider, "traveller": frozen, "redis": redis_server})
    structlog.configure(**logs)


@pytest.mark.rule("3.5", "6.1")
@pytest.mark.journey
@pytest.mark.fuzz
def test_every_life_ends_once_and_says_why(machine: type[Life]) -> None:
    run_state_machine_as_test(
        hypothesis.seed(0)(machine) if times(1) == 1 else machine,
        settings=hypothesis.settings(max_examples=times(HISTORIES), stateful_step_count=STEPS),
    )
