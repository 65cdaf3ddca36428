"""Observations of one walk, page by page: kept in memory, and in Redis for the process that resumes the walk."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from crawler.discovery.site_links import Booking

if TYPE_CHECKING:
    import redis

KEPT_SECONDS = 2 * 86400  # of a walk that nothing resumes


class ObservedPage(StrEnum):
    """How a page answered."""

    READ = "read"  # a page of HTML, read to its end
    GONE = "gone"  # 404 or 410
    MOVED = "moved"  # it leads elsewhere: `detail` says where
    DOUBT = "doubt"  # anything else, which proves nothing: a time-out, a refusal, robots.txt, no HTML, a wall


@dataclass(frozen=True, slots=True)
class PageSeen:
    """A page of a prefecture's own site; `bookings` are its links to booking pages."""

    prefecture_id: str
    url: str
    seen: ObservedPage
    detail: str = ""
    bookings: tuple[Booking, ...] = ()


@dataclass(frozen=True, slots=True)
class Onward:
    """A page to request next."""

    url: str
    promise: int  # higher is requested sooner
    home: str  # the site's own spelling of its address
    steps: int = 0  # links away from the site's home page


@dataclass(frozen=True, slots=True)
class PageStep:
    """The result of one page: what was seen, and the pages that it leads to."""

    seen: PageSeen
    onward: tuple[Onward, ...] = ()
    refused: bool = False  # the whole site refuses us, not this page only
    asked: bool = True  # False where robots.txt forbade it: the site did not fail us


STEP = TypeAdapter(PageStep)  # its text in Redis


@dataclass
class Observations:
    """The pages that a walk saw. Memory is what its end reads; the list in Redis outlives the process."""

    pages: list[PageSeen] = field(default_factory=list)
    client: "redis.Redis | None" = None  # None: a walk at the terminal
    key: str = ""  # prefix of the walk's keys

    def add(self, step: PageStep) -> None:
        """Keep one more page.

        Raises:
            redis.RedisError: Redis is away.
        """
        self.pages.append(step.seen)
        if self.client is None:
            return
        with self.client.pipeline() as pipe:
            pipe.rpush(f"{self.key}:facts", STEP.dump_json(step))
            for name in ("facts", "requests", "seen"):  # scrapy-redis sets no expiry
                pipe.expire(f"{self.key}:{name}", KEPT_SECONDS)
            pipe.execute()

    def resume(self) -> list[PageStep]:
        """Return what an earlier process of this walk saw, and take it over.

        Raises:
            redis.RedisError: Redis is away.
        """
        if self.client is None:
            return []
        found: list[str] = self.client.lrange(f"{self.key}:facts", 0, -1)  # type: ignore[assignment]  # async and sync in one
        steps = [STEP.validate_json(each) for each in found]
        self.pages = [step.seen for step in steps]
        return steps

    def drop(self) -> None:
        """Remove all keys of the walk."""
        if self.client is not None:
            self.client.delete(*(f"{self.key}:{name}" for name in ("facts", "requests", "seen")))
