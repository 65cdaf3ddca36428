"""The mail to operators about what needs a person: a request to support."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.support import SupportRequest
from api.models.user import Contact
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.operators import is_operator_no_more
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class Operations(MessageKind):
    """Goes to SUPPORT_EMAIL or, where that is not set, to the users who are operators."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the request; a user who is no operator any more is skipped."""
        if row.address is None and is_operator_no_more(session, contact):
            return Skip(State.SKIPPED, "no operator any more")
        request = session.get(SupportRequest, row.params["request"])
        if request is None:
            return Skip(State.SKIPPED, "request deleted")
        values = {
            "number": request.id,
            "sender": request.email,
            "user_id": str(request.user_id) if request.user_id else None,
            "message": request.message,
        }
        return skip_unreachable(contact) or TemplateContext(values)
