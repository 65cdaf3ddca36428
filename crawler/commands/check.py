"""`scrapy check DESK…`: has desks checked now, by the spiders that run, with their budgets and rests.

Scrapy's own command of this name runs contracts of spiders; ours have none.
"""

import argparse

import redis
from scrapy.commands import ScrapyCommand

from configs.settings import settings
from configs.world.prefecture import desk
from crawler.catalogue import check_catalogue
from crawler.commands import OperatorCommand
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import queue_of


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
        for name in args:
            if because := desk(name).unwatched_because:
                raise self.make_exit(f"{name} is not scheduled: {because}")
        try:
            with due_queue.connect() as client, client.pipeline() as calls:
                for name in args:
                    calls.rpush(due_queue.pushed(str(queue_of(desk(name)))), name)
                calls.execute()
        except redis.RedisError as error:
            raise self.make_exit(f"Redis is away, nothing was pushed: {error}") from None
        print(f"{len(args)} due now; each is asked when its host may be asked again")
