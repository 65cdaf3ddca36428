"""Openings of reports: they open, are corroborated, end and come back, and no liar alone decides it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.models.looks import Look, Pair, Person, are_unrelated
from crawler.reports.judgement import (
    CONFIRMED_WITHIN,
    RETURNS_WITHIN,
    Action,
    Audience,
    Opening,
    Verdict,
    has_lapsed,
    judge_look,
)
from tests.in_turn import in_turn

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def person(number: int, *, home: int = 0, **known: bool) -> Person:
    """Return a person; those of one home registered within an hour, from one network."""
    home = home or number
    registered = frozenset({b"home%d" % home})
    return Person(UUID(int=number), NOON - timedelta(days=home * 2), registered, **known)  # type: ignore[arg-type]


def look(
    number: int, minutes: float, *, slots: bool = True, network: int | bytes = 0, home: int = 0, first: float | None = None,
    is_answer: bool = False, days: str = "", **known: bool,
) -> Look:  # fmt: skip
    """Return a look of a person, `minutes` after noon, who said so `first` then; `days` of December in one word."""
    key = UUID(int=int(minutes * 60 + 36000) * 100 + number)
    networks = frozenset({network if isinstance(network, bytes) else b"net%d" % (network or number)})
    since = None if first is None else NOON + first * MINUTE
    who = person(number, home=home, **known)
    return Look(key, who, NOON + minutes * MINUTE, slots, networks, is_answer, days.split(), since)


def opening(
    seen: float = 0, gone: float | None = None, *, began: float = 0, sure: float | None = None,
    again: bool = False, by: str = "1", days: str = "",
) -> Opening:  # fmt: skip
    """Return what was open, told to all at `sure`, or in doubt, by the looks of these people."""
    gone_at, told_at = (None if each is None else NOON + each * MINUTE for each in (gone, sure))
    carriers = frozenset(UUID(int=int(each)) for each in by.split())
    return Opening(
        UUID(int=7), NOON + began * MINUTE, NOON + seen * MINUTE, sure is None, gone_at, frozenset(days.split()), told_at,
        again, carriers,
    )  # fmt: skip


FIRST, SECOND = look(1, 0), look(2, 1)
DENIED = look(9, 1, slots=False, is_trusted=True)
SURE = opening(1, sure=1, by="1 2")
TWO_NONE = [look(8, 3, slots=False), look(9, 4, slots=False)]
DOUBTERS, EVERYBODY, AGAIN, NOBODY = Audience.DOUBTERS, Audience.EVERYBODY, Audience.AGAIN, Audience.NOBODY
# What a look says, by the looks before it and what was open: what follows, whether it is in doubt then, who is told.
CASES: dict[str, tuple[Look, list[Look], Opening | None, Action, bool, Audience]] = {
    "one untrusted person opens in doubt": (FIRST, [], None, Action.OPEN, True, DOUBTERS),
    "a trusted one opens for all": (look(1, 0, is_trusted=True), [], None, Action.OPEN, False, EVERYBODY),
    "an unrelated one corroborates": (look(2, 5), [FIRST], opening(), Action.CORROBORATE, False, EVERYBODY),
    "so does one judged later that looked before": (
        look(2, -5), [FIRST], opening(), Action.CORROBORATE, False, EVERYBODY,
    ),
    "a trusted one corroborates": (
        look(2, 9, is_trusted=True), [FIRST], opening(), Action.CORROBORATE, False, EVERYBODY,
    ),
    "too late to corroborate": (look(2, 6), [FIRST], opening(), Action.REPEAT, True, NOBODY),
    "the same person": (look(1, 3, network=5), [FIRST], opening(), Action.REPEAT, True, NOBODY),
    "of one network": (look(2, 3, network=1), [FIRST], opening(), Action.REPEAT, True, NOBODY),
    "registered together": (look(2, 3, home=1), [FIRST], opening(), Action.REPEAT, True, NOBODY),
    "a trusted look between denied it": (look(2, 3), [FIRST, DENIED], opening(), Action.REPEAT, True, NOBODY),
    "a trusted person denies once": (
        look(2, 5), [look(3, 4), DENIED._replace(at=NOON + 4.5 * MINUTE, since=DENIED.at)], opening(), Action.CORROBORATE,
        False, AGAIN,
    ),
    "an untrusted one between denies nothing": (
        look(2, 3), [FIRST, look(3, 1, slots=False)], opening(), Action.CORROBORATE, False, EVERYBODY,
    ),
    "sure by two who had no part in the doubt is told again": (
        look(3, 7), [FIRST, look(2, 6)], opening(), Action.CORROBORATE, False, AGAIN,
    ),
    "nor does one alone hold what is sure": (look(2, 9), [FIRST], SURE, Action.REPEAT, False, NOBODY),
    "not even a trusted one": (look(2, 9, is_trusted=True), [FIRST], SURE, Action.REPEAT, False, NOBODY),
    "two unrelated hold it": (look(2, 9), [FIRST, look(3, 8)], SURE, Action.CONFIRM, False, NOBODY),
    "two new people so soon are no second telling": (
        look(4, 4), [FIRST, SECOND, look(3, 3)], SURE, Action.CONFIRM, False, NOBODY,
    ),
    "two new people five minutes after the telling are": (
        look(4, 6), [FIRST, SECOND, look(3, 5)], SURE, Action.CONFIRM, False, AGAIN,
    ),
    "or once two unrelated denied it": (
        look(4, 4.5), [FIRST, SECOND, look(3, 4.2), *TWO_NONE], SURE, Action.CONFIRM, False, AGAIN,
    ),
    "one new person is none": (look(3, 6), [FIRST, look(2, 5)], SURE, Action.CONFIRM, False, NOBODY),
    "nor is a third telling": (
        look(6, 12), [FIRST, SECOND, look(5, 11)], opening(6, sure=6, again=True, by="1 2 3 4"), Action.CONFIRM, False,
        NOBODY,
    ),
    "after two denials it is another opening": (
        look(6, 12), [FIRST, SECOND, look(5, 11), look(8, 8, slots=False), look(9, 9, slots=False)],
        opening(6, sure=6, again=True, by="1 2 3 4"), Action.OPEN, False, EVERYBODY,
    ),
    "an answer opens nothing": (look(2, 3, is_answer=True), [FIRST], None, Action.NOTHING, False, NOBODY),
    "an answer corroborates": (
        look(2, 3, is_answer=True), [FIRST], opening(), Action.CORROBORATE, False, EVERYBODY,
    ),
    "who is no witness says nothing": (look(2, 3, is_witness=False), [FIRST], opening(), Action.NOTHING, True, NOBODY),
    "one none ends no doubt": (look(2, 3, slots=False), [FIRST], opening(), Action.NOTHING, True, NOBODY),
    "two unrelated end it": (
        look(2, 3, slots=False), [FIRST, look(3, 2, slots=False)], opening(), Action.END, True, NOBODY,
    ),
    "also of a clock that is behind": (
        look(2, 3, slots=False), [FIRST, look(3, -0.03, slots=False)], opening(), Action.END, True, NOBODY,
    ),
    "two of one network do not": (
        look(2, 3, slots=False, network=3), [FIRST, look(3, 2, slots=False)], opening(), Action.NOTHING, True, NOBODY,
    ),
    "those before the last slots do not": (
        look(2, 3, slots=False), [look(3, -1, slots=False), FIRST], opening(), Action.NOTHING, True, NOBODY,
    ),
    "those after which another saw slots do not": (
        look(2, 8, slots=False), [FIRST, look(3, 6, slots=False), look(4, 7)], opening(), Action.NOTHING, True, NOBODY,
    ),
    "nobody ends what is corroborated": (
        look(4, 3, slots=False), [look(3, 2, slots=False)], SURE, Action.NOTHING, False, NOBODY,
    ),
    "days of one in doubt are edits": (
        look(1, 3, days="04"), [FIRST], opening(days="03"), Action.REPEAT, True, DOUBTERS,
    ),
    "of what is sure one alone adds none": (
        look(1, 8, days="04"), [FIRST], opening(1, sure=1, by="1 2", days="03"), Action.REPEAT, False, NOBODY,
    ),
    "what untrusted people saw is the same for a quarter of an hour": (
        look(3, 25), [FIRST], opening(0, 10), Action.RETURN, True, DOUBTERS,
    ),
    "and then another opening": (look(3, 26), [FIRST], opening(0, 10), Action.OPEN, True, DOUBTERS),
    "what a trusted one saw for two hours": (
        look(3, 130), [look(1, 0, is_trusted=True)], opening(0, 10), Action.RETURN, True, DOUBTERS,
    ),
    "later it is another": (look(3, 131), [look(1, 0, is_trusted=True)], opening(0, 10), Action.OPEN, True, DOUBTERS),
    "alone one brings it back for half an hour": (
        look(1, 30, first=0), [FIRST], opening(0, 10), Action.RETURN, True, DOUBTERS,
    ),
    "and no longer": (look(1, 31, first=0), [FIRST], opening(0, 10), Action.NOTHING, True, NOBODY),
    "nor at all where two denied it": (
        look(1, 12, first=0), [FIRST, *TWO_NONE], opening(0, 10), Action.NOTHING, True, NOBODY,
    ),
    "two none between make it another": (
        look(3, 20), [FIRST, *TWO_NONE], opening(0, 10), Action.OPEN, True, DOUBTERS,
    ),
    "back by two new people it is told again": (
        look(4, 13), [FIRST, SECOND, look(3, 12)], opening(1, 11, sure=1, by="1 2"), Action.RETURN, False, AGAIN,
    ),
}  # fmt: skip


@pytest.mark.rule("11.1")
@in_turn("case", CASES)
def test_a_look_says_what_its_people_are_believed(case: str) -> None:
    new, before, was, action, in_doubt, tells = CASES[case]
    verdict = judge_look(new, before, was)
    assert (verdict.action, verdict.opening.in_doubt if verdict.opening else False, verdict.tells) == (
        action, in_doubt, tells,
    )  # fmt: skip


def test_the_same_two_people_corroborate_each_other_once() -> None:
    known = {Pair((UUID(int=1), UUID(int=2)))}
    assert judge_look(look(2, 3), [FIRST], opening(), known).action is Action.REPEAT
    third = judge_look(look(2, 3), [FIRST, look(3, 2)], opening(), known)
    assert (third.action, third.partner and third.partner.person.id) == (Action.CORROBORATE, UUID(int=3))


@pytest.mark.parametrize(("named", "tells"), [(False, DOUBTERS), (True, EVERYBODY)])
def test_a_trusted_person_alone_tells_all_at_a_desk_once_a_day(named: bool, tells: Audience) -> None:
    again = look(1, 0, is_trusted=True, is_named=named)
    assert judge_look(again, [], None, told_alone={again.person.id}).tells is tells


FOUR, SIX = b"\x04net", b"\x06net"


@pytest.mark.parametrize(
    ("networks", "days", "shared", "unrelated"),
    [
        ((FOUR, SIX), 8, (), True),
        ((FOUR, SIX), 7, (), False),
        ((FOUR, SIX), 8, (SIX,), False),
        ((FOUR, b"\x04other"), 1, (SIX,), True),
        ((FOUR, b"other"), 1, (), True),
    ],
)
def test_one_line_has_an_ipv4_and_an_ipv6_network(
    networks: tuple[bytes, bytes], days: int, shared: tuple[bytes, ...], unrelated: bool
) -> None:
    one, other = (look(number, 0, network=network) for number, network in enumerate(networks, 1))
    registered_at, met = one.person.registered_at - timedelta(days=days), frozenset(shared)
    its = other._replace(person=other.person._replace(registered_at=registered_at, networks=met))
    assert are_unrelated(one._replace(person=one.person._replace(networks=met)), its) is unrelated
    assert are_unrelated(its, one) is (unrelated or bool(shared))


@st.composite
def days_of_looks(draw: st.DrawFn) -> list[Look]:
    """Return what a few people say within some hours, in order; some share a network or a home, one is trusted."""
    times = sorted(draw(st.lists(st.integers(0, 300), max_size=25)))
    people = st.tuples(st.integers(1, 6), st.integers(0, 3), st.booleans())
    said = [draw(people) for _ in times]
    return [
        look(who, at, slots=slots, network=network, is_trusted=who == 6)
        for at, (who, network, slots) in zip(times, said, strict=True)
    ]


def play(looks: list[Look]) -> list[tuple[Look, Opening | None, Verdict]]:
    """Return each look with what was open before it and what followed."""
    played, now_open, pairs = list[tuple[Look, Opening | None, Verdict]](), None, set[Pair]()
    for number, each in enumerate(looks):
        if now_open and now_open.gone_at is None and has_lapsed(now_open, each.at):
            now_open = replace(now_open, gone_at=each.at)
        verdict = judge_look(each, looks[:number], now_open, pairs)
        played.append((each, now_open, verdict))
        if verdict.partner:
            pairs.add(Pair((each.person.id, verdict.partner.person.id)))
        now_open = verdict.opening
    return played


@pytest.mark.fuzz
@pytest.mark.rule("11.1")
@given(days_of_looks())
def test_no_order_of_looks_breaks_what_is_promised(looks: list[Look]) -> None:
    met, told = list[Pair](), list[tuple[UUID, Audience]]()
    for number, (each, was, verdict) in enumerate(play(looks)):
        before, shown, partner = looks[:number], verdict.opening, verdict.partner
        if verdict.action is Action.END:
            assert was
            assert (was.in_doubt, was.gone_at) == (True, None)
            denials = [one for one in (*before, each) if not one.saw_slots and one.at >= was.seen_at]
            assert any(are_unrelated(*pair) for pair in combinations(denials, 2))
        if partner:
            assert (partner.saw_slots, are_unrelated(partner, each)) == (True, True)
            assert abs(each.at - partner.at) <= CONFIRMED_WITHIN
            assert each.person.is_trusted or Pair((partner.person.id, each.person.id)) not in met
            met.append(Pair((partner.person.id, each.person.id)))
        becomes_sure = verdict.action in (Action.OPEN, Action.RETURN, Action.CORROBORATE)
        if becomes_sure and shown and not shown.in_doubt:
            assert each.person.is_trusted or partner
        if verdict.action is Action.RETURN:
            assert each.at - ((was and was.gone_at) or NOON) <= RETURNS_WITHIN
        if verdict.tells in (Audience.EVERYBODY, Audience.AGAIN) and shown:
            told.append((shown.id, verdict.tells))
            assert told.count((shown.id, Audience.AGAIN)) <= 1
            assert verdict.tells is Audience.EVERYBODY or partner
        if was and shown and was.gone_at is None and shown.seen_at > was.seen_at and shown.id == was.id:
            others = [one for one in before if one.saw_slots and are_unrelated(one, each)]
            assert others or each.person.is_trusted
