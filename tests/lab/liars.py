"""`make simulate ARGS=liars`: worlds of people who report falsely, the tables of what each comes to, and the goals."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from tests.crawler.reports.town import Crew, World
from tests.crawler.reports.town_figures import Figures, count_lost_pairs, simulate
from tests.lab.bench.figures import Figure

_SEEDS, _WEEKS, _AIMED_WEEKS = 5, 26, 8
_EACH_EIGHT, _EACH_FIVE = timedelta(minutes=8), timedelta(minutes=5)

# One opening in six days, and liars who do not know when.
WORLDS: dict[str, World] = {
    "100 people, no liar": World(100),
    "100 people, 1 % lie": World(99, (Crew(1),)),
    "100 people, 5 % lie": World(95, (Crew(5),)),
    "20 people, no liar": World(20),
    "one": World(20, (Crew(1),)),
    "one, each 8 minutes": World(20, (Crew(1, beat=_EACH_EIGHT),)),
    "a pair": World(20, (Crew(2, together=True),)),
    "a pair, each 8 minutes": World(20, (Crew(2, together=True, beat=_EACH_EIGHT),)),
    "a pair, once in 8 days": World(20, (Crew(2, together=True, beat=timedelta(days=8)),)),
    "ten of one network": World(20, (Crew(10, together=True, one_network=True),)),
    "ten of ten networks": World(20, (Crew(10, together=True),)),
    "a sleeper": World(20, (Crew(1, sleeps=True, beat=_EACH_FIVE),)),
    "two liars of none": World(20, (Crew(2, says_slots=False, beat=_EACH_FIVE),)),
    "ten liars of none": World(20, (Crew(10, says_slots=False, beat=_EACH_FIVE),)),
    "five of slots, five of none": World(
        20, (Crew(5, together=True), Crew(5, says_slots=False, beat=_EACH_FIVE))
    ),
}
# Untrusted accounts, alone and in pairs: they reach nobody who did not ask for doubt twice, and suppress nothing.
BOUND = [name for name in WORLDS if name.startswith(("one", "a pair", "two liars"))]

_RELEASES = World(40, reporters=3)  # on Mondays and Thursdays at nine
_AIMS = (
    (1.0,),
    (2.0,),
    (5.0,),
    (12.0,),
    (60.0,),
    (5.5, 1.0),
    (7.0, 2.0),
    (12.0, 6.0),
)  # minutes before, of each pair
AIMED = {
    f"{size} accounts, {' and '.join(f'{each:g}' for each in before)} min before": _RELEASES._replace(
        crews=(Crew(size, before=before),)
    )
    for size in (2, 4, 10)
    for before in _AIMS
    if size >= 2 * len(before)
} | {
    "4 accounts, 5 min before, one told person in ten looks": _RELEASES._replace(
        crews=(Crew(4, before=(5.0,)),), curious=0.1
    ),
    "4 accounts that were right at a checked desk, 5 min before": _RELEASES._replace(
        crews=(Crew(4, before=(5.0,), reads_checks=True),)
    ),
}
_WITH_TIME = tuple(
    f"s, {minutes} min before" for minutes in (2, 5, 12, 60)
)  # by a pair that leaves people time to look
# By the crew of one trusted person: false messages of a day, and whom they keep from what is open.
_TRUSTED = {
    "looks as others do": Crew(1),
    "each 9 minutes": Crew(1, beat=timedelta(minutes=9)),
    "each 9 minutes of the night": Crew(1, beat=timedelta(minutes=9), hours=(23, 7)),
    "5 min before": Crew(1, before=(5.0,)),
    "a sleeper": Crew(1, sleeps=True, beat=_EACH_FIVE),
}
TRUSTED = {
    f"trusted{' by an operator' if is_named else ''}, {name}": _RELEASES._replace(
        crews=(replace(crew, is_named=is_named, has_earned=not is_named),)
    )
    for is_named in (False, True)
    for name, crew in _TRUSTED.items()
} | {
    "trusted by an operator, says none, nobody else is trusted": _RELEASES._replace(
        crews=(Crew(1, says_slots=False, beat=_EACH_FIVE, is_named=True),), named=0
    )
}
HONEST = {f"no liar, {reporters} reporters": World(60, reporters=reporters) for reporters in (2, 5, 20)} | {
    f"no liar, 2 reporters within 3 s, skew of {seconds} s": _RELEASES._replace(
        reporters=2, within=timedelta(seconds=3), skew=timedelta(seconds=seconds)
    )
    for seconds in (0, 2)
}
_NAMED = {named: World(60, reporters=5, named=named) for named in (0, 1, 2)}
_TRUSTED_BEFORE = {0: 0.0, 1: 1.4, 2: 3.0}  # of them, by rules that counted no misses


def _print_worlds(worlds: Mapping[str, World]) -> dict[str, Figures]:
    """Print what worlds come to; pairs are of those who asked for doubt, and of the others."""
    head = "longest hidden, min | hidden 5 min | false alarms a week | most in 24 h"
    print(
        f"\n| liars | asked for doubt: {head} | others: {head} | by SMS or call, most | free, mean | listed | after | honest unheard |"
    )
    print("| --- " * 14 + "|")
    found = {}
    for name, world in worlds.items():
        found[name] = simulate(world, range(_SEEDS), _AIMED_WEEKS)
        print(f"| {name} | {found[name].as_aimed_row()} |", flush=True)
    return found


def _reckon(
    aimed: Mapping[str, Figures], trusted: Mapping[str, Figures], honest: Mapping[str, Figures]
) -> Iterator[Figure]:
    """Yield the goals, each with the worst that was measured."""
    worst = {name: max(each.doubters.hidden, each.others.hidden) for name, each in aimed.items()}
    for size in (2, 4, 10):
        mine = {name: hidden for name, hidden in worst.items() if name.startswith(f"{size} ")}
        pair = [hidden for name, hidden in mine.items() if name.endswith(_WITH_TIME)]
        what = "3 honest reporters: longest hidden, minutes"
        yield Figure(f"a pair of {size} accounts 2 to 60 min before, {what}", max(pair), "≤ 5")
        yield Figure(f"a pair of {size} a minute before, or two pairs, {what}", max(mine.values()), "≤ 5")
    for how, is_named in (("earned trust", False), ("was named by an operator", True)):
        found = [each for name, each in trusted.items() if ("operator" in name) is is_named]
        asked, others = (
            max(each.doubters.most_a_day for each in found),
            max(each.others.most_a_day for each in found),
        )
        what = f"a liar who {how}: false messages to one person in 24 hours"
        yield Figure(f"{what}, who asked for doubt", asked, "≤ 2")
        yield Figure(f"{what}, others", others, "≤ 2")
    yield Figure("an honest opening: by SMS or call, most", max(each.paid for each in honest.values()), "≤ 1")
    yield Figure(
        "an honest opening: free messages, mean", max(each.free for each in honest.values()), "≤ 1.2"
    )
    yield Figure(
        "honest pairs lost where half are on IPv6, %",
        count_lost_pairs(World(100, has_ipv6=True)) * 100,
        "≤ 5",
    )
    for named, world in _NAMED.items():
        trusted_now = simulate(world, range(_SEEDS), _WEEKS).trusted
        yield Figure(
            f"trusted after 26 weeks, {named} named", trusted_now, f"≥ {_TRUSTED_BEFORE[named] / 2:g}"
        )


def main() -> None:
    """Print the tables, then the goals with what was measured."""
    head = "false alarms a week | told in time | kept from"
    print(
        f"| liars | asked for doubt: {head} | others: {head} | most before the list | liars listed | after | honest listed |"
    )
    print("| --- " * 11 + "|")
    for name, world in WORLDS.items():
        print(f"| {name} | {simulate(world, range(_SEEDS), _WEEKS).as_row()} |", flush=True)
    aimed, trusted, honest = map(_print_worlds, (AIMED, TRUSTED, HONEST))
    print("\n| goal | bound | measured | met |")
    print("| --- " * 4 + "|")
    for each in _reckon(aimed, trusted, honest):
        print(f"| {each.name} | {each.goal} | {each.shown} | {each.verdict} |")


if __name__ == "__main__":
    main()
