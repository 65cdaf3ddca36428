"""`make simulate ARGS=liars`: worlds of people who report falsely, and the table of what each comes to."""

from datetime import timedelta

from tests.crawler.reports.town import Crew, World, simulate

_SEEDS, _WEEKS = 5, 26
_EACH_EIGHT, _EACH_FIVE = timedelta(minutes=8), timedelta(minutes=5)

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


def main() -> None:
    """Print the table."""
    head = "false alarms a week | told in time | kept from"
    print(
        f"| liars | asked for doubt: {head} | others: {head} | most before the list | liars listed | after | honest listed |"
    )
    print("| --- " * 11 + "|")
    for name, world in WORLDS.items():
        print(f"| {name} | {simulate(world, range(_SEEDS), _WEEKS).as_row()} |", flush=True)


if __name__ == "__main__":
    main()
