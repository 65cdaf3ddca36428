import ssl

import pytest
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

from configs.world.outcome import Outcome
from crawler.fetching.decompression import Broken, NotAccepted, TooLarge
from crawler.fetching.errors import KNOWN, NoHTTP, may_retry, to_fetch_error
from crawler.url_policy import AddressRefused

WHERE = "GET http://127.0.0.1/"


def failed(cause: Exception) -> DownloadFailedError:
    """Return an error as the handler wraps what aiohttp met."""
    error = DownloadFailedError("failed")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outcome", "reason", "tries"),
    [
        (AddressRefused("x is far"), Outcome.UNREACHABLE, "x is far", False),
        (TimeoutError("over"), Outcome.UNREACHABLE, "in time", False),
        (DownloadTimeoutError("over"), Outcome.UNREACHABLE, "in time", False),
        (CannotResolveHostError("x"), Outcome.UNREACHABLE, "DNS", True),
        (DownloadConnectionRefusedError("x"), Outcome.UNREACHABLE, "refused", True),
        (OSError(24, "Too many open files"), Outcome.UNREACHABLE, "Too many open files", True),
        (failed(ConnectionResetError("reset by peer")), Outcome.UNREACHABLE, "lost", True),
        (ResponseDataLossError(), Outcome.UNREACHABLE, "before the page was whole", True),
        (failed(ssl.SSLError("certificate verify failed")), Outcome.UNREACHABLE, "certificate verify", False),
        (NoHTTP("SSH"), Outcome.UNREACHABLE, "no HTTP: SSH", False),
        (Broken("short"), Outcome.UNREACHABLE, "not whole: short", False),
        (NotAccepted("br"), Outcome.UNREADABLE, "unpacked: br", False),
        (TooLarge("big"), Outcome.UNREADABLE, "too large: big", False),
        (DownloadCancelledError(""), Outcome.UNREADABLE, "too large (", False),
        (UnsupportedURLSchemeError("ftp"), Outcome.UNREADABLE, "cannot be asked", False),
        (NotSupported("ftp"), Outcome.UNREADABLE, "cannot be asked", False),
        (ValueError("bad port"), Outcome.UNREADABLE, "cannot be asked: bad port", False),
    ],
)
def test_each_failure_has_its_outcome_and_its_words(
    error: Exception, outcome: Outcome, reason: str, tries: bool
) -> None:
    assert isinstance(error, KNOWN)
    told = to_fetch_error(error, WHERE)
    assert told.outcome is told.reading.outcome is outcome
    assert reason in told.reason
    assert told.reason.endswith(f"({WHERE})")
    assert told.error
    assert told.error.startswith(type(error).__name__)
    assert may_retry(error) is tries
