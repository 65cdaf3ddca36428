"""Lines of the screen about the due queues."""

from rich.text import Text

from api.health.due_overview import Due
from configs.formatting import pluralize
from deploy.status.text import BAD, DIM, GOOD, ODD, line

_LATE = 1.0  # seconds; a desk that waits longer shows that something is slow


def lines(part: list[Due]) -> list[Text]:
    """Say it."""
    return [_due_line(each) for each in part] or [line(("nothing is scheduled", BAD))]


def _due_line(each: Due) -> Text:
    style = GOOD if each.latest_seconds <= _LATE else BAD
    late = (
        f"{each.overdue} overdue, by {each.latest_seconds:.1f} s at most" if each.overdue else "none overdue"
    )
    said = line(f"{each.system}: {pluralize(each.desks, 'desk')}, ", (late, style))
    if each.held_back:
        said.append(f"; {each.held_back} wait for their hosts", ODD)
    return said.append(f"; {each.pushed} asked for", DIM) if each.pushed else said
