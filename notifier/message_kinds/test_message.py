"""The test message that a user asks for: it shows that an alert would arrive on this channel."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import State
from api.models.user import Contact
from notifier.content.desk_location import location_of
from notifier.content.desk_message_content import skip_unreachable
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class TestMessage(MessageKind):
    """Says that it is a test, and of which alert: by its name and prefecture, never by its procedure."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return which alert is tested, unless it is over."""
        alert = session.get(Alert, UUID(row.params["alert"]))
        if alert is None or alert.closed_at is not None:
            return Skip(State.SKIPPED, "alert stopped")
        return skip_unreachable(contact) or self.restore(session, row, contact)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return which alert was tested."""
        alert = session.get(Alert, UUID(row.params["alert"]))
        if alert is None or not alert.targets:
            return Skip(State.SKIPPED, "alert stopped")
        target = alert.targets[0]
        desk_id = target.desk_id or ""
        home = location_of(desk_id, target.prefecture_id or desk_id.partition("/")[0])
        values = {"where": f"{home.name} ({home.department})", "name": alert.name}
        return TemplateContext(values)
