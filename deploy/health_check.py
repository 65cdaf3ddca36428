"""`python -m deploy.health_check PROGRAM`: whether a program of this container or machine works; exit code 0 or 1.

`/api/health` judges the whole; this asks one program only, by what it reports anyway.
"""

import base64
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from urllib.error import HTTPError

from psycopg2 import Error as DatabaseError
from redis import Redis, RedisError
from rq import Worker

from configs.ground.loop_report import BACKGROUND, PLANNER, read_report
from configs.ground.proofs import QUEUE
from configs.ground.redis import redis_client
from configs.ground.startup import exit_on_config_error
from configs.settings import settings
from configs.settings.groups import SCRAPYD_USER

_SECONDS = 5.0


class Unhealthy(Exception):
    """A program does not work as it should; the text says what is missing."""


def _check_api() -> None:
    _ask(f"http://127.0.0.1:{settings().port}/api/health/live")


def _check_stream() -> None:
    _ask(f"http://127.0.0.1:{settings().port}/live/alive")


def _check_metrics() -> None:
    from api.jobs.exporter import METRICS_PORT  # noqa: PLC0415 -- of this check alone

    _ask(f"http://127.0.0.1:{METRICS_PORT()}/alive")


def _check_scrapyd() -> None:
    """Ask this machine's scrapyd. /api/health has the keeper's report of its spiders."""
    current = settings()
    *others, last = current.require_all("scrapyd_password")
    for password in others:  # scrapyd knows one of them, until it is restarted
        with suppress(HTTPError):
            _ask_scrapyd(password)
            return
    _ask_scrapyd(last)


def _ask_scrapyd(password: str) -> None:
    login = base64.b64encode(f"{SCRAPYD_USER}:{password}".encode()).decode("ascii")
    _ask(f"{settings().scrapyd_url}/daemonstatus.json", {"Authorization": f"Basic {login}"})


def _ask(url: str, headers: dict[str, str] | None = None) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not reach loopback
    with direct.open(urllib.request.Request(url, headers=headers or {}), timeout=_SECONDS):  # noqa: S310 -- ours
        pass


def _check_loop(key: str) -> None:
    if read_report(_redis(), key) is None:
        raise Unhealthy(f"nothing has written {key} lately")


def _check_background() -> None:
    for key in BACKGROUND.values():
        _check_loop(key)


def _check_notifier() -> None:
    from api.models.notification import QUEUES  # noqa: PLC0415 -- the other checks do without the tables

    _check_worker(QUEUES)


def _check_proofs() -> None:
    _check_worker((QUEUE,))


def _check_worker(queues: Iterable[str]) -> None:
    here = socket.gethostname()
    ours = [worker for worker in Worker.all(connection=_redis()) if worker.hostname == here]
    if not any(set(worker.queue_names()) & set(queues) for worker in ours):
        raise Unhealthy(f"no worker of {here} has reported lately")


def _check_backup() -> None:
    """Ask until when PostgreSQL's log is stored; /api/health has what fails."""
    from api.models.backup_state import BACKUP_LATE_SECONDS  # noqa: PLC0415 -- other programs ask no database here
    from deploy.backup.database import connect  # noqa: PLC0415 -- as above

    late = timedelta(seconds=BACKUP_LATE_SECONDS)
    with closing(connect()) as sql, sql.cursor() as asked:
        asked.execute("SELECT clock_timestamp() - finished_at FROM backup_states WHERE part = 'wal'")
        row = asked.fetchone()
    if row is None or row[0] > late:
        raise Unhealthy("no log was stored lately")


def _redis() -> Redis:
    return redis_client(_SECONDS)


CHECKS: dict[str, Callable[[], None]] = {
    "api": _check_api,
    "backup": _check_backup,
    "background": _check_background,
    "metrics": _check_metrics,
    "notifier": _check_notifier,
    "planner": partial(_check_loop, PLANNER),
    "proofs": _check_proofs,
    "scrapyd": _check_scrapyd,
    "stream": _check_stream,
}


@exit_on_config_error("the health check")
def main(arguments: list[str]) -> int:
    """Check a program; return 0 if it works.

    Raises:
        SystemExit: there is no such program, or a setting is wrong.
    """
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        raise SystemExit(f"usage: python -m deploy.health_check {'|'.join(CHECKS)}")
    try:
        CHECKS[arguments[0]]()
    except (DatabaseError, OSError, RedisError, Unhealthy, ValueError) as error:
        print(f"{arguments[0]}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
