"""The receipt of a notice of cancellation: its content and second, when the contract ends, and how to undo it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.declaration import Declaration
from api.models.payment import Payment
from api.models.user import Contact
from configs.plan import name_plan
from configs.signed_links import ConfirmCancellation, write_token
from notifier.content.cancellation_words import write_end, write_latest, write_wish
from notifier.content.declaration_notices import DeclarationNotice, write_day
from notifier.content.message_links import link
from notifier.content.payment_notices import write_amount
from notifier.message_kind_base import ClaimedRow, Skip, TemplateContext


class CancelNoticed(DeclarationNotice):
    """To the account's address (param `own`), with the end and the links; to another one only what was typed there."""

    makes_notice = True
    notice_link = "/formule"

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return the content of the notice; only the account learns whether its contract is known."""
        made = super().prepare(session, row, contact, now)
        if isinstance(made, Skip):
            return made
        if row.params.get("own"):
            declared = session.get_one(Declaration, UUID(row.params["declaration"]))
            if declared.user_id is None:  # its contract ended with the account: there is nothing to undo
                return TemplateContext(made.values | {"signed_url": ""}, None)
            return TemplateContext(made.values | _write_amounts(row), made.url)
        hidden = {"plan": "", "ordered": "", "ends": made.values["latest"], "signed_url": "", "own": False}
        return TemplateContext(made.values | hidden, None)

    def describe(self, session: Session, declared: Declaration, language: str) -> dict[str, Any]:
        """Return the wish, the end, and the link that confirms or undoes."""
        order = session.get(Payment, declared.payment_id) if declared.payment_id else None
        url = link("resiliation", write_token(ConfirmCancellation(declared.id)))
        return {
            "own": True,
            "plan": name_plan(order.plan) if order else "",
            "ordered": write_day(order.paid_at or order.created_at, language) if order else "",
            "wish": write_wish(declared, language),
            "ends": write_end(session, declared, language),
            "latest": write_latest(declared, language),
            "confirmed": declared.confirmed_at is not None,
            "refunded": not declared.at_period_end,
            "signed_url": url,
            "url": url,
            "refund": "",
            "late_refund": "",
            "nothing_later": False,
        }


def _write_amounts(row: ClaimedRow) -> dict[str, Any]:
    """Return what goes back, as it was known at the notice; empty where it was not."""
    later = row.params.get("late_refund")
    return {
        "refund": write_amount(row.params["refund"], row.language) if row.params.get("refund") else "",
        "late_refund": write_amount(later, row.language) if later else "",
        "nothing_later": later == 0,
    }
