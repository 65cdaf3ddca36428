"""Cookies of one check: Python's jar says which are taken; here is chosen which go with a request.

By the jar's rules (https://docs.python.org/3/library/http.cookiejar.html#defaultcookiepolicy-objects), which parses the
address anew for each rule of each cookie: a twelfth of all that a page costs.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from http.cookiejar import Cookie, eff_request_host, request_path, request_port  # type: ignore[attr-defined] # undocumented
from time import time
from typing import NamedTuple
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.http import Response
from scrapy.http.cookies import CookieJar, WrappedRequest, potential_domain_matches

from crawler.address_cache import cache_short

_IPV4 = re.compile(r"\.\d+$", re.ASCII)
_PROTECTED = ("https", "wss")
_KEY = b"Cookie"  # as Scrapy's headers spell it


class Cookies:
    """What a site has set so far."""

    def __init__(self) -> None:
        self._jar = CookieJar()
        self._kept: list[Cookie] = []

    def keep(self, response: Response, request: Request) -> None:
        """Take the cookies that this answer may set."""
        self._jar.extract_cookies(response, request)
        self._kept = list(self._jar)

    def add_to(self, request: Request) -> None:
        """Send with a request what belongs to it; one that brings cookies of its own keeps those."""
        asked, now = _read_address(request.url), int(time())
        sent = [cookie for cookie in self._kept if _goes_with(cookie, asked, now)]
        if sent:
            sent.sort(key=lambda cookie: (-len(cookie.path), asked.domains[cookie.domain]))
            # By its normalized key: Scrapy's own methods would normalize it again.
            dict.setdefault(request.headers, _KEY, ["; ".join(map(_write, sent)).encode()])


class _Address(NamedTuple):
    """An address as cookies see it; `domains` are those whose cookies go there, with their places in the order."""

    protected: bool
    domains: Mapping[str, int]
    path: str
    port: str


@cache_short
def _read_address(url: str) -> _Address:
    opened, host = WrappedRequest(Request(url, meta={"verbatim_url": True})), urlsplit(url).hostname
    domains = _domains(host, eff_request_host(opened)[1]) if host else {}
    return _Address(
        opened.type in _PROTECTED, domains, request_path(opened), request_port(opened) if host else ""
    )


@lru_cache(1 << 12)
def _domains(host: str, effective: str) -> Mapping[str, int]:
    """Return the domains whose cookies go to a host, in the order in which these are sent."""
    if _IPV4.search(host):
        named = [host, f".{host}"]
    else:
        local = [] if "." in host else potential_domain_matches(f"{host}.local")
        named = potential_domain_matches(host) + local
    sent = [domain for domain in named if f".{effective}".endswith(f".{domain.removeprefix('.')}")]
    return {domain: place for place, domain in enumerate(sent)}


def _goes_with(cookie: Cookie, asked: _Address, now: int) -> bool:
    return (
        cookie.domain in asked.domains
        and (asked.path == cookie.path or asked.path.startswith(_folder(cookie.path)))
        and (asked.protected or not cookie.secure)
        and not cookie.is_expired(now)
        and (not cookie.port or asked.port in cookie.port.split(","))
    )


def _folder(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _write(cookie: Cookie) -> str:
    return cookie.name if cookie.value is None else f"{cookie.name}={cookie.value}"
