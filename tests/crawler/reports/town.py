"""A town of people who report, honest and liars, by the product's own judgement: who is told of what, and who is not.

One desk, whose openings live 3 to 20 minutes: one in six days, or at hours of release that everybody knows. Honest
people look six times a day between 7 and 23 h and press what they see; every second one asked for doubt, every fourth
of the others may be asked to look; an operator named two. Who is told or asked looks, too, in half of the cases, some
minutes later. The queries of writer, matching, list and trust are retold here; judge_look, has_lapsed, weigh_looks and
are_unrelated are the product's.
"""

import random
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from itertools import count
from typing import NamedTuple
from uuid import UUID

from api.models.looks import Look, Pair, Person, are_unrelated
from api.models.report import TRUSTED_LOOKS, VouchKind, WeighedLook, weigh_looks
from crawler.reports import judgement
from crawler.reports.judgement import Action, Audience, Opening, Verdict
from crawler.reports.trust import NO_WITNESS_FOR, PAIRED_FOR

BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
MINUTE, _DAY, WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(days=7)
_BY_DAY = 7, 23  # hours in which people look and slots open
_RELEASE_DAYS, _RELEASE_HOUR = (0, 3), 9  # Mondays and Thursdays
_LATELY = timedelta(hours=3)  # as trust reckons: so long after a message a look gives none
_ASKED, _A_DAY = 5, 3  # people about one opening; requests to one of them
_CONFIRMED = judgement.CONFIRMED_WITHIN
_LISTED = 2  # openings that nobody else saw, in a week, put a person on the operators' list
_DENIED_FOR, _AT_ONCE = timedelta(minutes=30), timedelta(minutes=5)  # after a telling, as trust reckons


@dataclass(frozen=True)
class Crew:
    """Liars of one mind. `beat`: between two of their looks; `together`: all look within four minutes.

    `sleeps`: they say what they see until they are trusted. `before`: they look so many minutes before each release, a
    pair for each number, other pairs at the next. `hours`: in which they look. `is_named`, `has_earned`: trusted, from
    the beginning; `reads_checks`: right three times then, where checks see slots.
    """

    size: int
    says_slots: bool = True
    beat: timedelta = timedelta(minutes=160)
    together: bool = False
    one_network: bool = False
    sleeps: bool = False
    before: tuple[float, ...] = ()
    hours: tuple[int, int] = _BY_DAY
    is_named: bool = False
    has_earned: bool = False
    reads_checks: bool = False


_HONEST = Crew(0)


class World(NamedTuple):
    """Honest people, and the liars beside them.

    `reporters`: so many honest people look at a release `within` so long; without any, slots open at any hour, one in
    `between`. `skew`: by so much the clock that stamps every second look is behind. `curious`: the share of those who
    are told or asked that looks.
    """

    honest: int
    crews: tuple[Crew, ...] = ()
    between: timedelta = timedelta(days=6)
    reporters: int = 0
    within: timedelta = timedelta(minutes=3)
    named: int = 2
    has_ipv6: bool = False  # every second honest person
    skew: timedelta = timedelta(0)
    curious: float = 0.5


@dataclass(eq=False)
class Slots:
    """A real opening, and who knew of it since when; and those whom an earlier false message kept from it."""

    begins: datetime
    ends: datetime
    known: dict[UUID, datetime] = field(default_factory=dict)
    kept_from: set[UUID] = field(default_factory=set)


class Message(NamedTuple):
    """One telling as a person got it: of what, if it was true, and whether by SMS or call, too."""

    at: datetime
    slots: Slots | None
    is_paid: bool


@dataclass(eq=False)
class Member:
    """One account and what became of it."""

    person: Person
    networks: frozenset[bytes]
    crew: Crew
    asks_doubt: bool = False
    may_be_asked: bool = False
    is_named: bool = False
    vouches: dict[UUID, WeighedLook] = field(default_factory=dict)  # by opening
    messages: list[Message] = field(default_factory=list)
    told_alone: tuple[datetime, UUID] | None = None  # when the person told all of which opening, last
    looked_at: datetime = BEGIN - WEEK
    led_at: datetime = BEGIN - WEEK  # by a message of ours, last
    asked_at: list[datetime] = field(default_factory=list)
    alone: dict[UUID, datetime] = field(default_factory=dict)  # openings that nobody else saw
    is_listed: bool = False
    before_list: int = 0  # false alarms before a liar was on the list

    def is_trusted(self, at: datetime) -> bool:
        """Whether the person's look alone is told to all."""
        looks, _ = weigh_looks([*self.vouches.values()], at.date())
        return self.is_named or looks >= TRUSTED_LOOKS

    def know(self, at: datetime) -> Person:
        """Return what judgement knows of the person."""
        since, denied = (at - NO_WITNESS_FOR).date(), (VouchKind.DENIED, VouchKind.DENIED_WIDELY)
        is_denied = any(each.kind in denied and each.on > since for each in self.vouches.values())
        return self.person._replace(
            is_trusted=self.is_trusted(at), is_named=self.is_named, is_witness=self.is_named or not is_denied,
        )  # fmt: skip

    @property
    def false_alarms(self) -> list[datetime]:
        """When the person was told of what was not open."""
        return [each.at for each in self.messages if each.slots is None]

    @property
    def most_a_day(self) -> int:
        """The most false alarms within 24 hours."""
        alarms = self.false_alarms
        return max((number - bisect(alarms, at - _DAY) for number, at in enumerate(alarms, 1)), default=0)


@dataclass
class Told:
    """One opening as people report it: whose looks it has, and who was told of it, truly or not."""

    # Each one's last, and whether a message led there.
    looks: dict[UUID, tuple[Member, Look, bool]] = field(default_factory=dict)
    people: dict[UUID, bool] = field(default_factory=dict)
    was_sure: bool = False
    denied_by: set[UUID] = field(default_factory=set)  # while it was sure


@dataclass
class Telling:
    """One telling to all, who carried it, and who saw none soon after, when."""

    look: Look
    partner: Look | None
    opening: UUID
    people: set[UUID]
    denied: dict[UUID, datetime] = field(default_factory=dict)


class Town:
    """People of one desk through some weeks; `rng` gives each its own dice, so worlds differ by their liars alone."""

    def __init__(self, world: World, seed: int, weeks: int) -> None:
        self.world, self._seed, self._ends = world, seed, BEGIN + weeks * WEEK
        crews = [_HONEST] * world.honest + [crew for crew in world.crews for _ in range(crew.size)]
        self.members = {each.person.id: each for each in map(self._settle, count(1), crews)}
        self.honest = [each for each in self.members.values() if each.crew is _HONEST]
        self.real = list(self._draw_releases() if world.reporters else self._draw_real())
        self._ids, self._dice = count(10**6), random.Random(f"{seed} reactions")
        drawn = [*self._draw_looks(), *self._draw_aimed()]
        self._looks = [(at, number, who) for number, (at, who) in enumerate(drawn)]
        heapify(self._looks)
        self._before: list[Look] = []
        self._opening: Opening | None = None
        self._told: dict[UUID, Told] = defaultdict(Told)
        self._tellings: list[Telling] = []
        self._pairs: dict[Pair, datetime] = {}
        self.false_tellings = {True: 0, False: 0}  # by whether they went to those only who asked for doubt
        # False tellings to those, and to all, at a liar's listing
        self.listed_after: list[tuple[int, int]] = []

    def _settle(self, number: int, crew: Crew) -> Member:
        honest, family = crew is _HONEST, 6 if self.world.has_ipv6 and number % 2 else 4
        name = b"%c%d" % (family, 0 if crew.one_network else number)
        age = 90.0 if crew.one_network else 90.0 + number
        if honest:
            age = random.Random(f"{number} age").uniform(2, 365)
        person = Person(UUID(int=number), BEGIN - age * _DAY, frozenset({name}))
        knows_how = crew.has_earned or crew.reads_checks
        earned = WeighedLook(VouchKind.SHARED, BEGIN.date(), is_unreadable=crew.has_earned)
        return Member(
            person, frozenset({name}), crew, asks_doubt=honest and number % 2 == 0,
            may_be_asked=honest and number % 4 == 1, is_named=crew.is_named or (honest and number <= self.world.named),
            vouches={UUID(int=key): earned for key in range(TRUSTED_LOOKS if knows_how else 0)},
        )  # fmt: skip

    def _draw_real(self) -> Iterator[Slots]:
        dice, at = random.Random(f"{self._seed} slots"), BEGIN
        while (at := at + dice.expovariate(1) * self.world.between) < self._ends:
            begins = at.replace(hour=dice.randrange(*_BY_DAY), minute=dice.randrange(60))
            yield Slots(begins, begins + dice.uniform(3, 20) * MINUTE)

    def _draw_releases(self) -> Iterator[Slots]:
        dice = random.Random(f"{self._seed} slots")
        for day in range((self._ends - BEGIN).days):
            begins = BEGIN + day * _DAY + timedelta(hours=_RELEASE_HOUR)
            if begins.weekday() in _RELEASE_DAYS:
                yield Slots(begins, begins + dice.uniform(3, 20) * MINUTE)

    def _draw_looks(self) -> Iterator[tuple[datetime, Member]]:
        for member in self.members.values():
            number, crew = member.person.id.int, member.crew
            dice = random.Random(f"{self._seed} {'crew' if crew.together else number}")
            late = random.Random(number).uniform(0, 4) * MINUTE if crew.together else timedelta(0)
            at = BEGIN + dice.random() * crew.beat
            while at < self._ends and not crew.before:
                if _is_between(at.hour, crew.hours):
                    yield at + late, member
                at += crew.beat * (dice.expovariate(1) if crew is _HONEST or crew.beat == _HONEST.beat else 1)

    def _draw_aimed(self) -> Iterator[tuple[datetime, Member]]:
        """Yield the looks of those who know when slots are released, honest or not."""
        for number, slots in enumerate(self.real if self.world.reporters else ()):
            dice = random.Random(f"{self._seed} release {number}")
            for each in dice.sample(self.honest, self.world.reporters):
                yield slots.begins + dice.random() * self.world.within, each
            for crew in self.world.crews:
                mine = [each for each in self.members.values() if each.crew is crew]
                for pair, minutes in zip(_list_pairs(mine, number), crew.before, strict=False):
                    for each in pair:
                        yield slots.begins + (dice.random() - minutes) * MINUTE, each

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
        slots, crew, number = self._find_slots(at), member.crew, next(self._ids)
        person = member.know(at)
        says_true = crew is _HONEST or (crew.sleeps and not person.is_trusted)
        says_slots = slots is not None if says_true else crew.says_slots
        stamp = at - self.world.skew * (number % 2)
        look = Look(UUID(int=number), person, stamp, says_slots, member.networks)
        if slots and says_true:
            slots.known.setdefault(member.person.id, at)
        member.looked_at = at
        verdict = self._judge(look)
        if verdict.action is Action.NOTHING and not person.is_witness:
            return
        self._keep(look, verdict)
        if not says_slots:
            self._deny(look)
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
        since = min(since, opening.began_at) if opening else since
        self._before = [each for each in self._before if each.at >= since]
        first_at, last = dict[tuple[UUID, bool], datetime](), dict[tuple[UUID, bool], Look]()
        for each in self._before:
            first = first_at.setdefault((each.person.id, each.saw_slots), each.at)
            last[each.person.id, each.saw_slots] = each if first == each.at else each._replace(since=first)
        if first_said := first_at.get((look.person.id, look.saw_slots)):
            look = look._replace(since=min(first_said, look.at))
        known = {pair for pair, met in self._pairs.items() if met > look.at - PAIRED_FOR}
        alone = {each.person.id for each in self.members.values() if self._has_told_alone(each, look.at)}
        verdict = judgement.judge_look(look, last.values(), opening, known, alone)
        if verdict.partner:
            self._pairs[Pair((look.person.id, verdict.partner.person.id))] = look.at
        elif verdict.tells is Audience.EVERYBODY and verdict.opening:
            self.members[look.person.id].told_alone = look.at, verdict.opening.id
        return verdict

    def _has_told_alone(self, member: Member, now: datetime) -> bool:
        """Return whether the person lately told all what nobody else saw."""
        at, key = member.told_alone or (BEGIN - _DAY, member.person.id)
        is_late = at > now - judgement.TOLD_ALONE_AGAIN
        return is_late and not self._told[key].looks.keys() - {member.person.id}

    def _keep(self, look: Look, verdict: Verdict) -> None:
        """Write what follows, as the writer does."""
        self._before.append(look)
        self._opening = verdict.opening

    def _note(self, member: Member, look: Look, partner: Look | None) -> None:
        """Give trust by what a trusted, unrelated person saw too, to who was not led there, once a day."""
        opening = self._opening
        if opening is None:
            return
        told = self._told[opening.id]
        told.looks[member.person.id] = member, look, look.at - _LATELY <= member.led_at
        if partner:  # of an opening that was ended meanwhile, maybe
            other = self.members[partner.person.id]
            told.looks.setdefault(other.person.id, (other, partner, True))
            other.alone = {key: at for key, at in other.alone.items() if at < look.at - _CONFIRMED}
        lately = [each for each in told.looks.values() if each[1].at > look.at - _LATELY]
        trusted = [its for _, its, _ in lately if its.person.is_trusted]
        for one, its, was_led in lately if trusted else ():
            beside = any(are_unrelated(each, its) for each in trusted)
            if beside and not was_led and all(each.on < look.at.date() for each in one.vouches.values()):
                one.vouches[opening.id] = WeighedLook(VouchKind.SHARED, look.at.date(), is_unreadable=True)

    def _deny(self, look: Look) -> None:
        """Note who carried to all what two denied and nobody else saw, as the statement of trust does."""
        self._tellings = [each for each in self._tellings if each.look.at > look.at - _DENIED_FOR]
        for each in self._tellings:
            if each.look.networks & look.networks:
                continue
            each.denied[look.person.id] = look.at
            carriers = [its.person.id for its in (each.look, each.partner) if its]
            saw = {key for key, (_, its, _) in self._told[each.opening].looks.items() if its.saw_slots}
            if len(each.denied) < 2 or saw - {*carriers}:
                continue
            at_once = [key for key, at in each.denied.items() if at <= each.look.at + _AT_ONCE]
            is_wide = len(carriers) == 1 and len(each.people & {*at_once}) > 4
            kind = VouchKind.DENIED_WIDELY if is_wide else VouchKind.DENIED
            for key in carriers:
                vouches = self.members[key].vouches
                if each.opening not in vouches or (
                    is_wide and vouches[each.opening].kind is VouchKind.DENIED
                ):
                    vouches[each.opening] = WeighedLook(kind, look.at.date(), is_unreadable=True)

    def _tell(self, verdict: Verdict, told: Told, look: Look, slots: Slots | None) -> None:
        opening = self._opening
        if opening is None:
            return
        in_doubt = opening.in_doubt
        told.was_sure |= opening.gone_at is None and not in_doubt
        concerned = [each for each in self.honest if each.asks_doubt or not in_doubt]
        if slots:
            untold = {each.person.id for each in concerned if told.people.get(each.person.id) is False}
            lied = [its for one, its, _ in told.looks.values() if one.crew is not _HONEST]
            slots.kept_from.update(set() if any(each.person.is_trusted for each in lied) else untold)
        if verdict.tells is Audience.NOBODY:
            return
        lately = look.at - _CONFIRMED
        is_seen = any(one.crew is _HONEST and its.at >= lately for one, its, _ in told.looks.values())
        about = slots or (self._find_last(look.at) if is_seen else None)
        new = [each for each in concerned if self._is_told(each, verdict, told, look)]
        is_first = not told.people
        for each in new:
            is_paid = not in_doubt and each.person.id not in told.people
            told.people[each.person.id] = about is not None
            self._reach(each, Message(look.at, about, is_paid))
            if slots:
                slots.known.setdefault(each.person.id, look.at)
            elif about is None:
                each.before_list += not any(one.is_listed for one, _, _ in told.looks.values())
        if not in_doubt:
            people = {each.person.id for each in new}
            self._tellings.append(Telling(look, verdict.partner, opening.id, people))
        if new and about is None:
            self.false_tellings[in_doubt] += 1
        if in_doubt and is_first:
            self._ask(told, look.at)

    def _is_told(self, member: Member, verdict: Verdict, told: Told, look: Look) -> bool:
        """Return whether a person is told: of each opening once, again who does not know by looks of their own."""
        key = member.person.id
        if key == look.person.id or key not in told.people:
            return key != look.person.id
        first = min(look.at, verdict.partner.at) if verdict.partner else look.at
        return verdict.tells is Audience.AGAIN and member.looked_at < first and key not in told.looks

    def _find_last(self, at: datetime) -> Slots | None:
        return next((each for each in reversed(self.real) if each.begins <= at), None)

    def _reach(self, member: Member, message: Message) -> None:
        member.messages.append(message)
        self._lead(member, message.at)

    def _lead(self, member: Member, at: datetime) -> None:
        """Have somebody who was told or asked look, perhaps."""
        member.led_at = at
        after = at + self._dice.expovariate(1 / 3) * MINUTE
        if self._dice.random() < self.world.curious and _is_between(after.hour, _BY_DAY):
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
            self._lead(each, at)

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
        member.alone = {each: at for each, at in member.alone.items() if at > look.at - WEEK}
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


def _is_between(hour: int, hours: tuple[int, int]) -> bool:
    """Return whether an hour is of such, also over midnight."""
    first, end = hours
    return first <= hour < end if first < end else hour >= first or hour < end


def _list_pairs(people: Sequence[Member], turn: int) -> list[tuple[Member, ...]]:
    """Return disjoint pairs, others in each turn, as in a tournament; one person alone."""
    first, *others = people
    if not others:
        return [(first,)]
    ring = [first, *others[turn % len(others) :], *others[: turn % len(others)]]
    return list(zip(ring[: len(ring) // 2], reversed(ring), strict=False))
