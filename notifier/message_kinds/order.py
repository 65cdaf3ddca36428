"""The confirmation of an order on a durable medium, which the law wants before the service begins (L.221-13)."""

from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.payment import Payment
from api.models.user import Contact, Grant
from configs.sales_terms import BINDING, LANGUAGES, find_newest_version, name_seller, read_consent, read_terms
from configs.signed_links import CancelOrder, WithdrawOrder, write_token
from notifier.content.message_links import link
from notifier.content.payment_notices import PaymentNotice, describe_payment, write_instant
from notifier.message_kind_base import ClaimedRow

_AT_ONCE = timedelta(hours=1)  # a plan that begins later than that after its payment extends another one


class Order(PaymentNotice):
    """Plan, price, beginning and end, terms, and how to withdraw, all in the mail itself."""

    makes_notice = True
    notice_link = "/formule"

    def sign_url(self, session: Session, row: ClaimedRow, contact: Contact) -> str:  # noqa: ARG002 -- as its base says
        """Return the page where the reader withdraws without signing in, also after the account is gone."""
        return link("withdraw", write_token(WithdrawOrder(UUID(row.params["payment"]))))

    def describe(self, session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
        """Return what was ordered and for how long."""
        payment = session.get_one(Payment, UUID(row.params["payment"]))
        grants = session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
        starts = min((each.starts_at for each in grants), default=payment.paid_at or payment.created_at)
        ends = max((each.ends_at for each in grants), default=starts)
        first, last = write_instant(starts, zone, row.language), write_instant(ends, zone, row.language)
        # The contract is made by the payment: the time to withdraw counts from that day.
        ordered = write_instant(payment.paid_at or payment.created_at, zone, row.language)
        names = name_seller(row.language if row.language in LANGUAGES else BINDING)
        return {
            **describe_payment(session, row.params["payment"], row.language),
            "cancel_url": link("cancel", write_token(CancelOrder(payment.id)))
            if payment.subscription_id
            else "",
            "form_url": link("retractation"),
            "begins_later": payment.begins_later,
            "later": starts > (payment.paid_at or starts) + _AT_ONCE,
            "unwatched": not _has_alert(session, payment),
            "seller": ", ".join(names[each] for each in ("seller_name", "seller_address", "support_email")),
            "mediator": names["mediator"],
            "starts": f"{first['since_day']}, {first['since_hour']}",
            "ends": f"{last['since_day']}, {last['since_hour']}",
            "ordered": ordered["since_day"],
            "agreed": (payment.consent_text or "").splitlines(),
            "declined": _read_declined(payment, row.language),
            "terms_text": _write_terms(payment.terms_version or find_newest_version(), row.language),
        }


def _read_declined(payment: Payment, language: str) -> str:
    """Return the sentence of the box that was left open; empty where all were ticked."""
    if payment.consent is None or payment.consent.get("acceptsHourThreshold"):
        return ""
    return read_consent(payment.terms_version or find_newest_version(), language).accepts_hour_threshold


def _write_terms(version: str, language: str) -> str:
    """Return the terms that were accepted, whole: a link is no durable medium (CJUE C-49/11). French binds."""
    shown = dict.fromkeys([language, BINDING]) if language in LANGUAGES else [BINDING]
    return "\n\n".join(read_terms(version, each) for each in shown)


def _has_alert(session: Session, payment: Payment) -> bool:
    """Whether an alert of the buyer waits already."""
    waiting = sa.select(Alert.id).where(
        Alert.user_id == payment.user_id, Alert.enabled, Alert.closed_at.is_(None)
    )
    return session.scalar(waiting.limit(1)) is not None
