"""The notice that a smaller plan carries fewer alerts, and which ones are paused."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.user import Contact
from configs.prefecture import prefectures
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class AlertsPaused(MessageKind):
    """Lists the prefectures of the paused alerts; no procedure, which could reveal a person's immigration status."""

    makes_notice = True
    notice_link = "/dashboard"

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what was paused, or why nothing is sent."""
        known = prefectures()
        found = [known[each] for each in row.params["prefectures"] if each in known]
        places = [f"{place.name} ({place.department})" for place in found]
        url = account_page("dashboard")
        values = {"places": places, "count": row.params["count"], "limit": row.params["limit"], "url": url}
        return skip_unreachable(contact) or TemplateContext(values, url)
