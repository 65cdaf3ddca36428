"""Lines of the screen about the queues of jobs."""

from rich.text import Text

from api.health.queue_overview import WaitingJobs
from api.models.job_run import PAYMENTS
from configs.matching_queues import MATCHING
from deploy.status.text import BAD, GOOD, ODD, join_pieces, line

_ALWAYS = (*MATCHING, PAYMENTS)
_LATE = 1.0  # seconds; a job that waits longer shows that something is slow


def lines(part: list[WaitingJobs]) -> list[Text]:
    """Say it; of the queues that are not for matching or payments, those in which something waits or failed."""
    told = [each for each in part if each.name in _ALWAYS or each.jobs or each.failed]
    return [join_pieces(_jobs_line(each) for each in told)]


def _jobs_line(each: WaitingJobs) -> Text:
    said = line(f"{each.name} ", (str(each.jobs), ODD if each.jobs else GOOD))
    if each.oldest_seconds is not None:
        said.append(f" (oldest {each.oldest_seconds:.1f} s)", BAD if each.oldest_seconds > _LATE else "")
    return said.append(f" {each.failed} failed", BAD) if each.failed else said
