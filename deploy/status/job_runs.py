"""Lines of the screen about background jobs."""

from rich.text import Text

from api.health.job_overview import JobStatus
from api.models.job_run import JobResult
from configs.clock import clock
from configs.formatting import format_duration
from deploy.status.text import BAD, DIM, GOOD, ODD, join_pieces, line


def lines(part: list[JobStatus]) -> list[Text]:
    """Say it."""
    return [join_pieces(_job_line(each) for each in part)] if part else [line(("none was due lately", ODD))]


def _job_line(each: JobStatus) -> Text:
    told = line(f"{each.job} ")
    if each.result is JobResult.FAILED:
        told.append(f"failed ({each.error})", BAD)
    elif each.result and each.counts and each.counts.get("failed"):
        told.append(f"{each.result.value}, {each.counts['failed']} failed", BAD)
    elif each.result:
        told.append(each.result.value, GOOD)
    if each.ended_at:
        told.append(f" {format_duration(clock() - each.ended_at)} ago", DIM)
    if each.due_at:
        told.append(" runs" if each.runs else f" due for {format_duration(clock() - each.due_at)}", ODD)
    return told
