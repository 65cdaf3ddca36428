"""Errors between a request and its page: the outcome and reason of each, and whether a retry may help."""

import ssl
from collections.abc import Iterator
from socket import gaierror
from typing import NamedTuple

import aiohttp
from scrapy.exceptions import NotSupported

from crawler.reading import Outcome, Reading
from crawler.url_policy import AddressRefused


class Broken(ValueError):
    """A body ends too early or is no such encoding."""


class NotAccepted(ValueError):
    """A body has an encoding that was not asked for."""


class TooLarge(ValueError):
    """A body is larger than we read."""


class NoHTTP(Exception):
    """The answer is no HTTP."""


class ProxyFailed(Exception):
    """The proxy failed, and not the site."""


class BrowserFailed(Exception):
    """The browser did not start, was lost, or failed where the site is not at fault."""


class FetchError(Exception):
    """A request without a page, with the outcome and the reason that its check gets."""

    def __init__(self, outcome: Outcome, reason: str, error: BaseException | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.error = f"{type(error).__name__}: {error}" if error else None

    @property
    def reading(self) -> Reading:
        """Return it as the reading of the page that did not come."""
        return Reading(self.outcome, self.reason)


class _Kind(NamedTuple):
    outcome: Outcome
    reason: str
    again: bool = False  # whether a second try may bring the page


_CUT = _Kind(Outcome.UNREACHABLE, "the connection was lost before the page was whole", again=True)
_TLS = _Kind(Outcome.UNREACHABLE, "no trusted TLS connection")
_NO_CONNECTION = _Kind(Outcome.UNREACHABLE, "no connection", again=True)
_REFUSED = _NO_CONNECTION._replace(reason="the connection was refused")
_NO_NAME = _NO_CONNECTION._replace(reason="the host's name was not found (DNS)")
_NO_ADDRESS = _Kind(Outcome.UNREADABLE, "the address cannot be asked")
# The first that fits. An answer that came and is no page is `unreadable`; what never came, or not whole, `unreachable`.
_KINDS: dict[type[BaseException], _Kind] = {
    AddressRefused: _Kind(Outcome.UNREACHABLE, ""),
    ProxyFailed: _Kind(Outcome.UNREACHABLE, ""),
    TimeoutError: _Kind(Outcome.UNREACHABLE, "no whole page in time"),
    aiohttp.InvalidURL: _NO_ADDRESS,
    aiohttp.ClientConnectorDNSError: _NO_NAME,
    aiohttp.ClientConnectorError: _NO_CONNECTION,
    aiohttp.ClientError: _CUT,
    gaierror: _NO_NAME,
    OSError: _NO_CONNECTION,
    NoHTTP: _Kind(Outcome.UNREACHABLE, "the answer is no HTTP"),
    BrowserFailed: _Kind(Outcome.UNREACHABLE, "the browser failed"),
    Broken: _Kind(Outcome.UNREACHABLE, "the page is not whole"),
    NotAccepted: _Kind(Outcome.UNREADABLE, "the page cannot be unpacked"),
    TooLarge: _Kind(Outcome.UNREADABLE, "the page is too large"),
    NotSupported: _NO_ADDRESS,
    ValueError: _NO_ADDRESS,
}
KNOWN = tuple(_KINDS)


def may_retry(error: BaseException) -> bool:
    """Tell whether asking again may bring the page: after troubles of the network only."""
    return _kind(error).again


def to_fetch_error(error: BaseException, where: str) -> FetchError:
    """Return one of the KNOWN errors as what its check says; `where` is what was asked."""
    kind = _kind(error)
    said = next((text.splitlines()[0][:200] for each in _chain(error) if (text := str(each).strip())), "")
    return FetchError(kind.outcome, f"{': '.join(filter(None, (kind.reason, said)))} ({where})", error)


def _kind(error: BaseException) -> _Kind:
    causes = list(_chain(error))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return _TLS
    kind = next(kind for known, kind in _KINDS.items() if isinstance(error, known))
    refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
    return _REFUSED if refused and kind is _NO_CONNECTION else kind


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the innermost causes first."""
    if error.__cause__:
        yield from _chain(error.__cause__)
    yield error
