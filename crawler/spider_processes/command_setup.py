"""Setup of the planner: arguments, logs, settings, an end on SIGTERM and SIGINT."""

import logging
import signal
import threading

from api.models.revision import check_tables
from configs.ground.connection_limits import check_connections
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.ground.startup import exit_on_config_error
from configs.settings import settings
from configs.world.prefecture import reload_desk_files
from crawler.catalogue import check_catalogue


def prepare(program: str, arguments: list[str], *needed: str) -> None:
    """Set up the logs, check the desk files and the settings that the program needs.

    Raises:
        SystemExit: an argument, a setting or a desk file is wrong; the text says which.
    """
    if arguments:
        raise SystemExit(f"the {program} takes no argument {arguments[0]!r}")
    with exit_on_config_error(f"the {program}"):
        set_up_logs(program)
        check_catalogue()
        for name in needed:
            database_url() if name == "database_url" else settings().require(name)
        if "database_url" in needed:
            check_tables()
            check_connections(database_url())
    logging.getLogger("scrapy").setLevel(logging.WARNING)


def until_stopped() -> threading.Event:
    """Return an event that is set by the first SIGTERM or SIGINT; by SIGHUP, too, if the desk files are right."""
    stop = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: stop.set() if reload_desk_files() else None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
