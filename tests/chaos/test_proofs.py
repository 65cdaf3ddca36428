"""The books of proofs: what is not in the store was in a spider's hands when it died, or is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from deploy.chaos.journal import Kill, OpeningJournal, Spell
from deploy.chaos.proofs import ClaimedProof, settle

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def outcome(journal: OpeningJournal, key: str | None = "gone") -> tuple[int, int, int]:
    """Return how many proofs are kept, excused and lost, of one that was committed at noon."""
    proven = settle(journal, [ClaimedProof("a/desk", NOON, key)], lambda key: key == "there")
    return proven.kept, len(proven.excused), len(proven.lost)


def test_a_proof_is_there_or_lost() -> None:
    assert outcome(OpeningJournal(), "there") == (1, 0, 0)
    assert outcome(OpeningJournal()) == (0, 0, 1)
    assert outcome(OpeningJournal(), None) == (0, 0, 1)


@pytest.mark.parametrize(
    ("who", "seconds", "excused"),
    [
        ("spider", 0.1, 1),
        ("scrapyd (SIGTERM)", 4, 1),
        ("spider", -0.5, 1),
        ("spider", 6, 0),
        ("spider", -2, 0),
        ("proofs", 0.1, 0),
        ("worker", 0.1, 0),
    ],
)
def test_only_a_spider_that_dies_with_a_page_in_hand_excuses_it(
    who: str, seconds: float, excused: int
) -> None:
    journal = OpeningJournal(kills=[Kill(who, 1, at(seconds))])
    assert outcome(journal) == (0, excused, 1 - excused)


@pytest.mark.parametrize(
    ("fault", "begin", "end", "excused"),
    [
        ("fill-the-disk", -3, 3, 1),
        ("fill-the-disk", 2, 9, 1),
        ("fill-the-disk", -30, -20, 0),
        ("fill-the-disk", 20, None, 0),
        ("store-of-proofs-is-full", -3, 3, 0),
        ("store-of-proofs-hangs", -3, None, 0),
    ],
)
def test_a_full_disk_excuses_it_and_a_store_in_trouble_does_not(
    fault: str, begin: float, end: float | None, excused: int
) -> None:
    journal = OpeningJournal(spells=[Spell(fault, at(begin), at(end) if end is not None else None)])
    assert outcome(journal) == (0, excused, 1 - excused)
