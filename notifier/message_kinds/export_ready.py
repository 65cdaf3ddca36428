"""The mail that says that an export of personal data can be downloaded."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.user import Contact
from notifier.content.account_notices import AccountNotice
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, Skip, TemplateContext


class ExportReady(AccountNotice):
    """Leads to the page of the account, which asks for a sign-in: the mail itself opens nothing. `at`: the end."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return until when it can be downloaded, and where."""
        found = super().prepare(session, row, contact, now)
        if isinstance(found, Skip):
            return found
        url = account_page("donnees")
        return TemplateContext(found.values | {"url": url}, url)
