"""The receipt of a notice of cancellation: its content and second, when the contract ends, and how to undo it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from api.models.declaration import Declaration
from api.models.notification import OUTLIVES
from api.models.payment import Payment
from api.models.user import Contact
from configs.plan import name_plan
from configs.signing import sign
from notifier.content.cancellation_words import write_end, write_latest, write_wish
from notifier.content.declaration_notices import DeclarationNotice
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, Skip, TemplateContext


class CancelNoticed(DeclarationNotice):
    """To the account's address, with the end and the links; to another typed one only what was typed there."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return the content of the notice; only the account learns whether its contract is known."""
        made = super().prepare(session, row, contact, now)
        if isinstance(made, Skip) or row.address is None:
            return made
        if row.params.get(OUTLIVES):  # its contract ended with the account: there is nothing to undo
            return TemplateContext(made.values | {"signed_url": ""}, None)
        hidden = {"plan": "", "ordered": "", "ends": made.values["latest"], "signed_url": "", "own": False}
        return TemplateContext(made.values | hidden, None)

    def describe(self, session: Session, declared: Declaration, language: str) -> dict[str, Any]:
        """Return the wish, the end, and the link that confirms or undoes."""
        order = session.get(Payment, declared.payment_id) if declared.payment_id else None
        url = link("resiliation", sign("cancellation", {"declaration": str(declared.id)}))
        return {
            "own": True,
            "plan": name_plan(order.plan) if order else "",
            "wish": write_wish(declared, language),
            "ends": write_end(session, declared, language),
            "latest": write_latest(declared, language),
            "confirmed": declared.confirmed_at is not None,
            "refunded": not declared.at_period_end,
            "signed_url": url,
            "url": url,
        }
