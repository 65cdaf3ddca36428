"""Proxy choice of a check: not the prefecture's last one, and none that lately failed with its host.

A check keeps its proxy to the end. Budgets count a host's requests by whatever proxy, and a host that refuses us rests
for all of them: a proxy is never an answer to a block. Without PROXY_LIST nothing here runs.
"""

import logging
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from configs.clock import clock
from configs.desk import Desk
from configs.proxies import Proxy
from crawler.fetching.errors import ProxyFailed

# First rest of a proxy that failed, for the host it failed with; each further one is twice as long
_PROXY_REST_SECONDS = 60
# Longest rest of a proxy
_PROXY_LONGEST_REST_SECONDS = 3600

log = logging.getLogger(__name__)

_RACES = 5  # attempts to take one: at most so many processes take one at the same instant
_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class ProxyHealth:
    """Health of a proxy with one host: failures in a row, and until when (Unix seconds) it rests."""

    failures: int = 0
    rests_until: float = 0


@dataclass(frozen=True, slots=True)
class KnownProxies:
    """Known proxies for a check: its prefecture's last one, and the health of those that failed."""

    last: str | None
    health: Mapping[str, ProxyHealth]


class ProxyStore(Protocol):
    """Store of proxy health: in this process, or in Redis for all."""

    async def recall_proxies(self, prefecture: str, host: str) -> KnownProxies:
        """Return what is remembered."""

    async def take(self, prefecture: str, before: str | None, name: str) -> bool:
        """Store the proxy as the prefecture's last one; False, and no change, where the last one is not `before`."""

    async def note(self, host: str, name: str, health: ProxyHealth | None) -> None:
        """Store a proxy's health with a host; None: it works."""


class InMemoryProxyStore:
    """ProxyStore of one process."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._health: dict[str, dict[str, ProxyHealth]] = {}

    async def recall_proxies(self, prefecture: str, host: str) -> KnownProxies:
        """Return what is remembered."""
        return KnownProxies(self._last.get(prefecture), dict(self._health.get(host, {})))

    async def take(self, prefecture: str, before: str | None, name: str) -> bool:
        """Note the last one, unless another check was faster."""
        if self._last.get(prefecture) != before:
            return False
        self._last[prefecture] = name
        return True

    async def note(self, host: str, name: str, health: ProxyHealth | None) -> None:
        """Remember or forget."""
        if health:
            self._health.setdefault(host, {})[name] = health
        else:
            self._health.get(host, {}).pop(name, None)


def candidates(
    names: Sequence[str], known: KnownProxies, now: float, without: Collection[str] = ()
) -> list[str]:
    """Return equally good proxies: those that do not rest, the last one only where it is alone.

    Where all rest it is the one whose rest ends first: only a request finds out whether one works again.
    """
    left = [name for name in names if name not in without]
    well = [name for name in left if known.health.get(name, ProxyHealth()).rests_until <= now]
    if not well:
        return sorted(left, key=lambda name: known.health[name].rests_until)[:1]
    return [name for name in well if name != known.last] or well


def after_failure(health: ProxyHealth, now: float) -> ProxyHealth:
    """Return the health after one more failure: each rest is twice as long as the one before."""
    seconds = _PROXY_REST_SECONDS * 2.0 ** min(health.failures, _DOUBLINGS)
    return ProxyHealth(health.failures + 1, now + min(seconds, _PROXY_LONGEST_REST_SECONDS))


class Proxies:
    """The configured proxies. `memory` is this process's own until the dispatcher sets the shared one."""

    def __init__(self, configured: Sequence[Proxy]) -> None:
        self.memory: ProxyStore = InMemoryProxyStore()
        self._all = {proxy.name: proxy for proxy in configured}
        self._said: dict[str, str] = {}

    def way(self, desk: Desk) -> "ProxySession | None":
        """Return the proxy session of a check; None where no proxy is configured."""
        return ProxySession(self, desk.prefecture_id, desk.host) if self._all else None

    async def take(self, prefecture: str, host: str, without: Collection[str] = ()) -> Proxy | None:
        """Choose a proxy and store it as the prefecture's last; None where all are left out."""
        name = None
        for _ in range(_RACES):
            known = await self.memory.recall_proxies(prefecture, host)
            possible = candidates(list(self._all), known, clock().timestamp(), without)
            if not possible:
                return None
            name = random.choice(possible)  # noqa: S311 -- no secret
            if await self.memory.take(prefecture, known.last, name):
                self._say(host, name, known)
                break
        return self._all[name] if name else None

    async def failed(self, host: str, name: str) -> None:
        """Let a proxy rest for a host, longer each time."""
        now = clock().timestamp()
        known = await self.memory.recall_proxies("", host)
        health = after_failure(known.health.get(name, ProxyHealth()), now)
        await self.memory.note(host, name, health)
        log.warning("proxy %s rests for %s for %.0f s", name, host, health.rests_until - now)

    async def worked(self, host: str, name: str) -> None:
        """Forget that a proxy failed with a host."""
        if name in (await self.memory.recall_proxies("", host)).health:
            await self.memory.note(host, name, None)

    def _say(self, host: str, name: str, known: KnownProxies) -> None:
        """Log once that the same proxy has to be taken twice in a row."""
        alone = name == known.last and len(self._all) > 1
        if alone and self._said.get(host) != name:
            log.warning("proxy %s is the only one left for %s: it is taken again and again", name, host)
        self._said = (
            {**self._said, host: name} if alone else {k: v for k, v in self._said.items() if k != host}
        )


class ProxySession:
    """Proxy of one check: the same for all its requests, those of a browser's context too.

    `failures`: how its proxies failed, each with its name.
    """

    def __init__(self, proxies: Proxies, prefecture: str, host: str) -> None:
        self._proxies, self._prefecture, self._host = proxies, prefecture, host
        self._proxy: Proxy | None = None
        self.failures: list[str] = []
        self._failed: list[str] = []
        self._answered = False

    async def proxy(self) -> Proxy:
        """Return the check's proxy, chosen as it is first asked for."""
        if self._proxy is None:
            self._proxy = await self._proxies.take(self._prefecture, self._host)
        if self._proxy is None:  # pragma: no cover - a session is made only with proxies
            raise LookupError("no proxy is configured")
        return self._proxy

    async def worked(self) -> None:
        """Note that an answer came by it: from then on the check keeps it, whatever happens."""
        if self._proxy and not self._answered:
            self._answered = True
            await self._proxies.worked(self._host, self._proxy.name)

    async def other(self, failure: ProxyFailed) -> bool:
        """Note the failure; tell whether the check may go on by another proxy, once and before anything answered."""
        if self._proxy is None:
            return False
        self._failed.append(self._proxy.name)
        self.failures.append(f"the proxy {self._proxy.name} {failure}")
        await self._proxies.failed(self._host, self._proxy.name)
        if not failure.own or self._answered or len(self._failed) > 1:
            return False
        other = await self._proxies.take(self._prefecture, self._host, self._failed)
        self._proxy = other or self._proxy
        return other is not None
