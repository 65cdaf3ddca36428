"""Views of the links about payments: Stripe's portal, and the refund where desks closed."""

from http import HTTPStatus
from uuid import UUID

from flask import render_template
from sqlalchemy.orm import Session

from api.auth.tokens import find_contact
from api.billing import service as billing
from api.billing.closed_desks import quote_closed_desk, refund_closed_desk
from api.billing.quotes import write_money
from api.billing.schemas import ClosedDeskRefund
from api.errors import ApiError
from api.links.blueprint import use_language_of
from api.middleware.languages import read_language
from api.models.base import session
from api.models.user import User
from configs.ground.signed_links import OpenPortal, RefundClosedDesk


def ask_portal(token: str) -> str:
    """Show the button that opens Stripe's portal."""
    with session() as s:
        contact, _ = find_contact(s, OpenPortal, token)
        use_language_of(s, contact)
        return render_template("portal.html", known=contact is not None)


def open_portal(token: str) -> tuple[str, int, dict[str, str]]:
    """Open a session of the portal and lead to it, by a header: the policy allows no form to lead elsewhere."""
    with session() as s:
        contact, _ = find_contact(s, OpenPortal, token)
        user = s.get_one(User, contact.user_id) if contact else None
        use_language_of(s, contact)
    if user is None:
        return render_template("portal.html", known=False), HTTPStatus.OK, {}
    url = billing.open_portal(user)
    return render_template("portal.html", known=True, url=url), HTTPStatus.OK, {"Refresh": f"0; url={url}"}


def ask_refund(token: str) -> str:
    """Show what would be refunded for an alert whose desks closed, or why nothing is."""
    with session() as s:
        user_id, alert_id = _read_choice(s, token)
        try:
            refund = quote_closed_desk(s, user_id, alert_id) if user_id else None
        except ApiError:
            refund = None
    return _render_refund_page(refund, done=False)


def choose_refund(token: str) -> str:
    """End the plan and refund the rest; a repetition refunds nothing more."""
    try:
        with session() as s:
            user_id, alert_id = _read_choice(s, token)
        chosen = refund_closed_desk(user_id, alert_id) if user_id else None
    except ApiError:
        chosen = None
    return _render_refund_page(chosen, done=chosen is not None)


def _render_refund_page(refund: ClosedDeskRefund | None, *, done: bool) -> str:
    amount = write_money(refund.refund, read_language()) if refund else None
    return render_template("closed_desk.html", amount=amount, done=done)


def _read_choice(s: Session, token: str) -> tuple[UUID | None, UUID]:
    """Return the user whom a token was sent to, None where the address is no longer theirs, and the alert."""
    contact, refund = find_contact(s, RefundClosedDesk, token)
    return contact.user_id if contact else None, refund.alert
