"""Crawl queues: due queues with spider processes of their own, so that slow checks delay no others.

A booking system has a queue for its desks that are asked by HTTP, with its own name (`custom`), and one for those that
need a browser (`custom-browser`).
"""

from typing import NamedTuple

from configs.settings import Constant, settings
from configs.world.desk import Desk, Fetch, find_step_gap
from crawler.browser import BROWSER_DEADLINE_SECONDS, BROWSER_PLACES, BROWSER_START_SECONDS
from crawler.catalogue import system_of, systems

# Longest duration of one check by HTTP, over all its requests
HTTP_DEADLINE_SECONDS = Constant("HTTP_DEADLINE_SECONDS", 20.0)
# How long running checks may end after a stop
STOP_GRACE_SECONDS = Constant("STOP_GRACE_SECONDS", 3.0)
# Added to the deadline before a desk whose process died is due again
CLAIM_MARGIN_SECONDS = Constant("CLAIM_MARGIN_SECONDS", 5.0)
# How many checks one spider process runs at once; more than there are hosts, so that hanging ones do not fill it
SPIDER_PLACES = Constant("SPIDER_PLACES", 64)
# How many pages one visit may ask for, redirects aside; a real host's budget for a minute ends it before
VISIT_REQUESTS = Constant("VISIT_REQUESTS", 24)

BROWSER = f"-{Fetch.BROWSER}"  # the end of a queue's name whose desks need one


class CrawlQueue(NamedTuple):
    """A booking system's desks that are fetched in one way."""

    system: str
    fetch: Fetch = Fetch.HTTP

    def __str__(self) -> str:
        """Return its name, as in Redis."""
        return f"{self.system}{BROWSER}" if self.browser else self.system

    @property
    def browser(self) -> bool:
        """Whether its desks need one."""
        return self.fetch is Fetch.BROWSER

    @property
    def places(self) -> int:
        """Return how many checks one process runs at once."""
        return BROWSER_PLACES() if self.browser else SPIDER_PLACES()

    @property
    def processes(self) -> int:
        """Return how many processes each scrapyd runs for it."""
        return settings().browser_processes if self.browser else settings().spider_processes

    @property
    def hold_seconds(self) -> float:
        """Return for how long a claim may last: a browser's start, the deadline, our own pauses, a margin."""
        pauses = find_step_gap() * VISIT_REQUESTS()
        browser = BROWSER_START_SECONDS() + BROWSER_DEADLINE_SECONDS()
        return (browser if self.browser else HTTP_DEADLINE_SECONDS()) + pauses + CLAIM_MARGIN_SECONDS()


def queue_of(desk: Desk) -> CrawlQueue:
    """Return the queue in which a desk waits."""
    return CrawlQueue(system_of(desk), desk.fetch)


def queue_names() -> list[str]:
    """Return the names of all possible queues."""
    return [str(CrawlQueue(system, fetch)) for system in systems() for fetch in Fetch]
