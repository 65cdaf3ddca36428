"""The books of a chaos run: each kind of loss is found, and what a death excuses is no loss."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from api.models.user import Channel
from tests.in_turn import in_turn
from tests.lab.chaos.accounting import DeliveryAccount, may_be_unheard, settle
from tests.lab.chaos.deliveries import Delivery
from tests.lab.chaos.inbox import InboxMessage
from tests.lab.chaos.journal import Kill, OpenedSlot, OpeningJournal, Spell
from tests.lab.chaos.money import DELIVERS, compute_owed
from tests.lab.chaos.subscribers import PEOPLE, Reached, entitled

DESK = "evry-courcouronnes_91/naturalisation"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SLOT = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
ANA = (Channel.EMAIL, "ana@example.org")
EVE = (Channel.EMAIL, next(each for each in PEOPLE if each.name == "eve").addresses[Channel.EMAIL])
DUE = (DESK, SLOT)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def told(reached: Reached, seconds: float, number: int, notification: str = "") -> Delivery:
    channel, address = reached
    message = InboxMessage(number, channel, address, at(seconds), frozenset({notification or address}))
    return Delivery(message, frozenset({DUE}))


def settled(*more: Delivery, seconds: float = 1, **journal: Any) -> DeliveryAccount:
    """Settle a slot of which all got a message after some seconds, and other messages."""
    kept = OpeningJournal(**journal)
    kept.note_opening(OpenedSlot(DESK, "23018", SLOT, NOON))
    everybody = [told(reached, seconds, number) for number, reached in enumerate(sorted(entitled(DESK)), 1)]
    return settle(kept, [*everybody, *more], at(100), 45.0)


def test_what_never_came_is_lost_and_what_nobody_asked_for_is_told_to_a_stranger() -> None:
    clean = settled()
    assert (clean.is_clean, clean.expected, clean.late, clean.worst) == (True, 9, [], 1.0)
    journal = OpeningJournal()
    journal.note_opening(OpenedSlot(DESK, "23018", SLOT, NOON))
    assert (DUE, ANA) in settle(journal, [], at(100), 45.0).lost
    assert settled(told(EVE, 2, 50)).strangers == [(DUE, EVE)]


def test_a_copy_is_allowed_where_a_worker_died_with_the_yes_and_lateness_where_somebody_waited() -> None:
    for who, died, leave in [
        ("worker", 0.5, True), ("worker", 4.5, True), ("worker", 6, False), ("worker", -1, False), ("sweep", 1, False),
    ]:  # fmt: skip
        account = settled(told(ANA, 9, 50), kills=[Kill(who, 1, at(died))])
        counted = (len(account.doubled_allowed), len(account.doubled), account.is_clean)
        assert counted == ((1, 0, True) if leave else (0, 1, False)), (who, died)
    assert settled(told(ANA, 9, 50, "another notification"), kills=[Kill("worker", 1, at(1))]).doubled
    hangs = Spell("store-of-proofs-hangs", at(5), at(50), harmless=True)
    late = [
        settled(seconds=60, spells=[hangs], kills=[Kill(who, 1, at(50))]).late
        for who in ("proofs", "planner")
    ]
    assert [len(each) for each in late] == [9, 0]


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
