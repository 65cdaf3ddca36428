"""`python -m crawler.loops`: the loops of the planner: planning, keeping the spiders, incidents, reports.

None asks a site. Scrapy and Twisted would be a quarter of the process's memory.
"""

import signal
import threading
from collections.abc import Callable

from configs.ground.clock import clock
from configs.ground.logs import set_up_logs
from configs.programs.startup import exit_on_config_error
from configs.settings import settings
from configs.world.prefecture import reload_desk_files
from crawler.catalogue import check_catalogue
from crawler.scheduling.due_queue import stop_grace_seconds


def prepare() -> None:
    """Set up the logs, check the desk files, the settings that the planner needs, and the tables.

    Raises:
        SystemExit: a setting or a desk file is wrong; the text says which.
    """
    from api.models.key_renewal import note_keys  # noqa: PLC0415
    from api.models.revision import check_tables  # noqa: PLC0415 -- after configs, which hides what structlog would load

    with exit_on_config_error("the planner"):
        set_up_logs("planner")
        check_catalogue()
        for name in ("redis_url", "scrapyd_password"):
            settings().require(name)
        check_tables()
        note_keys()


def plan() -> None:
    """Plan the desks, keep the spiders running and tell of troubles until SIGTERM or SIGINT.

    SIGHUP ends them, too, if the desk files are right: the next process reads them.
    Each loop has a thread: neither an error nor a server that hangs in one stops another. A look that fails is named by
    health and repeated.

    Raises:
        SystemExit: a setting or a desk file is wrong.
    """
    from api.models.base import database_clock  # noqa: PLC0415
    from crawler.incidents import loop as incidents  # noqa: PLC0415
    from crawler.planner import Planner  # noqa: PLC0415
    from crawler.reports.loop import ReportLoop  # noqa: PLC0415
    from crawler.scheduling import due_queue  # noqa: PLC0415
    from crawler.spider_processes.keeper import Keeper, keeper_seconds  # noqa: PLC0415
    from crawler.spider_processes.scrapyd_client import find_scrapyds  # noqa: PLC0415

    prepare()
    with due_queue.connect() as client:
        planner, keeper = Planner(client), Keeper(find_scrapyds, client)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        signal.signal(signal.SIGHUP, lambda *_: stop.set() if reload_desk_files() else None)

        def run(part: str, look: Callable[[], object], seconds: Callable[[], float]) -> None:
            while not stop.is_set():
                planner.failures.run(part, look)
                stop.wait(seconds())

        loops = (
            ("incidents", lambda: incidents.run_once(database_clock()), incidents.incident_check_seconds),
            ("keeper", lambda: keeper.run_once(clock()), keeper_seconds),
        )
        threads = [threading.Thread(target=run, args=each, name=each[0], daemon=True) for each in loops]
        reports = ReportLoop(client, planner.failures)
        threads.append(threading.Thread(target=reports.run, args=(stop,), name="reports", daemon=True))
        for each in threads:
            each.start()
        planner.run(stop)
        for each in threads:
            each.join(timeout=stop_grace_seconds())


if __name__ == "__main__":
    plan()
