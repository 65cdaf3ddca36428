"""The mail to operators about an account beyond fair use."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.operators import is_operator_no_more
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class Hoarding(MessageKind):
    """Goes to SUPPORT_EMAIL or, where that is not set, to the admins. Names the account's id, never a person."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the account and its figures; a user who is no operator any more is skipped."""
        if row.address is None and is_operator_no_more(session, contact):
            return Skip(State.SKIPPED, "no operator any more")
        values = {name: row.params[name] for name in ("user", "desks", "found")}
        return skip_unreachable(contact) or TemplateContext(values)
