"""Actions of operators on payments, for the API and the pages: audited, with what follows after the commit."""

from uuid import UUID

from api.admin.access import audited
from api.admin.payments import queries, service
from api.admin.payments.schemas import NewRefund, OperatorRefund
from api.payments.webhook import nudge_event


def refund_payment(payment_id: UUID, wish: NewRefund, seen_left: int | None = None) -> OperatorRefund:
    """Give money back, all that is left or a part. `seen_left`: the cents that were left when the operator decided.

    Raises:
        api.errors.ApiError: as api.admin.payments.service.refund_payment.
    """
    with audited("payment.refund", "payment", payment_id) as work:
        refund = service.refund_payment(work.session, payment_id, wish, seen_left)
        work.changes.update(service.describe_refund(refund))
        return queries.describe_refund(refund)


def replay_event(event_id: str) -> None:
    """Apply one of Stripe's events again, from the object's present state there.

    Raises:
        api.errors.ApiError: as api.admin.payments.service.apply_event_again.
    """
    with audited("stripe-event.replay", "stripe-event", event_id) as work:
        work.changes.update(service.apply_event_again(work.session, event_id))
    nudge_event(event_id)
