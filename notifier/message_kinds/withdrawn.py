"""Result of a withdrawal: the plan's end and the refund, or why the declaration has no effect."""

from typing import Any

from sqlalchemy.orm import Session

from api.models.declaration import Declaration
from api.models.payment import Payment
from configs.plan import name_plan, plan
from notifier.content.declaration_notices import DeclarationNotice, write_day
from notifier.content.payment_notices import write_amount


class Withdrawn(DeclarationNotice):
    """Sent once a declaration was applied or refused; its order is known."""

    makes_notice = True
    notice_link = "/formule/paiements"

    def describe(self, session: Session, declared: Declaration, language: str) -> dict[str, Any]:
        """Return the order, the refund, and the reason of a refusal; each is empty where there is none."""
        order = session.get(Payment, declared.payment_id)
        if order is None:
            raise LookupError(f"declaration {declared.id} is about no order")
        return {
            "number": order.order_number or str(order.id),
            "plan": name_plan(order.plan),
            "ordered": write_day(order.paid_at or order.created_at, language),
            "monthly": plan(order.plan).recurring,
            "refund": write_amount(declared.refund_cents, language) if declared.refund_cents else "",
            "refusal": declared.refused_because or "",
        }
