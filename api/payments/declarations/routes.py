"""Routes of /api/billing/withdraw and /cancel: the withdrawal from an order, and the end of a subscription."""

from typing import Any

from api.models.declaration import DeclaredBy
from api.payments.billing.schemas import Cancellation, CancelledAnswer
from api.payments.declarations import service
from api.payments.declarations.records import Author
from api.payments.declarations.schemas import UndoneAnswer, Withdrawal, WithdrawalAnswer
from api.web.auth import current_identity, current_user_id
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from configs.ground.text import choose_page_language

blueprint = make_blueprint("declarations", __name__, "/api/billing", "billing", "Plans, payments and refunds")


@blueprint.post(
    "/withdraw", security=BEARER, responses={200: WithdrawalAnswer, **declare_errors(*BODY, 401, 404, 409)}
)
def withdraw_from_order(body: Withdrawal) -> dict[str, Any]:
    """Withdraw from an order within its period; a mail acknowledges it with its second. Repeated, nothing changes.

    The plan ends, and what was paid for the time left goes back by the same means of payment.
    """
    language = choose_page_language(current_identity().language)
    author = Author(DeclaredBy.ACCOUNT, language, body.name)
    return WithdrawalAnswer.of(service.withdraw_order(body.payment_id, author, current_user_id())).as_json()


@blueprint.post(
    "/cancel", security=BEARER, responses={200: CancelledAnswer, **declare_errors(*BODY, 401, 409)}
)
def cancel_plan(body: Cancellation) -> dict[str, Any]:
    """Cancel the subscription, on a day up to ten days on or at the end of the paid period; a mail confirms it.

    It takes effect then, and the refund is planned then; until then `cancel/undo` takes the notice back. Nothing
    renews meanwhile. Repeated, nothing changes.
    """
    author = Author(DeclaredBy.ACCOUNT, choose_page_language(current_identity().language))
    return service.cancel_own(current_user_id(), body, author).as_json()


@blueprint.post("/cancel/undo", security=BEARER, responses={200: UndoneAnswer, **declare_errors(401, 409)})
def undo_cancellation() -> dict[str, Any]:
    """Undo all notices of cancellation before they take effect: the subscription goes on. Repeated, nothing changes."""
    return service.keep_own(current_user_id()).as_json()
