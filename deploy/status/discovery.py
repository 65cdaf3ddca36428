"""Lines of the screen about discovery: the last run, and desks whose page seems to have moved."""

from rich.text import Text

from api.health.discovery_overview import DiscoveryOverview, DiscoveryWalk, MovedDesk
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.text import DIM, GOOD, ODD, first, line


def lines(part: DiscoveryOverview) -> list[Text]:
    """Say it."""
    return [_walk_line(part.last), *first([_drift_line(each) for each in part.drifts], "drifts")]


def _walk_line(last: DiscoveryWalk | None) -> Text:
    if last is None:
        return line(("no walk yet", DIM))
    age = format_duration(clock() - last.started_at)
    if last.ended_at is None:
        return line(("walking", GOOD), f" for {age}")
    end = (" · cut: its time was up", ODD) if last.cut else ("", "")
    found = pluralize(last.found, "new booking page")
    return line(
        f"last walk {age} ago: {pluralize(last.pages, 'page')}, ", (found, ODD if last.found else GOOD), end
    )


def _drift_line(each: MovedDesk) -> Text:
    return line(
        (each.reason, ODD),
        f" for {format_duration(clock() - each.since)}: {each.desk}",
        (f" {each.detail}", DIM),
    )
