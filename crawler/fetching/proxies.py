"""Proxies of checks: a random one for each check, and none that failed within the last minute.

A check keeps its proxy to the end. Budgets count a host's requests by whatever proxy, and a host that refuses us rests
for all of them: a proxy is never an answer to a block. Without PROXY_LIST nothing here runs.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus

import aiohttp
import redis
import redis.asyncio
from scrapy import Request
from scrapy.http import Response

from configs.settings.proxies import Proxy
from crawler.fetching.errors import ProxyFailed

# How long a proxy may take to accept a connection
PROXY_CONNECT_SECONDS = 5
_REST_SECONDS = 60  # of a proxy that failed

log = logging.getLogger(__name__)


class Proxies:
    """The configured proxies. By `client` all processes know which ones rest; the dispatcher sets it."""

    def __init__(self, configured: Sequence[Proxy]) -> None:
        self.client: redis.asyncio.Redis | None = None
        self._all = configured

    async def choose(self) -> Proxy | None:
        """Return a proxy for a check: one that does not rest, any where all rest; None where none is configured."""
        resting: Sequence[object] = [None] * len(self._all)
        if self._all and self.client:
            with suppress(redis.RedisError):
                resting = await self.client.mget([_key(proxy.name) for proxy in self._all])
        well = [proxy for proxy, rests in zip(self._all, resting, strict=True) if not rests] or self._all
        return random.choice(well) if well else None  # noqa: S311 -- no secret

    async def rest(self, name: str) -> None:
        """Let a proxy that failed rest; while Redis is away it does not."""
        log.warning("proxy %s rests for %d s", name, _REST_SECONDS)
        if self.client:
            with suppress(redis.RedisError):  # the dispatcher says that it is away
                await self.client.set(_key(name), "1", ex=_REST_SECONDS)


async def ask_by_proxy(ask: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Ask by the request's proxy.

    Raises:
        crawler.fetching.errors.ProxyFailed: it is the proxy that failed. All else as it came: that is the site's.
    """
    try:
        return await ask(request)
    except aiohttp.ClientHttpProxyError as error:
        said = " ".join(error.message.split())
        if error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            said = "it asks for another user and password"
        raise ProxyFailed(f"opened no tunnel: {error.status}, {said}") from None
    except (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError) as error:
        raise ProxyFailed(f"could not be reached: {error.os_error.strerror or error.os_error}") from None
    except aiohttp.ConnectionTimeoutError:
        raise ProxyFailed("accepted no connection in time") from None


def _key(name: str) -> str:
    return f"crawler:proxy:rest:{name}"
