"""Setup of the planner: arguments, logs, settings, an end on SIGTERM and SIGINT."""

import logging
import signal
import threading

from api.models.revision import check_tables
from configs.connection_limits import check_connections
from configs.database import database_url
from configs.file_watch import FileWatch, watch_program
from configs.logs import set_up_logs
from configs.settings import settings
from configs.startup import exit_on_config_error
from crawler.catalogue import check_catalogue


def prepare(program: str, arguments: list[str], *needed: str) -> FileWatch:
    """Set up the logs, check the desk files and the settings that the program needs; return its watch of files.

    Raises:
        SystemExit: an argument, a setting or a desk file is wrong; the text says which.
    """
    if arguments:
        raise SystemExit(f"the {program} takes no argument {arguments[0]!r}")
    with exit_on_config_error(f"the {program}"):
        set_up_logs(program)
        tables = ["api.models.revision.check_tables"] * ("database_url" in needed)
        checks = ("crawler.catalogue.check_catalogue", "crawler.keeper.wanted_processes", *tables)
        watch = watch_program(program, f"crawler.{program}", *checks)
        check_catalogue()
        for name in needed:
            database_url() if name == "database_url" else settings().require(name)
        if "database_url" in needed:
            check_tables()
            check_connections(database_url())
    logging.getLogger("scrapy").setLevel(logging.WARNING)
    return watch


def until_stopped() -> threading.Event:
    """Return an event that is set by the first SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
