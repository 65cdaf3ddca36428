"""The mail of a site or a desk in trouble, to operators, with what to do about it."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.languages import FRENCH
from notifier.content.desk_message_content import desk_infos, since_at_home, skip_unreachable
from notifier.content.operators import is_operator_no_more
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class DeskTrouble(MessageKind):
    """Lists the desks in trouble, the reason and since when."""

    languages = (FRENCH,)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what is in trouble since when; a user who is no operator any more is skipped."""
        if is_operator_no_more(session, contact):
            return Skip(State.SKIPPED, "no operator any more")
        found = desk_infos(row.params["desks"])
        values = {
            "subject": row.params["subject"],
            "reason": row.params["reason"],
            "spots": found,
            "more": row.params["count"] - len(found),
            **since_at_home(row.params, row.language),
        }
        return skip_unreachable(contact) or TemplateContext(values)
