"""Parser of the HTTP header Retry-After, of sites and of providers.

https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

from configs.ground.clock import clock

_LONGEST_WAIT = 366 * 86400.0  # seconds; a number of 310 digits is infinite as a float
_EPOCH = 1e9  # seconds since 1970 from here on
_SECONDS = re.compile(r"\d+(?:\.\d*)?(?:\s*,\s*\d+(?:\.\d*)?)*", re.ASCII)


def parse_retry_after(value: str) -> float | None:
    """Return the seconds to wait: a number of seconds, or until a date; None for anything else.

    They are a year at most, and 0 for a moment that is past. A date without a zone is in UTC, as HTTP dates are.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        numbers = [float(each) for each in text.split(",")]  # a proxy joins two headers
        seconds = max(each - clock().timestamp() if each >= _EPOCH else each for each in numbers)
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):  # OverflowError: a year of twenty digits
            return None
        seconds = (until.replace(tzinfo=until.tzinfo or UTC) - clock()).total_seconds()
    return min(max(0.0, seconds), _LONGEST_WAIT)
