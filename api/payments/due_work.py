"""Due work at Stripe: what waits with its nudge lost or its wait over. Free of Stripe's library."""

from sqlalchemy.orm import Session

from api.payments.cancellations import find_due_cancellations
from api.payments.event_store import find_due_objects
from api.payments.refunds import find_due_refunds


def has_due_work(session: Session) -> bool:
    """Return whether a job should work something off now."""
    return bool(
        find_due_objects(session, most=1)
        or find_due_refunds(session, most=1)
        or find_due_cancellations(session, most=1)
    )
