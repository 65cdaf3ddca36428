"""The notice that a more expensive plan ended a cheaper one, and what was credited for it."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PlanCredit
from configs.plan import name_plan
from notifier.content.payment_notices import PaymentNotice, describe_payment, write_amount
from notifier.message_kind_base import ClaimedRow


class PlanUpgraded(PaymentNotice):
    """Params: `payment`, the order of the new plan."""

    makes_notice = True
    notice_link = "/formule"

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:  # noqa: ARG002 -- as its base says
        """Return both plans and the credit."""
        ended = session.execute(
            sa.select(Payment.plan, PlanCredit.amount_cents)
            .join(PlanCredit, PlanCredit.credited_payment_id == Payment.id)
            .where(PlanCredit.payment_id == UUID(row.params["payment"]))
        ).all()
        names = dict.fromkeys(name_plan(each) for each, _ in ended)
        return {
            **describe_payment(session, row.params["payment"], row.language),
            "ended": ", ".join(names),
            "credit": write_amount(sum(cents for _, cents in ended), row.language),
        }
