"""Identity of a check, the same to its end: its User-Agent and headers, and its proxy.

It is a browser of the pool (configs/world/user_agents.yaml) by a random proxy, none that failed lately.
Neither is an answer to a block: budgets count a host's requests by whatever proxy, a host that refuses us rests for all
of them, and for a day after it we come under our own name, by the way that it knows. Where the host's rule says `agent:
honest`, we always are ourselves, without a proxy.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import redis
import redis.asyncio
from scrapy import Request
from scrapy.http import Response

from configs.settings import settings
from configs.settings.proxies import Proxy
from configs.world.host_rule import Agent as Rule
from configs.world.prefecture import host_rules
from configs.world.user_agents import Headers, Kind, user_agents
from crawler.fetching.errors import ProxyFailed

# How long a proxy may take to accept a connection
PROXY_CONNECT_SECONDS = 5
_REST_SECONDS, _LONGEST_REST_SECONDS = 60, 3600  # of a proxy that failed
_LAST_SECONDS = 7 * 86400  # how long it is known by which proxy a host was asked last: longer than any rest

ENCODINGS = "gzip, deflate"  # what is asked for: what crawler/fetching/download_handler.py unpacks
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpAgent:
    """One agent: `name` is its User-Agent, `words` fill in its headers."""

    name: str
    headers: Headers
    words: Mapping[str, str]

    def build_headers(
        self, kind: Kind, method: str, url: str, own: Mapping[str, str], page: str | None
    ) -> dict[str, str]:
        """Return all headers of a request, in the agent's order.

        `own` are those that the request asks for itself: they win. `page`: the address of the page that asks, None
        where a person opens one.
        """
        given = {name.lower(): value for name, value in own.items()}
        site, told = _describe_page(kind, method, url, page)
        words = {**self.words, "site": site}
        sent = {
            name: value
            for name, default in self.headers[kind].items()
            if (value := given.pop(name.lower(), "") or told.get(name) or default.format_map(words))
        }
        return sent | {name: value for name, value in own.items() if name.lower() in given}


class Identity(NamedTuple):
    """Who a check says it is, and the proxy that it goes by; None: by none."""

    agent: HttpAgent
    proxy: Proxy | None = None


class Identities:
    """Chooses identities, by the configured proxies.

    By `client`, which the dispatcher sets, all processes know which proxies rest, which hosts refused us, and the proxy
    that each was asked by last. Without it this process knows that proxy alone.
    """

    def __init__(self, proxies: Sequence[Proxy]) -> None:
        self.client: redis.asyncio.Redis | None = None
        self._proxies = proxies
        self._last: dict[str, str] = {}  # names of proxies by host

    async def choose(self, host: str, named: str | None = None) -> Identity:
        """Return the identity for a check of this host (`name:port`); `named`: the proxy of its prefecture.

        Raises:
            crawler.fetching.errors.ProxyFailed: no such proxy is configured.
        """
        rule = host_rules().get(host)
        if rule and rule.agent is Rule.HONEST:
            return Identity(honest())
        refused, last, resting = await self._recall(host)
        if refused:
            return Identity(honest(), next((each for each in self._proxies if each.name == last), None))
        proxy = self._draw(named, self._last.get(host), last, resting)
        if proxy:
            await self._keep_last(host, proxy.name)
        return Identity(random.choice(pool()), proxy)  # noqa: S311 -- no secret

    async def rest(self, name: str) -> None:
        """Let a proxy that failed rest, twice as long where it fails right after; while Redis is away it does not."""
        if self.client:
            with suppress(redis.RedisError):  # the dispatcher says that it is away
                before = int(await self.client.get(_failed_key(name)) or _REST_SECONDS / 2)
                seconds = min(2 * before, _LONGEST_REST_SECONDS)
                if await self.client.set(_rest_key(name), "1", ex=seconds, nx=True):
                    await self.client.set(_failed_key(name), seconds, ex=2 * seconds)
                    log.warning("proxy %s rests for %d s", name, seconds)

    async def _recall(self, host: str) -> tuple[bool, str | None, set[str]]:
        """Return whether the host refused us lately, its last proxy, and the proxies that rest."""
        last = self._last.get(host)
        if not self.client:
            return False, last, set()
        names = [each.name for each in self._proxies]
        keys = [f"crawler:refused:{host}", _last_key(host), *map(_rest_key, names)]
        try:
            refused, shared, *rests = await self.client.mget(keys)
            if refused:  # for weeks, maybe: its way is not forgotten meanwhile
                await self.client.expire(_last_key(host), _LAST_SECONDS)
        except redis.RedisError:  # unknown is no leave to come as somebody else
            return True, last, set()
        resting = {name for name, rest in zip(names, rests, strict=True) if rest}
        return bool(refused), str(shared) if shared else last, resting

    def _draw(self, named: str | None, own: str | None, last: str | None, resting: set[str]) -> Proxy | None:
        """Return a proxy that neither rests nor was the host's last, of this process (`own`) or of all, if any."""
        known = [each for each in self._proxies if named in (None, each.name, each.name.partition("#")[0])]
        if named and not known:
            raise ProxyFailed(
                f"{named} is not in PROXY_LIST: add it, or change `proxy` in the prefecture's file"
            )
        well = [each for each in known if each.name not in resting] or known
        others = [each for each in well if each.name != own] or well
        others = [each for each in others if each.name != last] or others
        return random.choice(others) if others else None  # noqa: S311 -- no secret

    async def _keep_last(self, host: str, name: str) -> None:
        self._last[host] = name
        if self.client:
            with suppress(redis.RedisError):
                await self.client.set(_last_key(host), name, ex=_LAST_SECONDS)


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


def _rest_key(name: str) -> str:
    return f"crawler:proxy:rest:{name}"


def _failed_key(name: str) -> str:
    return f"crawler:proxy:failed:{name}"


def _last_key(host: str) -> str:
    return f"crawler:proxy:last:{host}"


def honest() -> HttpAgent:
    """Return our own identity, with a contact address (AGENT_CONTACT)."""
    name = f"RDVPriority/1.0 (+{settings().agent_contact})"
    return HttpAgent(name, user_agents().honest, {"agent": name, "encodings": ENCODINGS})


@lru_cache(maxsize=1)
def pool() -> tuple[HttpAgent, ...]:
    """Return the browsers of user_agents.yaml."""
    return tuple(
        HttpAgent(words["agent"], engine.headers, {**words, "encodings": ENCODINGS})
        for engine in user_agents().engines.values()
        for words in engine.list_words()
    )


def origin_of(url: str) -> str:
    """Return an address's origin as a browser writes it: scheme and host, the port where it is not the scheme's."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _describe_page(kind: Kind, method: str, url: str, page: str | None) -> tuple[str, dict[str, str]]:
    """Return `Sec-Fetch-Site`, and the headers that name the page that asks; None: a person opens the address.

    What a request says of its page is the default of https://www.w3.org/TR/referrer-policy/.
    """
    if page is None:
        return "none", {}
    origin = origin_of(page)
    same = origin == origin_of(url)
    told = {"Referer": page if same else f"{origin}/"}
    if kind == "socket" or method != "GET" or (kind == "script" and not same):
        told["Origin"] = origin
    if same:
        return "same-origin", told
    return "same-site" if _registered_name(page) == _registered_name(url) else "cross-site", told


def _registered_name(url: str) -> str:
    """Return the name that somebody registered: two labels, three below gouv.fr, where each service is its own."""
    name = urlsplit(url).hostname or ""
    return ".".join(name.split(".")[-3 if name.endswith(".gouv.fr") else -2 :])
