"""The books of a chaos run: they find what was lost, late, doubled or told to the wrong person."""

from datetime import UTC, datetime, timedelta

import pytest

from api.models.user import Channel
from tests.lab.chaos.accounting import DeliveryAccount, settle
from tests.lab.chaos.deliveries import Delivery
from tests.lab.chaos.inbox import InboxMessage
from tests.lab.chaos.journal import Kill, OpenedSlot, OpeningJournal, Spell
from tests.lab.chaos.subscribers import PEOPLE, Person, Reached, entitled

DESK = "evry-courcouronnes_91/naturalisation"
ELSEWHERE = "melun_77/naturalisation"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SLOT = datetime(2026, 11, 26, 8, 30, tzinfo=UTC)
BOUND = 45.0
ANA = (Channel.EMAIL, "ana@example.org")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def journal() -> OpeningJournal:
    made = OpeningJournal()
    made.note_opening(OpenedSlot(DESK, "23018", SLOT, NOON))
    return made


def told(reached: Reached, seconds: float, number: int, notification: str = "") -> Delivery:
    channel, address = reached
    message = InboxMessage(number, channel, address, at(seconds), frozenset({notification or address}))
    return Delivery(message, frozenset({(DESK, SLOT)}))


def everybody(seconds: float = 1) -> list[Delivery]:
    return [told(reached, seconds, number) for number, reached in enumerate(sorted(entitled(DESK)), 1)]


def books(journal: OpeningJournal, deliveries: list[Delivery], seconds: float = 100) -> DeliveryAccount:
    return settle(journal, deliveries, at(seconds), BOUND)


def named(name: str) -> Person:
    return next(person for person in PEOPLE if person.name == name)


def test_who_is_entitled_follows_plan_alert_and_desk() -> None:
    assert {address for _, address in entitled(DESK)} == {
        "ana@example.org", "+33639980001", "100000001",
        "bruno@example.org", "+33639980002", "100000002",
        "chloe@example.org", "100000003",
        "david@example.org",
    }  # fmt: skip
    assert ("david@example.org" in {address for _, address in entitled(ELSEWHERE)}) is False


def test_all_told_is_a_clean_account(journal: OpeningJournal) -> None:
    account = books(journal, everybody())
    assert account.is_clean
    assert (account.expected, account.late, account.worst) == (9, [], 1.0)


def test_a_message_that_never_came_is_lost(journal: OpeningJournal) -> None:
    account = books(journal, [each for each in everybody() if each.message.address != ANA[1]])
    assert account.lost == [((DESK, SLOT), ANA)]
    assert account.expected == 9


def test_what_was_lost_stays_lost_whatever_is_done_to_the_stack_later(journal: OpeningJournal) -> None:
    journal.kills += [Kill("spider", 1, at(each)) for each in (50, 60, 70)]
    assert len(books(journal, [], seconds=80).lost) == 9
    journal.spells.append(Spell("stop-redis", at(-5), at(70)))
    assert books(journal, [], seconds=80).lost == []


def test_a_message_that_came_twice_without_a_reason_is_not_allowed(journal: OpeningJournal) -> None:
    account = books(journal, [*everybody(), told(ANA, 5, 50)])
    assert account.doubled == [((DESK, SLOT), ANA)]
    assert not account.is_clean


@pytest.mark.parametrize(("died", "leave"), [(0.5, True), (4.5, True), (6, False), (-1, False)])
def test_a_double_is_allowed_where_a_worker_died_with_the_yes(
    journal: OpeningJournal, died: float, leave: bool
) -> None:
    journal.kills.append(Kill("worker", 1, at(died)))
    account = books(journal, [*everybody(), told(ANA, 9, 50)])
    assert (len(account.doubled_allowed), len(account.doubled)) == ((1, 0) if leave else (0, 1))


def test_the_death_of_another_program_excuses_no_double(journal: OpeningJournal) -> None:
    journal.kills.append(Kill("sweep", 1, at(1)))
    assert books(journal, [*everybody(), told(ANA, 9, 50)]).doubled


def test_another_notification_of_the_same_slot_is_never_allowed(journal: OpeningJournal) -> None:
    journal.kills.append(Kill("worker", 1, at(1)))
    assert books(journal, [*everybody(), told(ANA, 9, 50, "another")]).doubled


@pytest.mark.parametrize("name", ["eve", "felix"])
def test_who_is_told_without_waiting_or_paying_is_a_stranger(journal: OpeningJournal, name: str) -> None:
    stranger = (Channel.EMAIL, named(name).addresses[Channel.EMAIL])
    assert books(journal, [*everybody(), told(stranger, 2, 50)]).strangers == [((DESK, SLOT), stranger)]


def test_what_nobody_waits_for_excuses_no_late_message(journal: OpeningJournal) -> None:
    journal.spells.append(Spell("store-of-proofs-hangs", at(5), at(50), harmless=True))
    journal.kills.append(Kill("proofs", 1, at(50)))
    assert len(books(journal, everybody(60)).late) == len(entitled(DESK))
    journal.kills.append(Kill("planner", 1, at(50)))
    assert books(journal, everybody(60)).late == []
