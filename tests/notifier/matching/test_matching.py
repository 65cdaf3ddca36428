from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from api.models.alert import Limits, Moment
from api.models.base import session
from api.models.slot import Detection, SlotRow
from configs.ground.clock import clock
from configs.world.plan import PlanName
from notifier.content.slot_alert_content import slot_moment
from notifier.matching.queries import (
    Candidate,
    MatchedBefore,
    OpenSlots,
    WantedSlots,
    candidates,
    select_slots,
)
from tests.in_turn import in_turn
from tests.notifier import world

THURSDAY = Moment(date(2026, 11, 26), time(9, 30), "Palaiseau")


def found(seen: UUID, at: datetime | None = None, alert_id: UUID | None = None) -> list[UUID]:
    """Return the alerts that are candidates for a detection."""
    with session() as s:
        row = s.get_one(Detection, seen)
        return [
            each.alert_id
            for each in candidates(s, row, at or row.seen_at, None if alert_id is None else [alert_id])
        ]


def opened(moments: Sequence[Moment]) -> OpenSlots:
    """Return open slots whose ids are their places."""
    return OpenSlots(dict(enumerate(moments)), world.MORNING)


def wishes(
    moments: Sequence[Moment], *limits: dict[str, Any], known: set[int] | None = None
) -> list[WantedSlots]:
    """Choose for one alert that has one target per limits."""
    alert_id, user_id = uuid4(), uuid4()
    rows = [Candidate(alert_id, user_id, 1, None, Limits(**each)) for each in limits or ({},)]
    return select_slots(rows, opened(moments), {alert_id: MatchedBefore(frozenset(known or ()))})


@in_turn(
    "limits, passes",
    [
        ({}, True),
        ({"date_from": date(2026, 11, 26)}, True),
        ({"date_from": date(2026, 11, 27)}, False),
        ({"date_to": date(2026, 11, 26)}, True),
        ({"date_to": date(2026, 11, 25)}, False),
        ({"weekdays": [4]}, True),
        ({"weekdays": [1, 2, 3, 5, 6, 7]}, False),
        ({"hour_from": time(9, 30)}, True),
        ({"hour_from": time(9, 31)}, False),
        ({"hour_to": time(9, 31)}, True),
        ({"hour_to": time(9, 30)}, False),
        ({"sites": ["Palaiseau", "Évry"]}, True),
        ({"sites": ["Évry"]}, False),
        ({"weekdays": [4], "hour_from": time(14)}, False),
    ],
)
def test_a_limit_rejects_what_is_known_to_lie_outside(limits: dict[str, Any], passes: bool) -> None:
    assert bool(wishes([THURSDAY], limits)) is passes


@in_turn(
    "moment, limits, passes",
    [
        (Moment(), {"date_from": date(2027, 3, 1), "weekdays": [1], "hour_from": time(14)}, True),
        (Moment(date(2026, 11, 26)), {"hour_from": time(14)}, True),
        (Moment(date(2026, 11, 26)), {"weekdays": [5]}, False),
        (Moment(date(2026, 11, 26), time(9)), {"sites": ["Évry"]}, True),
    ],
)
def test_what_is_not_known_is_not_rejected(moment: Moment, limits: dict[str, Any], passes: bool) -> None:
    assert bool(wishes([moment], limits)) is passes


DAYS = st.none() | st.dates(date(2026, 11, 23), date(2026, 12, 6))
HOURS = st.none() | st.times().map(lambda each: each.replace(second=0, microsecond=0, tzinfo=None))
SITES = st.none() | st.sampled_from(["Évry", "Palaiseau"])
MOMENTS = st.builds(Moment, DAYS, HOURS, SITES)
LIMITS = st.builds(
    Limits,
    date_from=DAYS,
    date_to=DAYS,
    weekdays=st.none() | st.lists(st.integers(1, 7), min_size=1, unique=True),
    hour_from=HOURS,
    hour_to=HOURS,
    sites=st.none() | st.lists(st.sampled_from(["Évry", "Palaiseau"]), min_size=1),
)


@given(
    st.lists(st.lists(LIMITS, min_size=1, max_size=3), max_size=4),
    st.lists(MOMENTS, max_size=6),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 5))),
)
def test_the_choice_is_what_each_alert_itself_would_say(
    alerts: list[list[Limits]], moments: list[Moment], known: set[tuple[int, int]]
) -> None:
    ids = [uuid4() for _ in alerts]
    rows = [
        Candidate(alert_id, uuid4(), 1, None, each)
        for alert_id, targets in zip(ids, alerts, strict=True)
        for each in targets
    ]
    told = {(ids[number], slot) for number, slot in known if number < len(ids)}
    before = {each: MatchedBefore(frozenset(slot for key, slot in told if key == each)) for each in ids}
    chosen = {
        (wish.alert.alert_id, slot)
        for wish in select_slots(rows, opened(moments), before)
        for slot in wish.slots
    }
    asked = {
        (alert_id, slot)
        for alert_id, targets in zip(ids, alerts, strict=True)
        for slot, moment in enumerate(moments)
        if any(each.matches(moment) for each in targets)
    }
    assert chosen == asked - told


@in_turn(
    "moment, starts_at, zone, expected",
    [
        ("2026-11-26T23:30:00+00:00", datetime(2026, 11, 26, 23, 30, tzinfo=UTC), "Europe/Paris",
         Moment(date(2026, 11, 27), time(0, 30))),
        ("2026-11-26T23:30:00+00:00", datetime(2026, 11, 26, 23, 30, tzinfo=UTC), "America/Martinique",
         Moment(date(2026, 11, 26), time(19, 30))),
        ("2026-11-26", None, "Indian/Reunion", Moment(date(2026, 11, 26))),
        ("open", None, "Europe/Paris", Moment()),
    ],
)  # fmt: skip
def test_a_slot_is_seen_in_its_desks_own_zone(
    moment: str, starts_at: datetime | None, zone: str, expected: Moment
) -> None:
    row = SlotRow(moment=moment, starts_at=starts_at)
    assert slot_moment(row, ZoneInfo(zone), None) == expected


def test_entitled_is_who_held_a_plan_when_the_slot_was_seen(database: str) -> None:
    now = clock()
    who = world.person(plan=None)
    waiting = world.alert(who)
    world.grant(who, PlanName.URGENCE_24H, now - timedelta(hours=2), now - timedelta(hours=1))
    seen = world.detection()
    expected = {0: [], 60: [], 61: [waiting], 120: [waiting], 121: []}
    assert {ago: found(seen, now - timedelta(minutes=ago)) for ago in expected} == expected


def test_a_procedure_that_we_do_not_know_any_more_matches_nobody(database: str) -> None:
    world.alert(world.person(), world.for_procedure())
    assert found(world.detection(procedures=["ABOLISHED"])) == []


def test_one_alert_can_be_asked_for(database: str) -> None:
    who = world.person()
    first, _second = world.alert(who), world.alert(who)
    assert found(world.detection(), alert_id=first) == [first]


def test_two_targets_of_one_alert_stand_together(database: str) -> None:
    who = world.person()
    waiting = world.alert(who, {"desk_id": world.DESK}, world.for_procedure())
    seen = world.detection()
    assert found(seen) == [waiting, waiting]
    with session() as s:
        rows = candidates(s, s.get_one(Detection, seen), clock())
    assert len(select_slots(rows, opened([Moment()]), {})) == 1
