"""`scrapy check DESK…`: has desks checked now, by the spiders that run, with their budgets and rests.

Scrapy's own command of this name runs contracts of spiders; ours have none.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches

from configs.settings import settings
from configs.world.desk import Desk
from configs.world.prefecture import desks
from crawler.catalogue import check_catalogue
from crawler.cli.arguments import WrongArgument
from crawler.cli.command_base import OperatorCommand


class Command(OperatorCommand):
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
        chosen = [find_scheduled_desk(name) for name in args]
        for system, count in push(chosen).items():
            print(f"{count} of {system}: due now; each is asked when its host may be asked again")


def find_scheduled_desk(name: str) -> Desk:
    """Return the desk of an id.

    Raises:
        WrongArgument: there is none, or it is not scheduled.
    """
    desk = desks().get(name)
    if not desk:
        close = get_close_matches(name, desks(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "`scrapy desks` lists those that exist"
        raise WrongArgument(f"no desk {name!r}; {hint}")
    if because := desk.unwatched_because:
        raise WrongArgument(f"{name} is not scheduled: {because}")
    return desk


def push(chosen: Iterable[Desk]) -> dict[str, int]:
    """Push desks to the lists of their queues; return how many went to each.

    Raises:
        SystemExit: Redis is away; the text says what to do.
    """
    import redis  # noqa: PLC0415 -- scrapy loads every command's file for any command

    from crawler.scheduling import due_queue  # noqa: PLC0415
    from crawler.scheduling.queues import queue_of  # noqa: PLC0415

    by_queue: dict[str, list[str]] = defaultdict(list)
    for desk in chosen:
        by_queue[str(queue_of(desk))].append(desk.id)
    try:
        with due_queue.connect() as client:
            for queue, ids in by_queue.items():
                client.rpush(due_queue.pushed(queue), *ids)
    except redis.RedisError as error:
        raise SystemExit(f"scrapy check: Redis is away, nothing was pushed: {error}") from None
    return {queue: len(ids) for queue, ids in by_queue.items()}
