"""What messages about payments share: amounts and plans in words, and who gets them."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.numbers import format_currency
from sqlalchemy.orm import Session, load_only

from api.models.notification import State
from api.models.payment import Payment
from api.models.user import Channel, Contact, User
from configs.desk import zone_or_home
from configs.message_groups import MessageGroup
from configs.plan import PlanName, name_plan, plan
from configs.settings import settings
from notifier.content.desk_message_content import since_values
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class PaymentNotice(MessageKind):
    """To the account's e-mail address, confirmed or not, also where alerts by mail are switched off.

    The law wants an order confirmed on a durable medium (docs/decisions/payment-mails.md).
    """

    group = MessageGroup.PAYMENT

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is an e-mail address of an account that pays, switched off or not."""
        return contact.channel is Channel.EMAIL

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the values of the texts."""
        if contact.is_lost:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        zone = zone_or_home(
            session.get_one(User, contact.user_id, options=[load_only(User.time_zone)]).time_zone
        )
        url = str(settings().frontend_url)
        signed_url = self.sign_url(session, row, contact) if contact.confirmed else ""
        values = {"url": url, "signed_url": signed_url, "support_email": settings().support_email or ""}
        return TemplateContext(values | self.describe(session, row, zone), signed_url or url)

    def sign_url(self, session: Session, row: ClaimedRow, contact: Contact) -> str:  # noqa: ARG002 -- for kinds that have one
        """Return the page where the reader acts without signing in; empty where there is none.

        It goes to confirmed addresses only: an unconfirmed one may be a stranger's.
        """
        return ""

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
        """Return the values that this kind adds; instants are shown in `zone`."""
        raise NotImplementedError


def describe_payment(session: Session, payment_id: str, language: str) -> dict[str, Any]:
    """Return the plan and the price of a payment, in words."""
    payment = session.get_one(Payment, UUID(payment_id))
    return {
        "plan": name_plan(payment.plan),
        "price": write_amount(payment.amount_cents, language),
        "full_price": write_amount(plan(payment.plan).price_cents, language),
        "order": payment.order_number or str(payment.id),
        "monthly": payment.plan is PlanName.URGENCE_TOTAL,
        "terms": payment.terms_version or "",
    }


def write_amount(cents: int, language: str) -> str:
    """Return an amount of euros as a reader of the language writes it."""
    return format_currency(cents / 100, "EUR", locale=language)


def write_instant(at: datetime, zone: ZoneInfo, language: str) -> dict[str, str]:
    """Return day and hour of an instant in words: `since_day`, `since_hour`."""
    found: dict[str, str] = since_values({"since": at.isoformat()}, zone, language)
    return found
