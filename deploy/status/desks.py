"""Lines of the screen about the desks."""

from rich.text import Text

from api.health.desk_overview import DeskOverview, DeskPace, DeskTrouble
from api.models.desk import DeskStatus
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.text import BAD, DIM, GOOD, ODD, first, join_pieces, line


def lines(part: DeskOverview) -> list[Text]:
    """Say it."""
    statuses = [
        line((f"{number} {status}", GOOD if status == DeskStatus.ACTIVE else ODD))
        for status, number in part.by_status.items()
        if number
    ]
    said = [line(f"{part.watched} watched: ", join_pieces(statuses) if statuses else "none yet")]
    if part.unwatched:
        said[0].append(f"; {part.unwatched} not watched", DIM)
    said += first([_trouble(each) for each in part.troubles], "reasons")
    if part.pace:
        said.append(_pace_line(part.pace))
    newest = format_duration(clock() - part.newest_check_at) + " ago" if part.newest_check_at else "never"
    said.append(line(f"newest check {newest} · {pluralize(part.waiting_alerts, 'alert')} waiting"))
    opened = f"{pluralize(part.open_slots, 'slot')} open at {pluralize(part.open_desks, 'desk')}"
    said.append(line(f"{opened} · {pluralize(part.detections_last_hour, 'detection')} in an hour"))
    return said


def _trouble(each: DeskTrouble) -> Text:
    style = BAD if each.status is DeskStatus.ERROR else ODD
    more = f" and {len(each.desks) - 1} more" if len(each.desks) > 1 else ""
    return line((each.status.value, style), f" {each.reason}: {each.desks[0]}{more}")


def _pace_line(pace: DeskPace) -> Text:
    worst = f"worst {pace.worst:.2f} ({pace.achieved_seconds:.0f} s for {pace.wished_seconds:.0f} s)"
    return line(f"achieved ÷ wished: median {pace.median:.2f}, {worst} ", (pace.desk, DIM))
