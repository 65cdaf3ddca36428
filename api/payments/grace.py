"""Days of grace after a renewal that failed: a message each day."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentStatus
from api.models.user import Grant
from api.payments import notices
from api.payments.grants import GRACE
from configs.clock import clock


def remind_in_grace(session: Session) -> list[UUID]:
    """Write today's message to each user whose plan goes on by grace only; return the notifications to nudge."""
    now = clock()
    waiting = (
        sa.select(Payment)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.source == GRACE, Grant.ends_at > now, Payment.status == PaymentStatus.FAILED)
    )
    told = [notices.tell_failure(session, each, f"{now:%Y-%m-%d}") for each in session.scalars(waiting)]
    return [each for ids in told for each in ids]
