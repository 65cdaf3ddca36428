"""What one walk saw, page by page: kept in memory, or in Redis (shared.py) where several processes share the walk."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol

from crawler.discovery.recognise import Booking


class ObservedPage(StrEnum):
    """How a page answered."""

    READ = "read"  # a page of HTML, read to its end
    GONE = "gone"  # 404 or 410
    MOVED = "moved"  # it leads elsewhere: `detail` says where
    DOUBT = "doubt"  # anything else; it proves nothing: a time-out, a refusal, robots.txt, no HTML, a wall


@dataclass(frozen=True, slots=True)
class PageSeen:
    """A page of a prefecture's own site; `bookings` are its links to where people book."""

    prefecture_id: str
    url: str
    seen: ObservedPage
    detail: str = ""
    title: str = ""
    bookings: tuple[Booking, ...] = ()


@dataclass(frozen=True, slots=True)
class LandingSeen:
    """A desk's own page, as it was asked for: its status (None: no answer), where that led, its title."""

    desk_id: str
    status: int | None
    url: str = ""
    title: str = ""
    detail: str = ""


Fact = PageSeen | LandingSeen


class PageFacts(Protocol):
    """Where facts are kept until the walk is over."""

    def add(self, fact: Fact) -> None:
        """Keep one more."""

    def all(self) -> list[Fact]:
        """Return what is kept, in no order that means anything."""


class ObservationStore(list[Fact]):
    """PageFacts of one process."""

    def add(self, fact: Fact) -> None:
        """Keep one more."""
        self.append(fact)

    def all(self) -> list[Fact]:
        """Return what is kept."""
        return list(self)


def to_json(fact: Fact) -> str:
    """Return a fact as text."""
    return json.dumps({"kind": type(fact).__name__} | asdict(fact), ensure_ascii=False)


def from_json(text: str) -> Fact:
    """Return the fact that `to_json` made text of."""
    told = json.loads(text)
    if told.pop("kind") == LandingSeen.__name__:
        return LandingSeen(**told)
    told["bookings"] = tuple(Booking(**each) for each in told["bookings"])
    return PageSeen(**told | {"seen": ObservedPage(told["seen"])})


def pages(facts: list[Fact]) -> Iterator[PageSeen]:
    """Yield those about the prefectures' own pages."""
    return (fact for fact in facts if isinstance(fact, PageSeen))


def landings(facts: list[Fact]) -> dict[str, LandingSeen]:
    """Return those about desks' own pages, by desk."""
    return {fact.desk_id: fact for fact in facts if isinstance(fact, LandingSeen)}
