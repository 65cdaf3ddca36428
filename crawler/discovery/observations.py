"""Observations of one walk, page by page: kept in memory, or in Redis where several processes share the walk."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

import redis

from crawler.discovery.site_links import Booking


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
    title: str = ""
    bookings: tuple[Booking, ...] = ()


@dataclass(frozen=True, slots=True)
class LandingSeen:
    """A desk's own page as requested: its status (None: no answer), the final address, its title."""

    desk_id: str
    status: int | None
    url: str = ""
    title: str = ""
    detail: str = ""


Fact = PageSeen | LandingSeen


class ObservationStore(ABC):
    """The observations of a walk, kept until it ends."""

    @abstractmethod
    def add(self, fact: Fact) -> None:
        """Keep one more observation."""

    @abstractmethod
    def all(self) -> list[Fact]:
        """Return all observations, in any order."""


class LocalObservations(ObservationStore):
    """Observations of a walk that one process makes alone."""

    def __init__(self) -> None:
        self._facts: list[Fact] = []

    def add(self, fact: Fact) -> None:  # noqa: D102 -- its base says it
        self._facts.append(fact)

    def all(self) -> list[Fact]:  # noqa: D102 -- its base says it
        return list(self._facts)


def to_json(fact: Fact) -> str:
    """Return an observation as JSON."""
    return json.dumps({"kind": type(fact).__name__} | asdict(fact), ensure_ascii=False)


def from_json(text: str) -> Fact:
    """Return the observation that `to_json` wrote."""
    values = json.loads(text)
    if values.pop("kind") == LandingSeen.__name__:
        return LandingSeen(**values)
    values["bookings"] = tuple(Booking(**each) for each in values["bookings"])
    return PageSeen(**values | {"seen": ObservedPage(values["seen"])})


def pages(facts: list[Fact]) -> Iterator[PageSeen]:
    """Yield the observations of the prefectures' own pages."""
    return (fact for fact in facts if isinstance(fact, PageSeen))


def landings(facts: list[Fact]) -> dict[str, LandingSeen]:
    """Return the observations of desks' own pages, by desk id."""
    return {fact.desk_id: fact for fact in facts if isinstance(fact, LandingSeen)}


class SharedObservations(ObservationStore):
    """Observations in Redis, of all processes of a run. They outlive each process."""

    def __init__(self, client: redis.Redis, key: str, seconds: float) -> None:
        self._client, self._key, self._seconds = client, key, round(seconds)

    def add(self, fact: Fact) -> None:
        """Keep one more observation.

        Raises:
            redis.RedisError: Redis is away.
        """
        with self._client.pipeline() as pipe:
            pipe.rpush(self._key, to_json(fact))
            pipe.expire(self._key, self._seconds)
            pipe.execute()

    def all(self) -> list[Fact]:
        """Return all observations; of a page requested twice (the first process died) the last one.

        Raises:
            redis.RedisError: Redis is away.
        """
        found: list[str] = self._client.lrange(self._key, 0, -1)  # type: ignore[assignment]  # async and sync in one
        return list({_name(fact): fact for fact in map(from_json, found)}.values())


def _name(fact: Fact) -> tuple[str, str]:
    return (fact.prefecture_id, fact.url) if isinstance(fact, PageSeen) else ("", fact.desk_id)
