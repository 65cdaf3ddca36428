"""Ailing sites: what a check of one may leave behind.

tests/crawler/test_outcomes.py has each way to be ill, by one site; here each site answers once with a page of its own
that says nothing, which only its reader can tell.
"""

from configs.world.outcome import Outcome
from crawler.items import CheckItem


def proves_nothing(item: CheckItem, expected: Outcome) -> None:
    """See that a check ended in an outcome, and neither shows nor covers anything: nothing opens, nothing closes."""
    assert (item.outcome, item.slots, item.covered) == (expected, (), ()), item.reason
