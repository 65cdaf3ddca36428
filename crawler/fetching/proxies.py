"""Proxies of checks: a random one for each check, and none that failed within the last minute.

A check keeps its proxy to the end. Budgets count a host's requests by whatever proxy, and a host that refuses us rests
for all of them: a proxy is never an answer to a block. Without PROXY_LIST nothing here runs.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress

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

_UNPAID = 407  # the status by which a proxy asks for a password; no site answers with it
_GATEWAY = range(500, 600)

log = logging.getLogger(__name__)


class Proxies:
    """The configured proxies. By `client` all processes know which ones rest; the dispatcher sets it."""

    def __init__(self, configured: Sequence[Proxy]) -> None:
        self.client: redis.asyncio.Redis | None = None
        self._all = {proxy.name: proxy for proxy in configured}

    def way(self) -> "ProxySession | None":
        """Return the proxy session of a check; None where no proxy is configured."""
        return ProxySession(self) if self._all else None

    async def choose(self, without: Collection[str] = ()) -> Proxy | None:
        """Return a proxy that does not rest, any where all rest; None where all are left out."""
        left = [name for name in self._all if name not in without]
        resting = await self._list_resting(left)
        well = [name for name in left if name not in resting] or left
        return self._all[random.choice(well)] if well else None  # noqa: S311 -- no secret

    async def rest(self, name: str) -> None:
        """Let a proxy that failed rest; while Redis is away it does not."""
        log.warning("proxy %s rests for %d s", name, _REST_SECONDS)
        if self.client:
            with suppress(redis.RedisError):  # the dispatcher says that it is away
                await self.client.set(_key(name), "1", ex=_REST_SECONDS)

    async def _list_resting(self, names: Sequence[str]) -> set[str]:
        if not self.client or not names:
            return set()
        try:
            found = await self.client.mget([_key(name) for name in names])
        except redis.RedisError:
            return set()
        return {name for name, rests in zip(names, found, strict=True) if rests}


class ProxySession:
    """Proxy of one check: the same for all its requests, those of a browser's context too.

    `failures`: how its proxies failed, each with its name.
    """

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._proxy: Proxy | None = None
        self.failures: list[str] = []
        self.answered = False  # from then on the check keeps its proxy, whatever happens

    async def proxy(self) -> Proxy:
        """Return the check's proxy, chosen as it is first asked for."""
        if self._proxy is None:
            self._proxy = await self._proxies.choose()
        if self._proxy is None:  # pragma: no cover - a session is made only with proxies
            raise LookupError("no proxy is configured")
        return self._proxy

    async def other(self, failure: ProxyFailed) -> bool:
        """Note the failure; tell whether the check may go on by another proxy, once and before anything answered."""
        failed = await self.proxy()
        self.failures.append(f"the proxy {failed.name} {failure}")
        await self._proxies.rest(failed.name)
        if not failure.own or self.answered or len(self.failures) > 1:
            return False
        other = await self._proxies.choose(without=[failed.name])
        self._proxy = other or failed
        return other is not None


async def ask_by_proxy(ask: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Ask by the request's proxy.

    Raises:
        crawler.fetching.errors.ProxyFailed: it is the proxy that failed. All else as it came: that is the site's.
    """
    try:
        response = await ask(request)
    except aiohttp.ClientHttpProxyError as error:
        said = _ASKS if error.status == _UNPAID else " ".join(error.message.split())
        raise ProxyFailed(
            f"opened no tunnel: {error.status}, {said}", own=error.status not in _GATEWAY
        ) from None
    except (aiohttp.ClientProxyConnectionError, aiohttp.ClientConnectorDNSError) as error:
        raise ProxyFailed(
            f"could not be reached: {error.os_error.strerror or error.os_error}", own=True
        ) from None
    except aiohttp.ConnectionTimeoutError:
        raise ProxyFailed("accepted no connection in time", own=True) from None
    if response.status == _UNPAID:
        raise ProxyFailed(f"answers 407: {_ASKS}", own=True)
    return response


_ASKS = "it asks for another user and password"


def _key(name: str) -> str:
    return f"crawler:proxy:rest:{name}"
