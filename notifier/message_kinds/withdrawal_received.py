"""The acknowledgement of a withdrawal on a durable medium: its content, date and second (L.221-21)."""

from typing import Any

from sqlalchemy.orm import Session

from api.models.declaration import Declaration, DeclaredBy
from configs.signed_links import ConfirmDeclaration, write_token
from notifier.content.declaration_notices import DeclarationNotice, write_day
from notifier.content.message_links import link


class WithdrawalReceived(DeclarationNotice):
    """Asks the reader to confirm what was declared without a login: a stranger may have typed this address."""

    def describe(self, session: Session, declared: Declaration, language: str) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return the link that confirms, and until when it waits for that; both empty where nothing is to confirm."""
        if declared.made_by is not DeclaredBy.FORM or declared.takes_effect_at is None:
            return {"confirm_url": "", "applied_on": "", "url": None}
        url = link("declaration", write_token(ConfirmDeclaration(declared.id)))
        return {"confirm_url": url, "applied_on": write_day(declared.takes_effect_at, language), "url": url}
