"""`scrapy check DESK…`: has desks checked now, by the spiders that run, with their budgets and rests.

Scrapy's own command of this name runs contracts of spiders; ours have none.
"""

import argparse
from collections import defaultdict

import redis
from scrapy.commands import ScrapyCommand

from configs.settings import settings
from configs.world.prefecture import desk
from crawler.catalogue import check_catalogue
from crawler.commands import OperatorCommand
from crawler.scheduling import due_queue
from crawler.scheduling.queues import queue_of


class Command(OperatorCommand, ScrapyCommand):
    """Pushes desks to <system>:checks, from which the spiders claim them."""

    requires_project = True
    SYNTAX = "DESK [DESK …]"
    SHORT = "Have desks checked now, by the spiders that run"

    def carry_out(self, args: list[str], opts: argparse.Namespace) -> None:  # noqa: ARG002 -- Scrapy passes them
        """Push all of them, or none where one is wrong."""
        if not args:
            raise self.make_exit("name a desk, e.g. bobigny_93/titre-sejour; `scrapy desks` lists them")
        check_catalogue()
        settings().require("redis_url")
        by_queue: dict[str, list[str]] = defaultdict(list)
        for name in args:
            by_queue[self._find_queue(name)].append(name)
        try:
            with due_queue.connect() as client:
                for queue, ids in by_queue.items():
                    client.rpush(due_queue.pushed(queue), *ids)
        except redis.RedisError as error:
            raise self.make_exit(f"Redis is away, nothing was pushed: {error}") from None
        for queue, ids in by_queue.items():
            print(f"{len(ids)} of {queue}: due now; each is asked when its host may be asked again")

    def _find_queue(self, name: str) -> str:
        """Return the queue of a desk; an exit where it is not scheduled."""
        if because := desk(name).unwatched_because:
            raise self.make_exit(f"{name} is not scheduled: {because}")
        return str(queue_of(desk(name)))
