"""`python -m deploy.health_check PROGRAM`: whether the program of this container answers; exit code 0 or 1.

It asks by loopback alone. Where containers are many, one that is not healthy is killed: a server, a store or another
container that is away must kill none. `/api/health` judges the whole. Programs without a door of their own have no
check: they end where they cannot go on, and are started again.
"""

import base64
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import urlsplit

from configs.programs.startup import exit_on_config_error
from configs.settings import settings
from configs.settings.groups import SCRAPYD_USER

_SECONDS = 5.0


def _check_background() -> None:
    """Ask the exporter, one of its programs."""
    from api.jobs.exporter import metrics_port  # noqa: PLC0415 -- of this check alone

    _ask(metrics_port(), "/alive")


def _check_scrapyd() -> None:
    port = urlsplit(str(settings().scrapyd_url)).port or 80
    *others, last = settings().require_all("scrapyd_password")
    for password in others:  # scrapyd knows one of them, until it is restarted
        with suppress(HTTPError):
            _ask(port, "/daemonstatus.json", password)
            return
    _ask(port, "/daemonstatus.json", last)


def _ask(port: int, path: str, password: str = "") -> None:
    login = base64.b64encode(f"{SCRAPYD_USER}:{password}".encode()).decode("ascii")
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if password:
        asked.add_header("Authorization", f"Basic {login}")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy does not reach loopback
    with direct.open(asked, timeout=_SECONDS):
        pass


CHECKS: dict[str, Callable[[], None]] = {
    "api": lambda: _ask(settings().port, "/api/health/live"),
    "background": _check_background,
    "scrapyd": _check_scrapyd,
    "stream": lambda: _ask(settings().port, "/live/alive"),
}


@exit_on_config_error("the health check")
def main(arguments: list[str]) -> int:
    """Check a program; return 0 if it answers.

    Raises:
        SystemExit: there is no such program, or a setting is wrong.
    """
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        raise SystemExit(f"usage: python -m deploy.health_check {'|'.join(CHECKS)}")
    try:
        CHECKS[arguments[0]]()
    except (OSError, ValueError) as error:
        print(f"{arguments[0]}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
