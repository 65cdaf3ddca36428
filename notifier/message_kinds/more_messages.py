"""The message that the hourly cap holds alerts back: how many wait, and where they are shown."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import HeldFor, Notification, State
from api.models.user import Contact
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class MoreMessages(MessageKind):
    """Counts, just before sending, what waits on all channels of its reader. No params."""

    def prepare(
        self, session: Session, _row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return how many alerts wait; one that waits on several channels counts once."""
        if skip := skip_unreachable(contact):
            return skip
        detection = Notification.params["detection_id"].astext
        waiting = sa.select(sa.func.count(detection.distinct())).where(
            Notification.contact_id.in_(sa.select(Contact.id).where(Contact.user_id == contact.user_id)),
            Notification.state == State.PENDING,
            Notification.held_for == HeldFor.CAP,
        )
        count = session.scalar(waiting)
        if not count:
            return Skip(State.EXPIRED, "nothing waits any more")
        return self._fill(count)

    def restore(self, _session: Session, _row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return the words without a number: how many waited then, no row says."""
        return self._fill(0)

    def _fill(self, count: int) -> TemplateContext:
        url = account_page("messages")
        return TemplateContext({"count": count, "url": url}, url)
