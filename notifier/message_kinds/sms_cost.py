"""The mail to operators about a day whose SMS cost much."""

from datetime import datetime

from babel.numbers import format_currency
from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.operators import is_operator_no_more
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class SmsCost(MessageKind):
    """Goes to SUPPORT_EMAIL or, where that is not set, to the admins. Names amounts, never a person."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the amounts; a user who is no operator any more is skipped."""
        if row.address is None and is_operator_no_more(session, contact):
            return Skip(State.SKIPPED, "no operator any more")
        values = {
            name: format_currency(row.params[name], "EUR", locale=row.language)
            for name in ("spent", "warn", "stop")
        }
        return skip_unreachable(contact) or TemplateContext(values)
