"""What a walk saw, kept in Redis: from all of its processes, and longer than each of them lives."""

import redis

from crawler.discovery.observations import Fact, PageSeen, from_json, to_json


class SharedObservations:
    """Facts of a run in Redis, from all of its processes; they outlive each of them."""

    def __init__(self, client: redis.Redis, key: str, seconds: float) -> None:
        self._client, self._key, self._seconds = client, key, round(seconds)

    def add(self, fact: Fact) -> None:
        """Keep one more.

        Raises:
            redis.RedisError: Redis is away.
        """
        with self._client.pipeline() as pipe:
            pipe.rpush(self._key, to_json(fact))
            pipe.expire(self._key, self._seconds)
            pipe.execute()

    def all(self) -> list[Fact]:
        """Return what is kept, a page that was asked twice (its first asker died) as it was seen last.

        Raises:
            redis.RedisError: Redis is away.
        """
        found: list[str] = self._client.lrange(self._key, 0, -1)  # type: ignore[assignment]  # async and sync in one
        return list({_name(fact): fact for fact in map(from_json, found)}.values())


def _name(fact: Fact) -> tuple[str, str]:
    return (fact.prefecture_id, fact.url) if isinstance(fact, PageSeen) else ("", fact.desk_id)
