"""Messages that wait in the tests of delivery, and what became of them."""

from typing import Any
from uuid import UUID

import notifier
from api.models.notification import Notification, State
from api.models.user import Channel
from tests.notifier.world import alert, detection, get, in_one_transaction, matched, person


def waiting(channel: Channel = Channel.EMAIL, **fields: Any) -> UUID:
    """Write one slot alert that waits; return its id."""
    alert(person(channels=(channel,)))
    (made,) = matched(detection(**fields))
    return made


def verification() -> UUID:
    who = person(verified=False, enabled=False)
    (made,) = in_one_transaction(notifier.create_notifications, who.id, "verify_email", {}, "key")
    return made  # type: ignore[no-any-return]


def after(key: UUID) -> tuple[State, str | None]:
    row = get(Notification, key)
    return row.state, row.reason
