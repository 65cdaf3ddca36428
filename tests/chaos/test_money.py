"""The book of money of `make chaos`: what is owed after a withdrawal, and which copies of a mail are allowed."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from tests.in_turn import in_turn
from tests.lab.chaos.accounting import may_be_unheard
from tests.lab.chaos.journal import Kill, OpeningJournal
from tests.lab.chaos.money import DELIVERS, compute_owed

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
MADE_AT = NOON + timedelta(hours=6)
ORDER = {
    "amount_cents": 499, "made_at": MADE_AT, "paid_at": NOON, "informed_at": NOON, "began_at": NOON,
    "plan": "URGENCE_24H", "others": 0, "unwatched": 0,
}  # fmt: skip


@in_turn(
    "changed, owed",
    [
        ({}, (375, 375)),  # three quarters of a day are left
        ({"began_at": None}, (375, 499)),
        ({"others": 10}, (375, 499)),
        ({"informed_at": None}, (499, 499)),
        ({"informed_at": MADE_AT + timedelta(seconds=1)}, (499, 499)),
        ({"informed_at": MADE_AT - timedelta(seconds=2)}, (375, 499)),  # the notice came just then
        ({"began_at": None, "paid_at": MADE_AT + timedelta(hours=1)}, (499, 499)),  # a renewal, afterwards
        ({"began_at": NOON - timedelta(days=3)}, (0, 0)),
        ({"unwatched": 21_600}, (375, 499)),  # six unwatched hours may not be counted as used
    ],
)
def test_the_time_that_is_left_is_owed_and_all_without_the_notice(
    changed: dict[str, Any], owed: tuple[int, int]
) -> None:
    assert compute_owed(SimpleNamespace(**{**ORDER, **changed})) == owed


@in_turn("who, is_allowed", [("payments-worker", True), ("worker", True), ("planner", False)])
def test_a_copy_of_a_mail_is_allowed_where_who_sent_it_died(who: str, is_allowed: bool) -> None:
    journal = OpeningJournal(kills=[Kill(who, 1, NOON + timedelta(seconds=1))])
    assert may_be_unheard(NOON, "email", journal, DELIVERS) is is_allowed
