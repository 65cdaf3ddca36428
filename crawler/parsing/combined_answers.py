"""Answers that cover a desk only together, because their areas overlap: the last one carries the joint proof."""

from dataclasses import replace

from crawler.reading import Outcome, Page, PageRequest, Reading

_PARTLY = "after an answer that was not whole"


def combine_answers(page: Page, reading: Reading, following: PageRequest | None) -> Reading:
    """Return the reading of one answer of a series; `reading` is what it would prove alone.

    `following` is the next request, None for the last answer. Slots count at once. An absence counts with the last
    answer, if all answers before it were complete.
    """
    whole = bool(reading.covered) and page.ask.step != _PARTLY
    if following:
        said = None if reading.outcome is Outcome.NO_SLOTS else reading.outcome
        ask = following if whole else replace(following, step=_PARTLY)
        return replace(reading, outcome=said, covered=(), asks=(ask,))
    if reading.covered and not whole:
        outcome = reading.outcome if reading.slots else Outcome.UNREADABLE
        return replace(reading, outcome=outcome, covered=(), reason=f"{reading.reason}, {_PARTLY}")
    return reading
