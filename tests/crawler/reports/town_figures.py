"""Figures of a town: what its openings and its liars come to, for those who asked for what is in doubt and for others."""

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import NamedTuple

from api.models.looks import Look, are_unrelated
from api.models.report import VouchKind
from tests.crawler.reports.town import BEGIN, MINUTE, WEEK, Member, Slots, Town, World

_LATE = 5.0  # minutes


class Half(NamedTuple):
    """What came to those who asked for doubt, or to the others."""

    alarms: float  # false, of a person in a week
    most_a_day: int  # false alarms of one person in 24 hours
    in_time: float  # share of openings
    kept_from: int  # times that a person was not told, since untrusted liars' message went before
    hidden: float  # the longest time that a person did not know of what was open, in minutes
    late: float  # share of openings of which a person did not know for more than five minutes


class Figures(NamedTuple):
    """What a world came to."""

    doubters: Half
    others: Half
    paid: int  # the most tellings of one opening to one person by SMS or call
    free: float  # tellings of one opening to one person who was told, on average
    most_before_list: int  # false alarms of one person who did not ask for doubt
    listed: str  # liars, and after how many false tellings to those who asked + to all
    honest_listed: int
    trusted: float  # honest people, at the end
    unheard: float  # share of honest people who were no witness for some days

    def as_row(self) -> str:
        """Return it as cells of a table of worlds."""
        halves = self.doubters, self.others
        cells = (f"{each.alarms:.2f} | {each.in_time:.0%} | {each.kept_from}" for each in halves)
        return f"{' | '.join(cells)} | {self.most_before_list} | {self.listed} | {self.honest_listed}"

    def as_aimed_row(self) -> str:
        """Return it as cells of a table of worlds whose slots are released at known hours."""
        cells = (
            f"{each.hidden:.1f} | {each.late:.1%} | {each.alarms:.2f} | {each.most_a_day}"
            for each in (self.doubters, self.others)
        )
        return f"{' | '.join(cells)} | {self.paid} | {self.free:.2f} | {self.listed} | {self.unheard:.0%}"


def simulate(world: World, seeds: Sequence[int], weeks: int) -> Figures:
    """Live through a world some times."""
    towns = [Town(world, seed, weeks).live() for seed in seeds]
    honest = [each for town in towns for each in town.honest]
    known = [(each, slots) for town in towns for each in town.honest for slots in town.real]
    told = [[one.is_paid for one in each.messages if one.slots is slots] for each, slots in known]
    after = sorted(each for town in towns for each in town.listed_after)
    middle = "{} + {}".format(*after[len(after) // 2]) if after else ""
    liars = sum(len(town.members) for town in towns) - len(honest)
    doubters, others = (
        _measure(
            [each for each in honest if each.asks_doubt is asks],
            [(each, slots) for each, slots in known if each.asks_doubt is asks],
            weeks,
        )
        for asks in (True, False)
    )
    return Figures(
        doubters,
        others,
        paid=max(map(sum, told), default=0),
        free=sum(map(len, told)) / max(1, sum(map(bool, told))),
        most_before_list=max(each.before_list for each in honest if not each.asks_doubt),
        listed=f"{len(after)} of {liars} | {middle}",
        honest_listed=sum(each.is_listed for each in honest),
        trusted=sum(each.is_trusted(BEGIN + weeks * WEEK) for each in honest) / len(towns),
        unheard=sum(
            any(one.kind in (VouchKind.DENIED, VouchKind.DENIED_WIDELY) for one in each.vouches.values())
            for each in honest
        )
        / len(honest),
    )


def count_lost_pairs(world: World) -> float:
    """Return the share of pairs of honest people that count as one person."""
    people = Town(world, 0, 1).honest
    looks = [
        Look(each.person.id, each.person, BEGIN, saw_slots=True, networks=each.networks) for each in people
    ]
    pairs = [are_unrelated(*pair) for pair in combinations(looks, 2)]
    return pairs.count(False) / len(pairs)


def _measure(people: Collection[Member], known: Collection[tuple[Member, Slots]], weeks: int) -> Half:
    waits = [(slots.known.get(each.person.id, slots.ends) - slots.begins) / MINUTE for each, slots in known]
    return Half(
        alarms=sum(len(each.false_alarms) for each in people) / len(people) / weeks,
        most_a_day=max(each.most_a_day for each in people),
        in_time=sum(each.person.id in slots.known for each, slots in known) / max(1, len(known)),
        kept_from=sum(each.person.id in slots.kept_from - slots.known.keys() for each, slots in known),
        hidden=max(waits, default=0),
        late=sum(each > _LATE for each in waits) / max(1, len(waits)),
    )
