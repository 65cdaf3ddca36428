"""Messages about payments and plans: to the account's address, also where alerts by mail are switched off.

The law wants an order confirmed on a durable medium (docs/decisions.md#payment-mails).
"""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_timedelta
from babel.numbers import format_currency
from sqlalchemy.orm import Session, aliased, load_only

from api.models.notification import State
from api.models.payment import CreditForm, Payment, PlanCredit, Refund, Subscription, WatchCredit
from api.models.user import Contact, Grant, User
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.message_groups import MessageGroup
from configs.ground.signed_links import CancelOrder, OpenPortal, RefundClosedDesk, write_link
from configs.settings import settings
from configs.world.desk import zone_or_home
from configs.world.plan import PlanName, name_plan, plan
from configs.world.prefecture import prefectures
from notifier.content.desk_location import write_moment
from notifier.content.message_kind_base import (
    PAYERS_MAIL,
    REACHABLE,
    REACHABLE_OR_MAIL,
    ClaimedRow,
    MessageKind,
    Skip,
    TemplateContext,
)
from notifier.content.outgoing_message import account_page

_MINUTE = timedelta(minutes=1)
_PLAN, _PAYMENTS, _DASHBOARD = "/formule", "/formule/paiements", "/dashboard"
Describe = Callable[[Session, ClaimedRow, ZoneInfo], dict[str, Any]]
SignUrl = Callable[[Session, ClaimedRow, Contact], str]


def sell(describe: Describe, notice_link: str = _PLAN, *, sign_url: SignUrl | None = None) -> MessageKind:
    """Return a kind about a payment; `describe` adds its values, and shows instants in the user's time zone.

    `sign_url` returns the page where the reader acts without signing in, or nothing. It goes to confirmed addresses
    only: an unconfirmed one may be a stranger's.
    """
    values = partial(_fill, describe, sign_url)
    return MessageKind(
        to=PAYERS_MAIL, values=values, secret=False, group=MessageGroup.PAYMENT, notice_link=notice_link
    )


def _fill(
    describe: Describe,
    sign_url: SignUrl | None,
    session: Session,
    row: ClaimedRow,
    contact: Contact,
    _now: datetime,
) -> TemplateContext:
    url = str(settings().frontend_url)
    signed_url = sign_url(session, row, contact) if sign_url and contact.confirmed else ""
    values = {"url": url, "signed_url": signed_url, "support_email": settings().support_email or ""}
    return TemplateContext(values | describe(session, row, read_zone(session, contact)), signed_url or url)


def read_zone(session: Session, contact: Contact) -> ZoneInfo:
    """Return the time zone of a contact's user."""
    user = session.get_one(User, contact.user_id, options=[load_only(User.time_zone)])
    return zone_or_home(user.time_zone)


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


def write_instant(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Return day and hour of an instant: `20 novembre 2026, 09:00`."""
    return ", ".join(write_moment(at, zone, language))


def _describe_cancelled(_session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
    """Return the end and its effects (L.215-1-1). Params: `ends` (ISO 8601), `refund` in cents, `plan`."""
    at, back = datetime.fromisoformat(row.params["ends"]), row.params["refund"]
    is_day_end = at.astimezone(zone).time() == time()  # midnight belongs to the day that was chosen
    return {
        "plan": name_plan(PlanName(row.params["plan"])),
        "ends": write_instant(at - _MINUTE if is_day_end else at, zone, row.language),
        "refund": write_amount(back, row.language) if back else "",
    }


def _describe_credit(session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
    """Return how much paid time was without watching, and what is given for it.

    Params: `payment`, `seconds`, `given` (time, invoice or refund), `amount` in cents, `ends` (ISO 8601 or null).
    """
    params = row.params
    ends = datetime.fromisoformat(params["ends"]) if params["ends"] else None
    return {
        **describe_payment(session, params["payment"], row.language),
        "time": format_timedelta(timedelta(seconds=params["seconds"]), threshold=2, locale=row.language),
        "given": params["given"],
        "amount": write_amount(params["amount"], row.language),
        "ends": write_instant(ends, zone, row.language) if ends else "",
    }


def _describe_closed_desk(_session: Session, row: ClaimedRow, _zone: ZoneInfo) -> dict[str, Any]:
    """Return where it was; no procedure, which could reveal a person's immigration status."""
    place = prefectures().get(row.params["prefecture"])
    return {"where": f"{place.name} ({place.department})" if place else row.params["prefecture"]}


def _sign_closed_desk(_session: Session, row: ClaimedRow, contact: Contact) -> str:
    refund = RefundClosedDesk(contact.id, digest(contact.address), UUID(row.params["alert"]))
    return write_link(refund)


def _describe_failure(session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
    """Return which payment failed; of a renewal also until when the plan goes on, empty where it is over."""
    grace = sa.select(sa.func.max(Grant.ends_at)).where(
        Grant.payment_id == UUID(row.params["payment"]), Grant.source == "grace", Grant.ends_at > clock()
    )
    ends = session.scalar(grace)
    return {
        **describe_payment(session, row.params["payment"], row.language),
        "renewal": _is_renewal(session, row),
        "until": write_instant(ends, zone, row.language) if ends else "",
    }


def _sign_portal(session: Session, row: ClaimedRow, contact: Contact) -> str:
    """Return the page that opens Stripe's portal, for a renewal; a session of the portal itself ends in minutes."""
    if not _is_renewal(session, row):
        return ""
    return write_link(OpenPortal(contact.id, digest(contact.address)))


def _is_renewal(session: Session, row: ClaimedRow) -> bool:
    payment = session.get_one(Payment, UUID(row.params["payment"]))
    return payment.subscription_id is not None and payment.consented_at is None


def _describe_upgrade(session: Session, row: ClaimedRow, _zone: ZoneInfo) -> dict[str, Any]:
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


def _describe_refund(session: Session, row: ClaimedRow, _zone: ZoneInfo) -> dict[str, Any]:
    """Return amount and reason of a refund that Stripe took; the bank needs some days more."""
    refund = session.get_one(Refund, UUID(row.params["refund"]))
    return {
        **describe_payment(session, str(refund.payment_id), row.language),
        "amount": write_amount(refund.amount_cents, row.language),
        "reason": refund.reason.value,
    }


def _describe_renewal(session: Session, row: ClaimedRow, zone: ZoneInfo) -> dict[str, Any]:
    """Return when it renews and the price. Params: `subscription`, `ends` (ISO 8601) of the paid period."""
    found = session.get_one(Subscription, UUID(row.params["subscription"]))
    price = plan(found.plan).price_cents
    credit = min(_sum_credits(session, found), price)
    return {
        "plan": name_plan(found.plan),
        "price": write_amount(price - credit, row.language),
        "full_price": write_amount(price, row.language),
        "credit": write_amount(credit, row.language) if credit else "",
        "ends": write_instant(datetime.fromisoformat(row.params["ends"]), zone, row.language),
    }


def _sum_credits(session: Session, subscription: Subscription) -> int:
    """Return the cents that the next invoice is lower by, for time without watching in this period."""
    given = (
        sa.select(sa.func.coalesce(sa.func.sum(WatchCredit.amount_cents), 0))
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .where(Payment.subscription_id == subscription.id, WatchCredit.form == CreditForm.INVOICE)
    )
    if subscription.period_starts_at:
        given = given.where(WatchCredit.created_at >= subscription.period_starts_at)
    return session.scalars(given).one()


def _sign_cancellation(session: Session, row: ClaimedRow, _contact: Contact) -> str:
    orders = sa.select(Payment.id).where(
        Payment.subscription_id == UUID(row.params["subscription"]), Payment.consented_at.is_not(None)
    )
    order_id = session.scalar(orders.limit(1))
    return write_link(CancelOrder(order_id)) if order_id else ""


def _list_paused(_session: Session, row: ClaimedRow, _contact: Contact, _now: datetime) -> TemplateContext:
    """Return the prefectures of the paused alerts; no procedure, which could reveal a person's immigration status."""
    known = prefectures()
    found = [known[each] for each in row.params["prefectures"] if each in known]
    places = [f"{place.name} ({place.department})" for place in found]
    url = account_page("dashboard")
    values = {"places": places, "count": row.params["count"], "limit": row.params["limit"], "url": url}
    return TemplateContext(values, url)


def _end_plan(*, is_over: bool) -> MessageKind:
    """Return a kind about a plan's end, where no other follows. It sells nothing: that would need consent."""
    return MessageKind(
        to=REACHABLE_OR_MAIL,
        check=partial(_check_end, is_over),
        values=_describe_end,
        secret=False,
        notice_link=_PLAN,
        chats_wait=True,
    )


def _check_end(
    is_over: bool,
    session: Session,
    row: ClaimedRow,
    _contact: Contact,
    now: datetime,
) -> Skip | None:
    grant = session.get(Grant, UUID(row.params["grant"]))
    if grant is None or _is_followed(session, grant) or (grant.ends_at <= now) is not is_over:
        return Skip(State.EXPIRED, "the plan goes on, or ended otherwise")
    return None


def _is_followed(session: Session, grant: Grant) -> bool:
    following = aliased(Grant)
    later = sa.select(following.id).where(
        following.user_id == grant.user_id,
        following.starts_at <= grant.ends_at,
        following.ends_at > grant.ends_at,
    )
    return session.scalar(later.limit(1)) is not None


def _describe_end(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext:
    """Return the plan and its end as the row has them. Params: `grant`, `plan`, `ends` (ISO 8601)."""
    day, hour = write_moment(row.params["ends"], read_zone(session, contact), row.language)
    url = account_page("formule")
    plan_name = name_plan(PlanName(row.params["plan"]))
    return TemplateContext({"plan": plan_name, "url": url, "day": day, "hour": hour}, url)


KINDS = {
    "payment_failed": sell(_describe_failure, sign_url=_sign_portal),
    "refunded": sell(_describe_refund, _PAYMENTS),
    "credited": sell(_describe_credit, _PAYMENTS),
    "plan_upgraded": sell(_describe_upgrade),
    "renewal_soon": sell(_describe_renewal, sign_url=_sign_cancellation),
    "cancelled": sell(_describe_cancelled),
    "desk_closed_choice": sell(_describe_closed_desk, _DASHBOARD, sign_url=_sign_closed_desk),
    # A day before the end; of a plan of 24 hours two hours before.
    "plan_expiring": _end_plan(is_over=False),
    # One that a refund or a withdrawal ended has their message instead.
    "plan_ended": _end_plan(is_over=True),
    "alerts_paused": MessageKind(to=REACHABLE, values=_list_paused, secret=False, notice_link=_DASHBOARD),
}
