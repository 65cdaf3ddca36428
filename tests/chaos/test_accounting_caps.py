"""The account of hourly caps: the fullest hour of each contact, copies left out."""

from datetime import UTC, datetime, timedelta

from api.models.user import Channel
from deploy.chaos.accounting import count_fullest_hours, find_over_cap
from deploy.chaos.inbox import InboxMessage
from deploy.chaos.periods import CAPS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANA = (Channel.SMS, "+33639980001")


def message(number: int, minutes: float, *notifications: str) -> InboxMessage:
    ids = frozenset(notifications or {str(number)})
    return InboxMessage(number, *ANA, NOON + timedelta(minutes=minutes), ids)


def test_only_messages_of_the_same_hour_count_together() -> None:
    messages = [message(number, 25 * number) for number in range(6)]
    assert count_fullest_hours(messages) == {ANA: 3}


def test_a_copy_does_not_count_and_a_message_with_anything_new_does() -> None:
    messages = [message(1, 0, "a"), message(2, 1, "a"), message(3, 2, "a", "b"), message(4, 3, "b")]
    assert count_fullest_hours(messages) == {ANA: 2}


def test_a_contact_above_its_cap_is_found() -> None:
    most = CAPS[Channel.SMS]
    messages = [message(number, number / 100) for number in range(most)]
    assert find_over_cap(messages) == {}
    assert find_over_cap([*messages, message(most, 30)]) == {ANA: most + 1}
