"""Parser of the HTTP header Retry-After, of sites and of providers.

https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from configs.ground.clock import clock

_LONGEST_WAIT = 366 * 86400.0  # seconds; a number of 310 digits is infinite as a float
_EPOCH, _MILLISECONDS = 1e9, 1e11  # from which on a number is no wait: seconds since 1970, or milliseconds
_SECONDS = re.compile(r"(\d+(?:\.\d*)?)\s*(?:s|sec|seconds)?", re.ASCII | re.IGNORECASE)


def parse_retry_after(value: str) -> float | None:
    """Return the seconds to wait, from what servers write: seconds, several of them, an epoch, a date; else None.

    They are a year at most, and 0 for a moment that is past. A date without a zone is in UTC, as HTTP dates are. Of
    several headers, which proxies join by commas, the longest wait counts.
    """
    numbers = [_SECONDS.fullmatch(each.strip()) for each in value.split(",")]
    if all(numbers):
        seconds = max(_read_seconds(float(each[1])) for each in numbers if each)
    elif until := _read_date(value.strip()):
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - clock()).total_seconds()
    else:
        return None
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _read_seconds(number: float) -> float:
    if number < _EPOCH:
        return number
    return (number / 1000 if number >= _MILLISECONDS else number) - clock().timestamp()


def _read_date(text: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        with suppress(ValueError, TypeError, OverflowError):  # OverflowError: a year of twenty digits
            return read(text)
    return None
