"""A town of people who report, honest and liars, by the product's own judgement: who is told of what, and who is not.

One desk, one opening in six days that lives 3 to 20 minutes. Honest people look six times a day between 7 and 23 h and
press what they see; every second one asked for doubt, every fourth of the others may be asked to look; an operator named
two. Who is told or asked looks, too, in half of the cases, some minutes later. The statements of writer, list and trust
are retold here; judge_look, has_lapsed and are_unrelated are the product's.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple
from uuid import UUID

from api.models.report import TRUST_LASTS, TRUSTED_LOOKS
from crawler.reports import judgement
from crawler.reports.judgement import Action, Look, Opening, Pair, Person, Verdict, are_unrelated
from crawler.reports.trust import PAIRED_FOR

_BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
_MINUTE, _DAY, _WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(days=7)
_FROM, _UNTIL = 7, 23  # hours in which people look and slots open
_LATELY = timedelta(hours=3)  # as trust reckons: so long after a message a look gives none
_ASKED, _A_DAY = 5, 3  # people about one opening; requests to one of them
_CONFIRMED = judgement.CONFIRMED_WITHIN
_LISTED = 2  # openings that nobody else saw, in a week, put a person on the operators' list


@dataclass(frozen=True)
class Crew:
    """Liars of one mind. `beat`: between two of their looks; `together`: all look within four minutes.

    `sleeps`: they say what they see until they are trusted.
    """

    size: int
    says_slots: bool = True
    beat: timedelta = timedelta(minutes=160)
    together: bool = False
    one_network: bool = False
    sleeps: bool = False


_HONEST = Crew(0)


class World(NamedTuple):
    """Honest people, and the liars beside them."""

    honest: int
    crews: tuple[Crew, ...] = ()
    between: timedelta = timedelta(days=6)  # two openings


@dataclass(eq=False)
class Member:
    """One account and what became of it."""

    person: Person
    networks: frozenset[bytes]
    crew: Crew
    asks_doubt: bool = False
    may_be_asked: bool = False
    is_named: bool = False
    vouched: list[date] = field(default_factory=list)
    told_at: list[datetime] = field(default_factory=list)  # by us
    asked_at: list[datetime] = field(default_factory=list)
    alone: dict[UUID, datetime] = field(default_factory=dict)  # openings that nobody else saw
    is_listed: bool = False
    false_alarms: int = 0
    before_list: int = 0  # false alarms before a liar was on the list

    def is_trusted(self, at: datetime) -> bool:
        """Whether the person's look alone is told to all."""
        fresh = self.vouched and self.vouched[-1] > (at - TRUST_LASTS).date()
        return self.is_named or bool(len(self.vouched) >= TRUSTED_LOOKS and fresh)


@dataclass
class Told:
    """One opening as people report it: whose looks it has, and who was told of it, truly or not."""

    # Each one's last, and whether a message led there.
    looks: dict[UUID, tuple[Member, Look, bool]] = field(default_factory=dict)
    people: dict[UUID, bool] = field(default_factory=dict)
    was_sure: bool = False
    denied_by: set[UUID] = field(default_factory=set)  # while it was sure


class Slots(NamedTuple):
    """A real opening, by those who were told in time, and those whom an earlier false message kept from it."""

    begins: datetime
    ends: datetime
    in_time: set[UUID]
    kept_from: set[UUID]


class Town:
    """People of one desk through some weeks; `rng` gives each its own dice, so worlds differ by their liars alone."""

    def __init__(self, world: World, seed: int, weeks: int) -> None:
        self._world, self._seed, self._ends = world, seed, _BEGIN + weeks * _WEEK
        crews = [_HONEST] * world.honest + [crew for crew in world.crews for _ in range(crew.size)]
        self.members = {each.person.id: each for each in map(self._settle, count(1), crews)}
        self.real = list(self._draw_real())
        self._ids, self._dice = count(10**6), random.Random(f"{seed} reactions")
        self._looks = [(at, number, who) for number, (at, who) in enumerate(self._draw_looks())]
        heapify(self._looks)
        self._before: list[Look] = []
        self._opening: Opening | None = None
        self._told: dict[UUID, Told] = defaultdict(Told)
        self._pairs: dict[Pair, datetime] = {}
        self.false_tellings = {True: 0, False: 0}  # by whether they went to those only who asked for doubt
        self.listed_after: list[
            tuple[int, int]
        ] = []  # false tellings to those, and to all, at a liar's listing

    def _settle(self, number: int, crew: Crew) -> Member:
        name = b"crew" if crew.one_network else b"%d" % number
        registered = _BEGIN - (90 if crew.one_network else 90 + number) * _DAY
        person = Person(UUID(int=number), registered, frozenset({name}))
        honest = crew is _HONEST
        return Member(
            person, frozenset({name}), crew, asks_doubt=honest and number % 2 == 0,
            may_be_asked=honest and number % 4 == 1, is_named=honest and number <= 2,
        )  # fmt: skip

    def _draw_real(self) -> Iterator[Slots]:
        dice, at = random.Random(f"{self._seed} slots"), _BEGIN
        while (at := at + dice.expovariate(1) * self._world.between) < self._ends:
            begins = at.replace(hour=dice.randrange(_FROM, _UNTIL), minute=dice.randrange(60))
            yield Slots(begins, begins + dice.uniform(3, 20) * _MINUTE, set(), set())

    def _draw_looks(self) -> Iterator[tuple[datetime, Member]]:
        for member in self.members.values():
            number, crew = member.person.id.int, member.crew
            dice = random.Random(f"{self._seed} {'crew' if crew.together else number}")
            late = random.Random(number).uniform(0, 4) * _MINUTE if crew.together else timedelta(0)
            at = _BEGIN + dice.random() * crew.beat
            while at < self._ends:
                if _FROM <= at.hour < _UNTIL:
                    yield at + late, member
                at += crew.beat * (dice.expovariate(1) if crew is _HONEST or crew.beat == _HONEST.beat else 1)

    def live(self) -> "Town":
        """Have everybody look, in order."""
        while self._looks:
            at, _, member = heappop(self._looks)
            if at < self._ends:
                self._look(member, at)
        return self

    def _find_slots(self, at: datetime) -> Slots | None:
        return next((each for each in self.real if each.begins <= at < each.ends), None)

    def _look(self, member: Member, at: datetime) -> None:
        slots, crew = self._find_slots(at), member.crew
        is_trusted = member.is_trusted(at)
        says_true = crew is _HONEST or (crew.sleeps and not is_trusted)
        says_slots = slots is not None if says_true else crew.says_slots
        look = Look(
            UUID(int=next(self._ids)), member.person._replace(is_trusted=is_trusted), at, says_slots, member.networks,
        )  # fmt: skip
        verdict = self._judge(look)
        self._keep(look, verdict)
        if not says_slots and self._opening and not self._opening.in_doubt and self._opening.gone_at is None:
            self._told[self._opening.id].denied_by.add(member.person.id)
        if says_slots and self._opening:
            self._note(member, look, verdict.partner)
            self._tell(verdict, self._told[self._opening.id], look, slots)
            self._list(member, look)

    def _judge(self, look: Look) -> Verdict:
        """Judge a look as the writer does: by each person's last look of each kind since the opening was seen."""
        opening = self._opening
        if opening and opening.gone_at is None and judgement.has_lapsed(opening, look.at):
            gone_at = opening.seen_at + timedelta(seconds=judgement.report_lapse_seconds())
            opening = self._opening = replace(opening, gone_at=gone_at)
            self._list_pair(self._told[opening.id])
        if opening and opening.gone_at and opening.gone_at < look.at - judgement.RETURNS_WITHIN - _CONFIRMED:
            opening = self._opening = None
        since = look.at - _CONFIRMED
        since = min(since, opening.seen_at) if opening else since
        self._before = [each for each in self._before if each.at >= since]
        last = {(each.person.id, each.saw_slots): each for each in self._before}
        known = {pair for pair, met in self._pairs.items() if met > look.at - PAIRED_FOR}
        verdict = judgement.judge_look(look, last.values(), opening, known)
        if verdict.partner:
            self._pairs[Pair((look.person.id, verdict.partner.person.id))] = look.at
        return verdict

    def _keep(self, look: Look, verdict: Verdict) -> None:
        """Write what follows, as the writer does."""
        self._before.append(look)
        was = self._opening
        match verdict.action:
            case Action.END if was:
                self._opening = replace(was, gone_at=look.at)
            case Action.CONFIRM | Action.CORROBORATE if was:
                self._opening = replace(was, seen_at=look.at, in_doubt=verdict.in_doubt)
            case Action.OPEN | Action.RETURN:
                is_same = was is not None and verdict.action is Action.RETURN
                self._opening = Opening(was.id if was and is_same else look.id, look.at, verdict.in_doubt)

    def _note(self, member: Member, look: Look, partner: Look | None) -> None:
        """Give trust by what a trusted, unrelated person saw too, to who was not led there, once a day."""
        told = self._told[self._opening.id] if self._opening else Told()
        led = any(look.at - _LATELY <= at for at in member.told_at[-1:])
        told.looks[member.person.id] = member, look, led
        if partner:  # of an opening that was ended meanwhile, maybe
            other = self.members[partner.person.id]
            told.looks.setdefault(other.person.id, (other, partner, True))
            other.alone = {key: at for key, at in other.alone.items() if at < look.at - _CONFIRMED}
        lately = [each for each in told.looks.values() if each[1].at > look.at - _LATELY]
        trusted = [its for _, its, _ in lately if its.person.is_trusted]
        for one, its, was_led in lately if trusted else ():
            beside = any(are_unrelated(each, its) for each in trusted)
            if beside and not was_led and one.vouched[-1:] != [look.at.date()]:
                one.vouched.append(look.at.date())

    def _tell(self, verdict: Verdict, told: Told, look: Look, slots: Slots | None) -> None:
        opening, honest = self._opening, [each for each in self.members.values() if each.crew is _HONEST]
        if opening is None:
            return
        in_doubt = opening.in_doubt
        told.was_sure |= opening.gone_at is None and not in_doubt
        concerned = [each for each in honest if each.asks_doubt or not in_doubt]
        if slots:  # who looks there knows by the look itself
            slots.in_time.add(look.person.id)
            untold = {each.person.id for each in concerned if told.people.get(each.person.id) is False}
            lied = [its for one, its, _ in told.looks.values() if one.crew is not _HONEST]
            slots.kept_from.update(set() if any(each.person.is_trusted for each in lied) else untold)
        if verdict.action not in (Action.OPEN, Action.RETURN, Action.CORROBORATE):
            return
        lately = look.at - _CONFIRMED
        is_true = slots is not None or any(
            one.crew is _HONEST and its.at >= lately for one, its, _ in told.looks.values()
        )
        new = [each for each in concerned if each.person.id not in {*told.people, look.person.id}]
        for each in new:
            told.people[each.person.id] = is_true
            self._reach(each, look.at)
            if slots:
                slots.in_time.add(each.person.id)
            elif not is_true:
                each.false_alarms += 1
                each.before_list += not any(one.is_listed for one, _, _ in told.looks.values())
        if new and not is_true:
            self.false_tellings[in_doubt] += 1
        if in_doubt and verdict.action is not Action.RETURN:
            self._ask(told, look.at)

    def _reach(self, member: Member, at: datetime) -> None:
        """Have somebody who was told or asked look, perhaps."""
        member.told_at.append(at)
        after = at + self._dice.expovariate(1 / 3) * _MINUTE
        if self._dice.random() < 0.5 and _FROM <= after.hour < _UNTIL:
            heappush(self._looks, (after, next(self._ids), member))

    def _ask(self, told: Told, at: datetime) -> None:
        free = [
            each
            for each in self.members.values()
            if each.may_be_asked and each.person.id not in told.people
            and sum(before > at - _DAY for before in each.asked_at) < _A_DAY
        ]  # fmt: skip
        for each in self._dice.sample(free, min(_ASKED, len(free))):
            each.asked_at.append(at)
            self._reach(each, at)

    def _list(self, member: Member, look: Look) -> None:
        """Put on the operators' list who saw several openings, lately, that nobody else did."""
        if self._opening is None or member.is_listed:
            return
        key = self._opening.id
        told = self._told[key]
        if told.was_sure and any(are_unrelated(its, look) for _, its, _ in told.looks.values()):
            for one, _, _ in told.looks.values():
                one.alone.pop(key, None)
            return
        member.alone = {each: at for each, at in member.alone.items() if at > look.at - _WEEK}
        member.alone.setdefault(key, look.at)
        if len(member.alone) >= _LISTED:
            self._put_on_list(member)

    def _list_pair(self, told: Told) -> None:
        """Put there two untrusted people whose opening was told to all, that two others denied and no third saw."""
        saw = [(one, its) for one, its, _ in told.looks.values() if not one.is_listed]
        is_pair = len(saw) == len(told.looks) == 2 and not any(its.person.is_trusted for _, its in saw)
        if told.was_sure and is_pair and len(told.denied_by) >= 2:
            for one, _ in saw:
                self._put_on_list(one)

    def _put_on_list(self, member: Member) -> None:
        member.is_listed = True
        if member.crew is not _HONEST:
            self.listed_after.append((self.false_tellings[True], self.false_tellings[False]))


class Figures(NamedTuple):
    """What a world came to: pairs are of those who asked for doubt, and of the others."""

    alarms: list[float]  # false, of a person in a week
    in_time: list[float]  # share of openings
    kept_from: list[int]  # times that a person was not told, since untrusted liars' message went before
    most_before_list: int  # false alarms of one person who did not ask for doubt
    listed: str  # liars, and after how many false tellings to those who asked + to all
    honest_listed: int

    def as_row(self) -> str:
        """Return it as cells of a table."""
        both = zip(self.alarms, self.in_time, self.kept_from, strict=True)
        cells = (f"{alarms:.2f} | {share:.0%} | {kept}" for alarms, share, kept in both)
        return f"{' | '.join(cells)} | {self.most_before_list} | {self.listed} | {self.honest_listed}"


def simulate(world: World, seeds: Sequence[int], weeks: int) -> Figures:
    """Live through a world some times."""
    towns = [Town(world, seed, weeks).live() for seed in seeds]
    everybody = [(town, each) for town in towns for each in town.members.values()]
    honest = [(town, each) for town, each in everybody if each.crew is _HONEST]
    alarms, in_time, kept_from = list[float](), list[float](), list[int]()
    for asks in (True, False):
        mine = [(town, each) for town, each in honest if each.asks_doubt is asks]
        due = [(each.person.id, slots) for town, each in mine for slots in town.real]
        alarms.append(sum(each.false_alarms for _, each in mine) / len(mine) / weeks)
        in_time.append(sum(who in slots.in_time for who, slots in due) / max(len(due), 1))
        kept_from.append(sum(who in slots.kept_from - slots.in_time for who, slots in due))
    after = sorted(each for town in towns for each in town.listed_after)
    tellings = "{} + {}".format(*after[len(after) // 2]) if after else ""
    return Figures(
        alarms, in_time, kept_from, max(each.before_list for _, each in mine),
        f"{len(after)} of {len(everybody) - len(honest)} | {tellings}", sum(each.is_listed for _, each in honest),
    )  # fmt: skip
