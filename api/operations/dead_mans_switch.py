"""Dead man's switch: HEARTBEAT_URL is called each minute for as long as alarms would reach an operator.

A service elsewhere raises the alarm when the calls stop. They stop with this machine, its way out, the scheduler, its
worker or a server. Once Alertmanager has sent its watchdog, an alarm that always fires, they also stop with it and with
Prometheus.
"""

from contextlib import closing
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

import requests
import structlog

from configs.clock import clock
from configs.hosts import is_loopback
from configs.redis import redis_client
from configs.settings import settings

_KEY = "alertmanager:watchdog"
_HEARD_WITHIN = 300.0  # seconds; Alertmanager repeats the watchdog each minute
_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 10.0
_REDIS_SECONDS = 2.0

log = structlog.get_logger(__name__)


class SwitchNotCalled(Exception):
    """HEARTBEAT_URL did not take the call; the text says why, without the address, which is a secret of its own."""


def note_watchdog() -> None:
    """Remember when Alertmanager's watchdog reached us last."""
    with closing(redis_client(answer_seconds=_REDIS_SECONDS)) as redis:
        redis.set(_KEY, clock().timestamp())


def call_switch() -> bool:
    """Call HEARTBEAT_URL; return whether the call was withheld. Without that setting nothing happens.

    Raises:
        SwitchNotCalled: the service was not reached, or did not answer with 2xx.
    """
    url = settings().heartbeat_url
    if url is None:
        return False
    if not _would_alarms_arrive():
        return True
    _check_loopback(url)
    try:
        status = _call(url)
    except requests.RequestException as error:
        raise SwitchNotCalled(f"HEARTBEAT_URL was not reached: {type(error).__name__}") from None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise SwitchNotCalled(
            f"HEARTBEAT_URL answered {status}: check the address at the service that gave it"
        )
    return False


def _would_alarms_arrive() -> bool:
    """Whether Alertmanager is heard, or has never been: not every server runs one.

    A clock that jumps withholds the calls until the next watchdog.
    """
    with closing(redis_client(answer_seconds=_REDIS_SECONDS)) as redis:
        last = cast("bytes | None", redis.get(_KEY))
    if last is None or abs(clock().timestamp() - float(last)) <= _HEARD_WITHIN:
        return True
    log.warning(
        "call of HEARTBEAT_URL withheld: Alertmanager's watchdog has not come for five minutes; look whether Prometheus"
        " and Alertmanager run, and whether ALERTMANAGER_TOKEN is the one in Alertmanager's file"
    )
    return False


def _call(url: str) -> int:
    with requests.Session() as web:
        web.trust_env = False  # a proxy of the environment would pass the guard
        timeout = (_CONNECT_SECONDS, _ANSWER_SECONDS)
        with web.get(
            url, timeout=timeout, allow_redirects=False, stream=True
        ) as answer:  # its body is not read
            return answer.status_code


def _check_loopback(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if settings().loopback_only and not is_loopback(host):
        raise SwitchNotCalled(
            f"{host} is not on this machine, and APP_ENV={settings().app_env} calls loopback only: point"
            " HEARTBEAT_URL at a stand-in, or set APP_ENV=production"
        )
