"""Judgement of looks: what follows one more look at a desk's page. Pure: looks and what was open in, a verdict out.

A look that saw slots opens, or confirms. What one untrusted person saw is in doubt until it is corroborated: by a
trusted person, or by two unrelated ones within CONFIRMED_WITHIN, in whichever order they are judged. What is
corroborated is closed by nobody's `none`: it lapses. What is in doubt is ended by two unrelated ones. What one person
says again lasts no longer for it: two liars would hold an opening for days, and hide each one that comes meanwhile.

One opening is told once. Evidence decides what is the same: what two people who had no part in the telling see is told
again, once, where the telling is old or two denied it; a third time it is another opening (tests/lab/liars.py).
"""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from heapq import nlargest
from typing import NamedTuple
from uuid import UUID

from api.models.looks import Look, Pair, are_unrelated
from configs.settings import Constant

CONFIRMED_WITHIN = timedelta(minutes=5)  # of each other; and so old a telling may be followed by a second one
# What comes back so soon after it was gone is the same opening; of what untrusted people alone saw only for themselves
RETURNS_WITHIN, UNTRUSTED_RETURNS_WITHIN = timedelta(hours=2), timedelta(minutes=15)
CARRIED_ALONE = timedelta(minutes=30)  # at most, by one person
TOLD_ALONE_AGAIN = timedelta(hours=24)  # after which one person alone tells all at a desk once more
_SKEW = timedelta(seconds=2)  # between clocks of machines
_COMPARED = 5  # the newest looks: all with all would hold the desk's lock for seconds
# How long what people saw is open after the last of them saw it
report_lapse_seconds = Constant("REPORT_LAPSE_SECONDS", 600.0)


@dataclass(frozen=True, slots=True)
class Opening:
    """What people saw at a desk last: open, or gone since `gone_at`."""

    id: UUID  # of its first look
    began_at: datetime
    seen_at: datetime  # by the last look that more than one person carries
    in_doubt: bool
    gone_at: datetime | None = None
    days: frozenset[str] = frozenset()
    told_at: datetime | None = None  # to all, last
    is_told_again: bool = False
    carriers: frozenset[UUID] = frozenset()  # people whose looks made it be told


class Action(Enum):
    """What follows a look."""

    NOTHING = auto()
    OPEN = auto()  # of another opening that is open it is the end
    RETURN = auto()  # the same opening is open again
    CONFIRM = auto()  # seen once more
    REPEAT = auto()  # seen once more, by somebody alone: it lasts no longer for that
    CORROBORATE = auto()  # in doubt no more
    END = auto()


class Audience(Enum):
    """Who is told, of those who wait for the desk and were told nothing of this opening."""

    NOBODY = auto()
    DOUBTERS = auto()  # who asked for what is in doubt
    EVERYBODY = auto()
    AGAIN = auto()  # everybody, and by free channels those who were told and have not looked


class Verdict(NamedTuple):
    """What follows a look: what is open afterwards, whom it is told, whose look corroborated it.

    `days`: those that it adds; pages, notices and chats show them.
    """

    action: Action
    opening: Opening | None
    tells: Audience = Audience.NOBODY
    days: tuple[str, ...] = ()
    partner: Look | None = None


def judge_look(
    look: Look,
    before: Collection[Look],
    opening: Opening | None,
    known_pairs: AbstractSet[Pair] = frozenset(),
    told_alone: AbstractSet[UUID] = frozenset(),
) -> Verdict:
    """Return what follows a look, by each person's last looks before it and what was open.

    `known_pairs`: people who corroborated each other lately, and may not again. `told_alone`: who told all at this desk
    within TOLD_ALONE_AGAIN what nobody else saw.
    """
    if not look.person.is_witness or not look.saw_slots:
        return _judge_none(look, before, opening)
    partner, is_new = _find_partner(look, before, opening, known_pairs)
    is_believed = look.person.is_trusted and (look.person.is_named or look.person.id not in told_alone)
    is_sure = is_believed or partner is not None
    is_own = opening is not None and partner is None and look.is_said_again(opening.began_at)
    if opening is None or not _is_same(look, before, opening, is_new=is_new, is_own=is_own):
        return _open(look, opening, partner, in_doubt=not is_sure)
    is_open = opening.gone_at is None
    if not is_open and (look.is_answer or (partner is None and not _is_carried(look, before, opening))):
        return Verdict(Action.NOTHING, opening)
    in_doubt = not is_sure and (opening.in_doubt or not is_open)
    action = Action.CONFIRM if partner else Action.REPEAT
    if not is_open or opening.in_doubt is not in_doubt:
        action = Action.CORROBORATE if is_open else Action.RETURN
    seen_at = opening.seen_at if action is Action.REPEAT else max(look.at, opening.seen_at)
    may_add = partner or in_doubt or not opening.days
    days = tuple(each for each in look.days if each not in opening.days) if may_add else ()
    all_days = opening.days.union(days)
    shown = replace(opening, seen_at=seen_at, in_doubt=in_doubt, gone_at=None, days=all_days)
    is_narrower = action is Action.RETURN or days
    tells = _all_of(shown) if is_narrower else Audience.NOBODY
    if not in_doubt and opening.told_at is None:
        tells = Audience.AGAIN if is_new else Audience.EVERYBODY
    elif not in_doubt and is_new and _is_told_again(look, before, opening):
        tells = Audience.AGAIN
    known = None if action is Action.CONFIRM else partner
    return _tell(Verdict(action, shown, tells, days, known), look, partner)


def _judge_none(look: Look, before: Collection[Look], opening: Opening | None) -> Verdict:
    is_doubted = opening is not None and opening.gone_at is None and opening.in_doubt
    if opening is None or not is_doubted or not look.person.is_witness:
        return Verdict(Action.NOTHING, opening)
    if not _is_denied_twice(_list_standing([*before, look]), opening.seen_at, look):
        return Verdict(Action.NOTHING, opening)
    return Verdict(Action.END, replace(opening, gone_at=max(look.at, opening.seen_at)))


def _open(look: Look, opening: Opening | None, partner: Look | None, *, in_doubt: bool) -> Verdict:
    if look.is_answer:
        return Verdict(Action.NOTHING, opening)
    shown = Opening(look.id, look.at, look.at, in_doubt, days=frozenset(look.days))
    return _tell(Verdict(Action.OPEN, shown, _all_of(shown), tuple(look.days), partner), look, partner)


def has_lapsed(opening: Opening, now: datetime) -> bool:
    """Return whether the last look at an opening is too long ago."""
    return now >= opening.seen_at + timedelta(seconds=report_lapse_seconds())


def _all_of(opening: Opening) -> Audience:
    return Audience.DOUBTERS if opening.in_doubt else Audience.EVERYBODY


def add_telling(opening: Opening, at: datetime, people: Iterable[UUID], *, is_again: bool = False) -> Opening:
    """Return an opening after a telling of it; one that only shows new days, or that it is back, changes nothing."""
    is_first = not opening.carriers if opening.in_doubt else opening.told_at is None
    if not is_first and not is_again:
        return opening
    return replace(
        opening,
        told_at=opening.told_at if opening.in_doubt else at,
        is_told_again=opening.is_told_again or is_again,
        carriers=opening.carriers.union(people),
    )


def _tell(verdict: Verdict, look: Look, partner: Look | None) -> Verdict:
    """Return a verdict with what a telling, where it is one, makes of the opening."""
    shown = verdict.opening
    if shown is None or verdict.tells is Audience.NOBODY:
        return verdict
    people, is_again = (each.person.id for each in (look, partner) if each), verdict.tells is Audience.AGAIN
    told = add_telling(shown, shown.seen_at, people, is_again=is_again)
    return verdict if told is shown else verdict._replace(opening=told, partner=partner)


def _is_told_again(look: Look, before: Collection[Look], opening: Opening) -> bool:
    """Return whether the telling to all is followed by a second one, where two new people see slots."""
    if opening.is_told_again or opening.told_at is None:
        return False
    return look.at - opening.told_at >= CONFIRMED_WITHIN or _is_denied_twice(before, opening.told_at)


def _is_same(look: Look, before: Collection[Look], opening: Opening, *, is_new: bool, is_own: bool) -> bool:
    """Return whether a look is of what is open, or was lately; `is_own`: of a person who is alone with it once more."""
    if opening.gone_at is None:
        is_spent = is_new and opening.is_told_again and opening.told_at is not None
        return not (is_spent and _is_denied_twice(before, opening.told_at or look.at))
    is_old = look.at - opening.gone_at > UNTRUSTED_RETURNS_WITHIN and not any(
        each.person.is_trusted for each in before if each.saw_slots and each.at >= opening.began_at
    )
    is_other = is_old or _is_denied_twice(_list_standing(before), opening.seen_at)
    return look.at - opening.gone_at <= RETURNS_WITHIN and (is_own or not is_other)


def _is_carried(look: Look, before: Collection[Look], opening: Opening) -> bool:
    """Return whether what is gone may come back by one person alone."""
    is_late = look.at - max(look.first_at, opening.began_at) > CARRIED_ALONE
    return not is_late and not _is_denied_twice(_list_standing(before), opening.seen_at)


def _find_partner(
    look: Look, before: Collection[Look], opening: Opening | None, known_pairs: AbstractSet[Pair]
) -> tuple[Look | None, bool]:
    """Return a look that corroborates this one, and whether both are of people who had no part in a telling.

    Any two that saw slots do, whom no trusted look between denied: each person's first of an opening counts.
    """
    carriers = opening.carriers if opening else frozenset[UUID]()
    carried = [each for each in before if each.saw_slots and each.person.id in carriers]
    denials = [each.first_at for each in before if each.person.is_trusted and not each.saw_slots]

    def is_partner(each: Look) -> bool:
        if not each.saw_slots or abs(look.at - each.at) > CONFIRMED_WITHIN:
            return False
        is_met = not look.person.is_trusted and Pair((each.person.id, look.person.id)) in known_pairs
        begin, end = sorted((each.at, look.at))
        return not is_met and not any(begin <= at <= end for at in denials) and are_unrelated(each, look)

    def has_no_part(each: Look) -> bool:
        return each.person.id not in carriers and all(are_unrelated(each, one) for one in carried)

    is_told = opening is not None and opening.told_at is not None
    if not is_told and (part := next(filter(is_partner, carried), None)):
        return part, False
    if carriers and has_no_part(look):
        found = next((each for each in before if is_partner(each) and has_no_part(each)), None)
        if found:
            return found, True
    return next(filter(is_partner, before), None), False


def _is_denied_twice(looks: Collection[Look], since: datetime, last: Look | None = None) -> bool:
    """Return whether two unrelated people saw none since then, and `last`, where it is given, is one of them."""
    denials = [each for each in looks if not each.saw_slots and each.networks and each.at >= since - _SKEW]
    newest = [last] if last else nlargest(_COMPARED, denials, key=lambda each: each.at)
    return any(are_unrelated(one, other) for one in newest for other in denials)


def _list_standing(looks: Collection[Look]) -> list[Look]:
    """Return looks without the denials after which somebody unrelated saw slots for the first time."""
    later = nlargest(_COMPARED, (each for each in looks if each.saw_slots), key=lambda each: each.first_at)
    return [
        each
        for each in looks
        if each.saw_slots
        or not any(one.first_at > each.at + _SKEW and are_unrelated(one, each) for one in later)
    ]
