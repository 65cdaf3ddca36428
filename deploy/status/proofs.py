"""Lines of the screen about the proofs on their way."""

from datetime import datetime, timedelta

from rich.text import Text

from configs.clock import clock
from configs.formatting import format_duration, pluralize
from configs.proof_spool_status import SpoolReport
from deploy.status.text import BAD, DIM, GOOD, ODD, line


def lines(part: list[SpoolReport]) -> list[Text]:
    """Say it, machine by machine where there are several."""
    said = [text for each in part for text in _machine_lines(each, named=len(part) > 1)]
    return said or [line(("nobody speaks of them: is `python -m crawler.proofs` running?", ODD))]


def _machine_lines(each: SpoolReport, *, named: bool) -> list[Text]:
    now = clock()
    head = line(
        f"{each.machine}: " if named else "", (f"{pluralize(each.waiting, 'proof')} on the way", _style(each))
    )
    if each.oldest_at:
        head.append(f", the oldest for {_since(each.oldest_at, now)}")
    if each.unpictured:
        head.append(f" · {each.unpictured} to be pictured")
    said = [head.append(f"  store: {each.store}", DIM)]
    if each.away_since:
        said.append(
            line(("the store takes nothing", BAD), f" for {_since(each.away_since, now)}: {each.away}")
        )
    if each.trouble:
        said.append(line(("spiders can leave none", BAD), f": {each.trouble}"))
    if each.given_up or each.pictureless:
        lost = f"today {each.given_up} given up, {each.pictureless} without a picture"
        said.append(line((lost, BAD if each.given_up else ODD)))
    return said


def _style(each: SpoolReport) -> str:
    return ODD if each.waiting else GOOD


def _since(moment: datetime, now: datetime) -> str:
    return format_duration(max(now - moment, timedelta()))
