"""Lines of the screen about alarms."""

from rich.text import Text

from api.health.alarm_overview import AlarmOverview, OpenAlarm
from configs.clock import clock
from configs.formatting import format_duration, pluralize
from deploy.status.text import BAD, DIM, GOOD, first, line


def lines(part: AlarmOverview) -> list[Text]:
    """Say it."""
    if not part.open:
        return [line(("none open", GOOD))]
    head = line((pluralize(len(part.open), "alarm"), BAD), " not acknowledged")
    return [head, *first([_describe(each) for each in part.open], "alarms")]


def _describe(alarm: OpenAlarm) -> Text:
    age = f" for {format_duration(clock() - alarm.told_at)}" if alarm.told_at else ""
    again = ", sent once more" if alarm.repeated_at else ""
    return line(f"no. {alarm.id} {alarm.reason}{age}{again}", (f"  {alarm.subject}", DIM))
