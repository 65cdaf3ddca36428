"""Mails that anyone can cause who knows an address: how many there were, and whether one more may follow."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.messages import write_message
from api.models.notification import Notification, State
from api.models.user import Contact
from configs.ground.clock import clock

_A_DAY = 3
BETWEEN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class MailCount:
    """The mails of one kind to one contact. Those that failed count in `total` only."""

    total: int
    today: int
    latest: datetime | None

    @property
    def may_follow(self) -> bool:
        """Whether another one may be written: three a day."""
        return self.today < _A_DAY

    @property
    def may_repeat(self) -> bool:
        """Whether one that says the same may be written: three a day, and not within five minutes."""
        return self.may_follow and not (self.latest and self.latest > clock() - BETWEEN)


def count_mails(session: Session, contact: Contact, kind: str) -> MailCount:
    """Count the mails of a kind to a contact. Lock the user's row before, so that the count stays true."""
    left = Notification.state != State.FAILED
    since = clock() - timedelta(days=1)
    query = sa.select(
        sa.func.count(),
        sa.func.count().filter(left, Notification.created_at > since),
        sa.func.max(Notification.created_at).filter(left),
    ).where(Notification.contact_id == contact.id, Notification.kind == kind)
    return MailCount(*session.execute(query).one())


def write_mail(
    session: Session, contact: Contact, kind: str, mails: MailCount, params: dict[str, Any]
) -> None:
    """Write the next mail of a kind."""
    key = f"{kind}:{contact.id}:{mails.total}"
    write_message(session, contact.user_id, kind, params, key, priority="critical")
