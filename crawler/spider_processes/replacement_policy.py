"""Replacement policy: which spider processes are started, and which are asked to end. Pure.

A successor is started first. Its predecessor is asked to end only once the successor waits for a lease, so that code
that does not start, or a slow machine, never stops the watching.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from configs.constants import Constant
from crawler.scheduling.queues import CrawlQueue
from crawler.spider_processes.registry import SpiderProcess

# Age at which a spider process is replaced, plus up to a quarter of it
_SPIDER_AGE_SECONDS = Constant("SPIDER_AGE_SECONDS", 6 * 3600.0)

_JITTER = 0.25  # of the age: processes that were started together do not end together


@dataclass(frozen=True, slots=True)
class Job:
    """A job that scrapyd runs. `process` is its registry entry, None where it has none (yet).

    `silent`: seconds since its last entry, or since it was first seen; `patience`: how many it may be silent.
    `asked`: whether it was asked to end.
    """

    id: str
    process: SpiderProcess | None
    silent: float = 0
    asked: bool = False
    patience: float = field(kw_only=True)

    @property
    def stays(self) -> bool:
        """Whether nothing makes it end so far."""
        return not self.asked and not (self.process and self.process.state == "ending")


@dataclass(frozen=True, slots=True)
class Code:
    """The deployed version, and when it was first seen."""

    version: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """How many to start and why, and which jobs to ask to end, each with the reason."""

    start: int = 0
    why: str = "missing"
    end: tuple[tuple[str, str], ...] = ()


def decide(jobs: Sequence[Job], wanted: int, code: Code | None, now: datetime) -> Decision:
    """Decide for one queue; `jobs` oldest first, `code` None while a deploy may be at work."""
    staying = [job for job in jobs if job.stays]
    if len(staying) < wanted:
        return Decision(wanted - len(staying))
    tired = {job.id: why for job in staying if (why := replacement_reason(job, code, now))}
    if len(staying) == wanted:
        if tired and len(jobs) == wanted:  # one after the other: no job is ending
            job, why = next((job, tired[job.id]) for job in staying if job.id in tired)
            return Decision(1, f"to replace job {job.id}: {why}")
        return Decision()
    leaving = _order_leaving(staying, tired)[: len(staying) - wanted]
    if len(tired) == len(staying) and not any(job.process for job in staying):
        leaving = staying[wanted:]  # none came up: the youngest make room for another attempt
    elif not all(job.process for job in staying if job not in leaving):
        return Decision()
    return Decision(end=tuple((job.id, tired.get(job.id, "one too many")) for job in leaving))


def replacement_reason(job: Job, code: Code | None, now: datetime) -> str | None:
    """Return why a job should be replaced, None where it should not."""
    process = job.process
    if not process:
        silent = job.silent > job.patience
        return f"it has not been heard of for {job.silent:.0f} s" if silent else None
    if code and process.version != code.version and not is_pointless(process, code):
        return f"it runs version {process.version}, now there is {code.version}"
    if process.memory > (allowed := CrawlQueue.parse(process.system).memory_mb):
        return f"it holds {process.memory} MB, more than the {allowed} it may"
    age = now - process.started
    share = zlib.crc32(job.id.encode()) / 2**32
    if age > timedelta(seconds=_SPIDER_AGE_SECONDS() * (1 + _JITTER * share)):
        return f"it began {age.total_seconds():.0f} s ago"
    return None


def is_pointless(process: SpiderProcess, code: Code) -> bool:
    """Whether a process began after the version came and yet runs another: what comes next would do the same."""
    return process.version != code.version and process.started > code.since


def _order_leaving(staying: Sequence[Job], tired: dict[str, str]) -> list[Job]:
    """Return the jobs that may end, in order: tired ones, silent before others; then the youngest that came up."""
    weary = sorted((job for job in staying if job.id in tired), key=lambda job: job.process is not None)
    return weary + [job for job in reversed(staying) if job.id not in tired and job.process]
