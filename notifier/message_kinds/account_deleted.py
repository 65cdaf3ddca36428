"""The last mail of an account: it is deleted, and what the law keeps has no name any more."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.models.user import Contact
from configs.settings import settings
from notifier.content.desk_message_content import since_values
from notifier.content.payment_notices import write_amount
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_PARIS = ZoneInfo("Europe/Paris")  # the account's own zone is deleted too


class AccountDeleted(MessageKind):
    """Goes to an address without an account, which housekeeping takes from its row (api/retention/addresses.py)."""

    def prepare(
        self, _session: Session, row: ClaimedRow, _contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return when it was deleted, and whether a subscription was cancelled with it."""
        since = since_values({"since": row.params["at"]}, _PARIS, row.language)
        back = row.params.get("refund")
        values = {
            "renewed": row.params["renewed"],
            "refund": write_amount(back, row.language) if back else "",
            "support_email": settings().support_email or "",
        }
        return TemplateContext(values | since)
