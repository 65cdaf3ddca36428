"""Errors between a request and its page: the outcome and reason of each, and whether a retry may help."""

import ssl
from collections.abc import Iterator
from typing import NamedTuple

from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    NotSupported,
    ResponseDataLossError,
    UnsupportedURLSchemeError,
)

from crawler.fetching.decompression import Broken, NotAccepted, TooLarge
from crawler.reading import Outcome, Reading
from crawler.url_policy import AddressRefused


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
# An answer that came and is no page is `unreadable`; what never came, or not whole, is `unreachable`.
_KINDS: dict[type[BaseException], _Kind] = {
    AddressRefused: _Kind(Outcome.UNREACHABLE, ""),
    ProxyFailed: _Kind(Outcome.UNREACHABLE, ""),
    TimeoutError: _Kind(Outcome.UNREACHABLE, "no whole page in time"),
    DownloadTimeoutError: _Kind(Outcome.UNREACHABLE, "no whole page in time"),
    CannotResolveHostError: _Kind(Outcome.UNREACHABLE, "the host's name was not found (DNS)", again=True),
    DownloadConnectionRefusedError: _Kind(Outcome.UNREACHABLE, "the connection was refused", again=True),
    OSError: _Kind(Outcome.UNREACHABLE, "no connection", again=True),
    DownloadFailedError: _CUT,
    ResponseDataLossError: _CUT,
    BrowserFailed: _Kind(Outcome.UNREACHABLE, "the browser failed"),
    NoHTTP: _Kind(Outcome.UNREACHABLE, "the answer is no HTTP"),
    Broken: _Kind(Outcome.UNREACHABLE, "the page is not whole"),
    NotAccepted: _Kind(Outcome.UNREADABLE, "the page cannot be unpacked"),
    TooLarge: _Kind(Outcome.UNREADABLE, "the page is too large"),
    DownloadCancelledError: _Kind(Outcome.UNREADABLE, "the page is too large"),
    UnsupportedURLSchemeError: _Kind(Outcome.UNREADABLE, "the address cannot be asked"),
    NotSupported: _Kind(Outcome.UNREADABLE, "the address cannot be asked"),
    ValueError: _Kind(Outcome.UNREADABLE, "the address cannot be asked"),
}
KNOWN = tuple(_KINDS)


def may_retry(error: BaseException) -> bool:
    """Tell whether asking again may bring the page: after troubles of the network only."""
    return _kind(error).again


def to_fetch_error(error: BaseException, where: str) -> FetchError:
    """Return one of the KNOWN errors as what its check says; `where` is what was asked."""
    kind = _kind(error)
    # Scrapy's text on time-outs says no more than its first words, with the seconds to 16 digits.
    told = () if isinstance(error, DownloadTimeoutError) else _chain(error)
    said = next((text.splitlines()[0][:200] for each in told if (text := str(each).strip())), "")
    return FetchError(kind.outcome, f"{': '.join(filter(None, (kind.reason, said)))} ({where})", error)


def _kind(error: BaseException) -> _Kind:
    if any(isinstance(cause, ssl.SSLError) for cause in _chain(error)):
        return _TLS
    return next(kind for known, kind in _KINDS.items() if isinstance(error, known))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the innermost causes first."""
    if error.__cause__:
        yield from _chain(error.__cause__)
    yield error
