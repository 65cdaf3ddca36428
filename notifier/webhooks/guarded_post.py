"""A POST to an address from outside: it is looked up once, refused unless public, and connected to as looked up.

No redirect is followed, no body of an answer is read, and all of it has one deadline.
"""

import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import Timeout

from configs.ground.addresses import is_loopback, resolve_stand_in
from configs.ground.public_addresses import is_public, parse_address
from configs.settings import Constant, settings
from notifier.channels.provider_base import POOLS, answer_until, provider_connect_seconds

# How long a receiver of a webhook may take from the look-up of its name to its answer
webhook_timeout_seconds = Constant("WEBHOOK_TIMEOUT_SECONDS", 5.0)


class NotPosted(Exception):
    """No answer came: the address is refused, or nobody answered in time. The text names no secret."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Return the status that the receiver answers.

    Raises:
        NotPosted: says why there is none.
    """
    parts = urlsplit(resolve_stand_in(url, settings().sandbox_hosts))
    if parts.scheme != "https" and not settings().loopback_only:
        raise NotPosted("refused: https only")
    until = time.monotonic() + webhook_timeout_seconds()
    said: Exception | None = None
    for address in _look_up(parts):
        try:
            return _post_to(address, parts, body, headers, until)
        except (NewConnectionError, ConnectTimeoutError) as error:  # of this address: it may have others
            said = error
        except (HTTPError, OSError) as error:
            raise NotPosted(f"no answer: {type(error).__name__}") from error
    raise NotPosted("not reached" + (f": {type(said).__name__}" if said else "")) from said


def _look_up(parts: SplitResult) -> list[str]:
    """Return the addresses of a host; all are public, or where nothing may leave this machine, loopback's."""
    host = parts.hostname or ""
    if settings().loopback_only and not is_loopback(host):
        raise NotPosted("refused: here only this machine is called")
    try:
        found = socket.getaddrinfo(host, parts.port or parts.scheme, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotPosted("its name leads nowhere") from error
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for each in addresses:
        address = parse_address(each)
        if not settings().loopback_only and (address is None or not is_public(address)):
            raise NotPosted("refused: it is not on the public internet")
    return addresses


def _post_to(address: str, parts: SplitResult, body: bytes, headers: Mapping[str, str], until: float) -> int:
    left = until - time.monotonic()
    if left <= 0:
        raise NotPosted("no answer in time")
    answer_until.set(until)
    timeout = Timeout(connect=min(left, provider_connect_seconds()), read=left)
    # https://urllib3.readthedocs.io/en/stable/advanced-usage.html#custom-sni-hostname
    names = {"server_hostname": parts.hostname, "assert_hostname": parts.hostname}
    tls: dict[str, Any] = names | {"ca_certs": DEFAULT_CA_BUNDLE_PATH} if parts.scheme == "https" else {}
    pool = POOLS[parts.scheme](address, parts.port, timeout=timeout, retries=False, **tls)
    named = {"Host": parts.netloc, "User-Agent": "RDVPriority-Webhooks", "Content-Type": "application/json"}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = pool.urlopen(
            "POST", target, body=body, headers={**named, **headers}, redirect=False, assert_same_host=False,
            preload_content=False,
        )  # fmt: skip
        answer.close()
        return answer.status
    finally:
        pool.close()
