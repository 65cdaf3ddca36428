"""Sites that are not well: how each stand-in misbehaves, and what a check of any platform makes of it."""

import pytest

from configs.outcome import Outcome
from crawler.items import CheckItem

AILING = pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("block", Outcome.BLOCKED),
        ("cloudflare", Outcome.BLOCKED),
        ("captcha", Outcome.CAPTCHA),
        ("maintenance", Outcome.MAINTENANCE),
        ("rate_limited", Outcome.RATE_LIMITED),
        ("layout", Outcome.UNREADABLE),
        ("error200", Outcome.UNREADABLE),
        ("empty", Outcome.UNREADABLE),
        ("overload_502", Outcome.UNREACHABLE),
        ("truncated_gzip", Outcome.UNREACHABLE),
        ("reset", Outcome.UNREACHABLE),
        ("redirect_away", Outcome.UNREADABLE),
    ],
)


def proves_nothing(item: CheckItem, expected: Outcome) -> None:
    """See that a check ended in an outcome, and neither shows nor covers anything: nothing opens, nothing closes."""
    assert (item.outcome, item.slots, item.covered) == (expected, (), ()), item.reason
