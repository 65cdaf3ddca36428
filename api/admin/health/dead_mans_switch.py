"""The dead man's switch: HEARTBEAT_URL is called each minute for as long as our alarms would reach an operator.

A service elsewhere raises the alarm when the calls stop. They stop with this machine, its way out, the scheduler, its
worker, a server, or what would send our alarms.
"""

from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from configs.ground.addresses import is_loopback
from configs.settings import settings

_CONNECT_SECONDS, _ANSWER_SECONDS = 3.0, 10.0


class SwitchNotCalled(Exception):
    """HEARTBEAT_URL did not take the call; the text says why, without the address, which is a secret of its own."""


def call_switch() -> None:
    """Call HEARTBEAT_URL. Without that setting nothing happens.

    Raises:
        SwitchNotCalled: the service was not reached, or did not answer with 2xx.
    """
    url = settings().heartbeat_url
    if url is None:
        return
    _check_loopback(url)
    try:
        status = _call(url)
    except requests.RequestException as error:
        raise SwitchNotCalled(f"HEARTBEAT_URL was not reached: {type(error).__name__}") from None
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise SwitchNotCalled(
            f"HEARTBEAT_URL answered {status}: check the address at the service that gave it"
        )


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
