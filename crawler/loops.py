"""`python -m crawler.loops plan`: the loops of the planner: planning, keeping the spiders, incidents.

None asks a site. Scrapy and Twisted would be a quarter of the process's memory.
"""

import sys
import threading

from crawler.scheduling.queues import STOP_GRACE_SECONDS
from crawler.spider_processes.command_setup import prepare, until_stopped


def plan(arguments: list[str]) -> None:
    """Plan the desks, keep the spiders running and tell of troubles until SIGTERM or SIGINT.

    Each loop has a thread: neither an error nor a server that hangs in one stops another.

    Raises:
        SystemExit: an argument, a setting or a desk file is wrong.
    """
    from crawler.incidents.loop import IncidentLoop  # noqa: PLC0415
    from crawler.keeper import Keeper  # noqa: PLC0415
    from crawler.planner import Planner  # noqa: PLC0415
    from crawler.scheduling import due_queue  # noqa: PLC0415
    from crawler.spider_processes.scrapyd_client import list_scrapyds  # noqa: PLC0415

    prepare("planner", arguments, "redis_url", "database_url", "scrapyd_password")
    with due_queue.connect() as client:
        planner = Planner(client)
        stop = until_stopped()
        loops = {
            "incidents": IncidentLoop(planner.failures).run,
            "keeper": Keeper(list_scrapyds(), client, planner.failures).run,
        }
        threads = [
            threading.Thread(target=run, args=(stop,), name=name, daemon=True) for name, run in loops.items()
        ]
        for each in threads:
            each.start()
        planner.run(stop)
        for each in threads:
            each.join(timeout=STOP_GRACE_SECONDS())


def main() -> None:
    """Run the loops.

    Raises:
        SystemExit: the arguments are others, or the loops cannot start.
    """
    if sys.argv[1:2] != ["plan"]:
        raise SystemExit("usage: python -m crawler.loops plan")
    plan(sys.argv[2:])


if __name__ == "__main__":
    main()
