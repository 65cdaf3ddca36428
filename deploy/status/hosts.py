"""Lines of the screen about hosts and outages."""

from collections import Counter

from rich.text import Text

from api.health.host_overview import HostOverview, OutageOverview
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.text import BAD, DIM, GOOD, ODD, first, join_pieces, line


def lines(part: HostOverview) -> list[Text]:
    """Say it."""
    said = [line((each.host, BAD), f" stopped by an operator: {each.reason}") for each in part.stopped]
    said += [
        line((each.host, ODD), f" rests {format_duration(each.until - clock())} more: {each.reason}")
        for each in part.resting
    ]
    said += [line((each.host, ODD), f" at {each.share:.0%} of its budget") for each in part.reduced]
    return first(said, "hosts") or [line(("all asked as usual", GOOD))]


def outage_lines(part: OutageOverview) -> list[Text]:
    """Say it."""
    if not part.open:
        return [line(("none", GOOD))]
    reasons = Counter(each.reason for each in part.open)
    head = line(
        (pluralize(len(part.open), "desk"), ODD), " not watched: ",
        join_pieces(Text(f"{number} {reason}") for reason, number in reasons.most_common()),
    )  # fmt: skip
    now = clock()
    oldest = [
        line(f"{each.reason} for {format_duration(now - each.since)}", (f"  {each.desk}", DIM))
        for each in part.open
    ]
    return [head, *first(oldest, "desks")]
