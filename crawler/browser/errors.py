"""Classification of browser errors, by the classes of crawler/fetching/errors.py."""

import re
import ssl
from collections.abc import Mapping

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError
from scrapy.exceptions import CannotResolveHostError, NotSupported, ResponseDataLossError

from configs.ground.hosts import host_of
from crawler.browser.request_policy import RequestPolicy
from crawler.fetching.errors import BrowserFailed, FetchError, NoHTTP
from crawler.reading import Outcome

_CODE = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_NO_CONTENT = (204, 205)
_DOWNLOAD = "Download is starting"
_OURS = "ERR_BLOCKED_BY_CLIENT"
# https://source.chromium.org/chromium/chromium/src/+/main:net/base/net_error_list.h
_KINDS: tuple[tuple[str, type[Exception]], ...] = (
    ("ERR_CERT_|ERR_SSL_", ssl.SSLError),
    ("ERR_NAME_", CannotResolveHostError),
    (
        "ERR_(EMPTY_RESPONSE|CONNECTION_(CLOSED|RESET|ABORTED)|CONTENT_LENGTH|INCOMPLETE_CHUNKED|CONTENT_DECODING)",
        ResponseDataLossError,
    ),
    ("ERR_(INVALID_HTTP_RESPONSE|RESPONSE_HEADERS_|INVALID_CHUNKED)", NoHTTP),
    ("ERR_(CONNECTION|TUNNEL|PROXY|ADDRESS|NETWORK|INTERNET)", OSError),
    ("ERR_TIMED_OUT", TimeoutError),
    ("ERR_(ABORTED|UNKNOWN_URL_SCHEME|INVALID_URL|DISALLOWED)", NotSupported),
)


def classify_error(
    error: PlaywrightError, url: str, traffic: RequestPolicy, troubles: Mapping[str, Exception]
) -> Exception:
    """Return the classified error of the browser for an address."""
    if traffic.refusal:
        return traffic.refusal
    if trouble := troubles.get(host_of(url)):
        return trouble
    if isinstance(error, PlaywrightTimeoutError):
        return TimeoutError()
    if traffic.answer and traffic.answer.status in _NO_CONTENT:
        return NotSupported(f"HTTP {traffic.answer.status}, which is no page")
    return _classify_message(error.message, url)


def _classify_message(message: str, url: str) -> Exception:
    if _DOWNLOAD in message:
        return NotSupported("a file to download, which is no page")
    found = _CODE.search(message)
    if found and found[1] == _OURS:
        return FetchError(Outcome.UNREADABLE, f"led where nothing is asked ({url})")
    known = (kind for codes, kind in _KINDS if found and re.match(codes, found[1]))
    return next(known, BrowserFailed)(message.partition("\n")[0][:200])
