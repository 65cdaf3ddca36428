"""`python -m crawler.loops keep|plan`: the loops of `scrapy keep` and `scrapy plan`, without Scrapy.

Neither asks a site. Scrapy and Twisted would be a quarter of such a process's memory.
"""

import sys
import threading
from collections.abc import Callable

from configs.clock import clock
from configs.file_watch import end_for_newer_files
from configs.settings import settings
from crawler.spider_processes.command_setup import prepare, until_stopped


def keep(arguments: list[str]) -> None:
    """Keep the spiders running until SIGTERM or SIGINT.

    Raises:
        SystemExit: an argument, a setting or a desk file is wrong.
    """
    from crawler.keeper import Keeper  # noqa: PLC0415 -- neither loop loads the other's modules
    from crawler.proofs.status import watch_spool  # noqa: PLC0415
    from crawler.scheduling import due_queue  # noqa: PLC0415
    from crawler.spider_processes.scrapyd_client import list_scrapyds  # noqa: PLC0415

    watch = prepare("keeper", arguments, "redis_url", "scrapyd_password")
    with due_queue.connect() as client:
        stop = until_stopped()
        watch_spool(client, stop)
        watch.start(stop, lambda: None)  # the keeper ends by itself, once the spiders run newer files
        Keeper(list_scrapyds(), client, watch).run(stop)


def plan(arguments: list[str]) -> None:
    """Plan the desks and tell of troubles until SIGTERM or SIGINT.

    Raises:
        SystemExit: an argument, a setting or a desk file is wrong.
    """
    from api.models.key_losses import record_keys_at_start  # noqa: PLC0415
    from crawler.incidents.loop import IncidentLoop  # noqa: PLC0415
    from crawler.planner import Planner  # noqa: PLC0415
    from crawler.scheduling import due_queue  # noqa: PLC0415

    watch = prepare("planner", arguments, "redis_url", "database_url")
    record_keys_at_start("planner")
    with due_queue.connect() as client:
        planner = Planner(client)
        stop = until_stopped()
        incidents = IncidentLoop(planner.failures)
        telling = threading.Thread(target=incidents.run, args=(stop,), name="incidents", daemon=True)
        telling.start()
        watch.start(stop, lambda: end_for_newer_files(stop))
        planner.run(stop)
        telling.join(timeout=settings().stop_grace_seconds)


def plan_once(arguments: list[str]) -> int:
    """Look at the tables once; return how many desks were planned.

    Raises:
        SystemExit: as `plan`, or a part of the look fails.
    """
    from crawler.planner import Planner  # noqa: PLC0415
    from crawler.scheduling import due_queue  # noqa: PLC0415

    prepare("planner", arguments, "redis_url", "database_url")
    with due_queue.connect() as client:
        planner = Planner(client)
        planned = planner.run_once(clock())
    if failing := planner.failures.names():
        named = ", ".join(f"{part} ({error})" for part, error in failing.items())
        raise SystemExit(f"the planner fails in part, the lines above say why: {named}")
    return planned


_LOOPS: dict[str, Callable[[list[str]], None]] = {"keep": keep, "plan": plan}


def main() -> None:
    """Run the loop that the first argument names.

    Raises:
        SystemExit: there is no such loop, or it cannot start.
    """
    if not sys.argv[1:] or sys.argv[1] not in _LOOPS:
        raise SystemExit(f"usage: python -m crawler.loops {'|'.join(_LOOPS)}")
    _LOOPS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    main()
