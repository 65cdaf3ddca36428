"""Openings of reports: they open, are corroborated, end and come back, and no liar alone decides it."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.reports.judgement import (
    CONFIRMED_WITHIN,
    RETURNS_WITHIN,
    Action,
    Look,
    Opening,
    Pair,
    Person,
    Verdict,
    are_unrelated,
    has_lapsed,
    judge_look,
)
from tests.in_turn import in_turn

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def person(number: int, *, home: int = 0, is_trusted: bool = False) -> Person:
    """Return a person; those of one home registered within an hour, from one network."""
    home = home or number
    return Person(
        UUID(int=number), NOON - timedelta(days=home * 2), frozenset({b"home%d" % home}), is_trusted
    )


def look(
    number: int, minutes: float, *, slots: bool = True, network: int = 0, is_answer: bool = False, **of: int
) -> Look:
    """Return a look of a person, `minutes` after noon."""
    given_id, networks = (
        UUID(int=int(minutes * 60 + 3600) * 100 + number),
        frozenset({b"%d" % (network or number)}),
    )
    return Look(given_id, person(number, **of), NOON + minutes * MINUTE, slots, networks, is_answer)  # type: ignore[arg-type]


def opening(seen: float = 0, gone: float | None = None, *, in_doubt: bool = True) -> Opening:
    gone_at = None if gone is None else NOON + gone * MINUTE
    return Opening(UUID(int=7), NOON + seen * MINUTE, in_doubt, gone_at)


FIRST = look(1, 0)
DENIED = look(9, 1, slots=False, is_trusted=True)
# What a look says, by the looks before it and what was open.
CASES: dict[str, tuple[Look, list[Look], Opening | None, Action, bool]] = {
    "one untrusted person opens in doubt": (FIRST, [], None, Action.OPEN, True),
    "a trusted one opens for all": (look(1, 0, is_trusted=True), [], None, Action.OPEN, False),
    "an unrelated one corroborates": (look(2, 5), [FIRST], opening(), Action.CORROBORATE, False),
    "a trusted one corroborates": (look(2, 9, is_trusted=True), [FIRST], opening(), Action.CORROBORATE, False),
    "too late to corroborate": (look(2, 6), [FIRST], opening(), Action.REPEAT, True),
    "the same person": (look(1, 3, network=5), [FIRST], opening(), Action.REPEAT, True),
    "of one network": (look(2, 3, network=1), [FIRST], opening(), Action.REPEAT, True),
    "registered together": (look(2, 3, home=1), [FIRST], opening(), Action.REPEAT, True),
    "a trusted look between denied it": (look(2, 3), [FIRST, DENIED], opening(), Action.REPEAT, True),
    "an untrusted one between denies nothing": (
        look(2, 3), [FIRST, look(3, 1, slots=False)], opening(), Action.CORROBORATE, False,
    ),
    "nor does one alone hold what is sure": (look(2, 9), [FIRST], opening(in_doubt=False), Action.REPEAT, False),
    "two unrelated hold it": (look(2, 9), [FIRST, look(3, 8)], opening(in_doubt=False), Action.CONFIRM, False),
    "an answer opens nothing": (look(2, 3, is_answer=True), [FIRST], None, Action.NOTHING, False),
    "an answer corroborates": (look(2, 3, is_answer=True), [FIRST], opening(), Action.CORROBORATE, False),
    "one none ends no doubt": (look(2, 3, slots=False), [FIRST], opening(), Action.NOTHING, False),
    "two unrelated end it": (
        look(2, 3, slots=False), [FIRST, look(3, 2, slots=False)], opening(), Action.END, False,
    ),
    "two of one network do not": (
        look(2, 3, slots=False, network=3), [FIRST, look(3, 2, slots=False)], opening(), Action.NOTHING, False,
    ),
    "those before the last slots do not": (
        look(2, 3, slots=False), [look(3, -1, slots=False), FIRST], opening(), Action.NOTHING, False,
    ),
    "nobody ends what is corroborated": (
        look(2, 3, slots=False), [look(3, 2, slots=False)], opening(in_doubt=False), Action.NOTHING, False,
    ),
    "back within two hours it is the same": (look(1, 120), [], opening(0, 10), Action.RETURN, True),
    "later it is another": (look(1, 131), [], opening(0, 10), Action.OPEN, True),
    "two none between make it another": (
        look(1, 60), [look(2, 20, slots=False), look(3, 40, slots=False)], opening(0, 10), Action.OPEN, True,
    ),
}  # fmt: skip


@pytest.mark.rule("11.1")
@in_turn("case", CASES)
def test_a_look_says_what_its_people_are_believed(case: str) -> None:
    new, before, was, action, in_doubt = CASES[case]
    assert judge_look(new, before, was)[:2] == (action, in_doubt)


def test_the_same_two_people_corroborate_each_other_once() -> None:
    known = {Pair((UUID(int=1), UUID(int=2)))}
    assert judge_look(look(2, 3), [FIRST], opening(), known).action is Action.REPEAT
    third = judge_look(look(2, 3), [FIRST, look(3, 2)], opening(), known)
    assert (third.action, third.partner and third.partner.person.id) == (Action.CORROBORATE, UUID(int=3))


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
            now_open = Opening(now_open.id, now_open.seen_at, now_open.in_doubt, each.at)
        verdict = judge_look(each, looks[:number], now_open, pairs)
        played.append((each, now_open, verdict))
        if verdict.partner:
            pairs.add(Pair((each.person.id, verdict.partner.person.id)))
        if verdict.action is Action.END and now_open:
            now_open = Opening(now_open.id, now_open.seen_at, now_open.in_doubt, each.at)
        elif verdict.action not in (Action.NOTHING, Action.REPEAT):
            is_new = now_open is None or verdict.action is Action.OPEN
            now_open = Opening(each.id if is_new or not now_open else now_open.id, each.at, verdict.in_doubt)
    return played


@pytest.mark.fuzz
@pytest.mark.rule("11.1")
@given(days_of_looks())
def test_no_order_of_looks_breaks_what_is_promised(looks: list[Look]) -> None:
    met = list[Pair]()
    for number, (each, was, verdict) in enumerate(play(looks)):
        before = looks[:number]
        if verdict.action is Action.END:
            assert was
            assert (was.in_doubt, was.gone_at) == (True, None)
            denials = [one for one in (*before, each) if not one.saw_slots and one.at >= was.seen_at]
            assert any(are_unrelated(*pair) for pair in combinations(denials, 2))
        becomes_sure = (
            verdict.action in (Action.OPEN, Action.RETURN, Action.CORROBORATE) and not verdict.in_doubt
        )
        if becomes_sure and not each.person.is_trusted:
            partner = verdict.partner
            assert partner
            assert (partner.saw_slots, are_unrelated(partner, each)) == (True, True)
            assert timedelta(0) <= each.at - partner.at <= CONFIRMED_WITHIN
            assert not any(
                one.person.is_trusted and not one.saw_slots and partner.at <= one.at for one in before
            )
            pair = Pair((partner.person.id, each.person.id))
            assert pair not in met
            met.append(pair)
        if verdict.action is Action.RETURN:
            assert each.at - ((was and was.gone_at) or NOON) <= RETURNS_WITHIN
        if was and was.gone_at is None and each.saw_slots:
            assert verdict.action in (Action.CONFIRM, Action.CORROBORATE, Action.REPEAT)
        if verdict.action is Action.CONFIRM and not each.person.is_trusted:
            assert any(one.saw_slots and are_unrelated(one, each) for one in before)
