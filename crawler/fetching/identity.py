"""Identity of a check, the same to its end: its User-Agent and headers, and its proxy.

It is a browser of the pool (configs/world/user_agents.yaml), or ourselves where the host's rule says `agent: honest`.

A proxy is a random one for each check, and none that failed within the last minute. Budgets count a host's requests by
whatever proxy, and a host that refuses us rests for all of them: a proxy is never an answer to a block.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import redis
import redis.asyncio
from scrapy import Request
from scrapy.http import Response

from configs.ground.strict_model import Strict
from configs.ground.strict_yaml import load_file
from configs.settings import PREFECTURES, settings
from configs.settings.proxies import Proxy
from configs.world.host_rule import Agent as Rule
from configs.world.prefecture import host_rules
from crawler.fetching.errors import ProxyFailed

# How long a proxy may take to accept a connection
PROXY_CONNECT_SECONDS = 5
_REST_SECONDS = 60  # of a proxy that failed

log = logging.getLogger(__name__)

_AGENTS = PREFECTURES.parent / "world" / "user_agents.yaml"
ENCODINGS = "gzip, deflate"  # what is asked for: what crawler/fetching/download_handler.py unpacks
Kind = Literal["page", "script", "socket"]
# What one engine sends, in its order: opening a page, asking as a page's script does, opening a socket. Values have
# words in braces, and are empty where a request fills in.
Headers = Mapping[Kind, Mapping[str, str]]


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


class Agents(Strict):
    """All of user_agents.yaml: the headers of browsers, those of who says who they are, and the browsers of checks.

    A browser is one release of one: its User-Agent (`agent`), and its client hints (`brands`, `system`).
    """

    browser: Headers
    honest: Headers
    browsers: tuple[Mapping[str, str], ...]


@lru_cache(maxsize=1)
def _load_agents() -> Agents:
    return load_file(_AGENTS, Agents)


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


def agent_for(host: str) -> HttpAgent:
    """Return the identity for a check of this host (`name:port`): drawn from the pool, or ourselves."""
    rule = host_rules().get(host)
    if rule and rule.agent is Rule.HONEST:
        return honest()
    return random.choice(pool())  # noqa: S311 -- no secret


def honest() -> HttpAgent:
    """Return our own identity, with a contact address (AGENT_CONTACT)."""
    name = f"RDVPriority/1.0 (+{settings().agent_contact})"
    return HttpAgent(name, _load_agents().honest, {"agent": name, "encodings": ENCODINGS})


@lru_cache(maxsize=1)
def pool() -> tuple[HttpAgent, ...]:
    """Return the browsers of user_agents.yaml."""
    found = _load_agents()
    return tuple(
        HttpAgent(each["agent"], found.browser, {**each, "encodings": ENCODINGS}) for each in found.browsers
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
