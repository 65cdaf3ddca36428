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
from sqlalchemy.orm import Session, aliased

from api.models.alert import Alert
from api.models.notification import State
from api.models.payment import CreditForm, Payment, PlanCredit, Refund, Subscription, WatchCredit
from api.models.user import Grant
from configs.ground.clock import clock
from configs.ground.contact_addresses import digest
from configs.ground.message_groups import MessageGroup
from configs.ground.signed_links import CancelOrder, OpenPortal, RefundClosedDesk, write_link
from configs.settings import settings
from configs.world.plan import PlanName, name_plan, plan
from configs.world.prefecture import prefectures
from notifier.content.desk_location import write_moment
from notifier.content.message_kind_base import (
    PAYERS_MAIL,
    REACHABLE,
    REACHABLE_OR_MAIL,
    DueMessage,
    MessageKind,
    Skip,
    TemplateContext,
)
from notifier.content.outgoing_message import account_page

_MINUTE = timedelta(minutes=1)
_PLAN, _PAYMENTS, _DASHBOARD = "/formule", "/formule/paiements", "/dashboard"
Describe = Callable[[DueMessage], dict[str, Any]]
SignUrl = Callable[[DueMessage], str]


def sell(describe: Describe, notice_link: str = _PLAN, *, sign_url: SignUrl | None = None) -> MessageKind:
    """Return a kind about a payment; `describe` adds its values, and shows instants in the user's time zone.

    `sign_url` returns the page where the reader acts without signing in, or nothing. It goes to confirmed addresses
    only: an unconfirmed one may be a stranger's.
    """
    values = partial(_fill, describe, sign_url)
    return MessageKind(
        to=PAYERS_MAIL, values=values, secret=False, group=MessageGroup.PAYMENT, notice_link=notice_link
    )


def _fill(describe: Describe, sign_url: SignUrl | None, due: DueMessage) -> TemplateContext:
    url = str(settings().frontend_url)
    signed_url = sign_url(due) if sign_url and due.contact.confirmed else ""
    values = {"url": url, "signed_url": signed_url, "support_email": settings().support_email or ""}
    return TemplateContext(values | describe(due), signed_url or url)


def describe_payment(due: DueMessage, payment_id: str) -> dict[str, Any]:
    """Return the plan and the price of a payment, in words."""
    payment = due.session.get_one(Payment, UUID(payment_id))
    return {
        "plan": name_plan(payment.plan),
        "price": write_amount(payment.amount_cents, due.language),
        "full_price": write_amount(plan(payment.plan).price_cents, due.language),
        "order": payment.order_number or str(payment.id),
        "monthly": payment.plan is PlanName.URGENCE_TOTAL,
        "terms": payment.terms_version or "",
    }


def has_alert(session: Session, user_id: UUID | None) -> bool:
    """Whether an alert of a user waits."""
    waiting = sa.select(Alert.id).where(Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
    return session.scalar(waiting.limit(1)) is not None


def write_amount(cents: int, language: str) -> str:
    """Return an amount of euros as a reader of the language writes it."""
    return format_currency(cents / 100, "EUR", locale=language)


def write_instant(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Return day and hour of an instant: `20 novembre 2026, 09:00`."""
    return ", ".join(write_moment(at, zone, language))


def write_end(at: datetime, zone: ZoneInfo, language: str) -> str:
    """Return the instant at which a contract ends: midnight belongs to the day that was chosen."""
    is_day_end = at.astimezone(zone).time() == time()
    return write_instant(at - _MINUTE if is_day_end else at, zone, language)


def _describe_cancelled(due: DueMessage) -> dict[str, Any]:
    """Return the end and its effects (L.215-1-1). Params: `ends` (ISO 8601), `refund` in cents, `plan`."""
    back = due.params["refund"]
    return {
        "plan": name_plan(PlanName(due.params["plan"])),
        "ends": write_end(datetime.fromisoformat(due.params["ends"]), due.zone, due.language),
        "refund": write_amount(back, due.language) if back else "",
    }


def _describe_credit(due: DueMessage) -> dict[str, Any]:
    """Return how much paid time was without watching, and what is given for it.

    Params: `payment`, `seconds`, `given` (time, invoice or refund), `amount` in cents, `ends` (ISO 8601 or null).
    """
    params = due.params
    ends = datetime.fromisoformat(params["ends"]) if params["ends"] else None
    return {
        **describe_payment(due, params["payment"]),
        "time": format_timedelta(timedelta(seconds=params["seconds"]), threshold=2, locale=due.language),
        "given": params["given"],
        "amount": write_amount(params["amount"], due.language),
        "ends": write_instant(ends, due.zone, due.language) if ends else "",
    }


def _describe_closed_desk(due: DueMessage) -> dict[str, Any]:
    """Return where it was; no procedure, which could reveal a person's immigration status."""
    place = prefectures().get(due.params["prefecture"])
    return {"where": f"{place.name} ({place.department})" if place else due.params["prefecture"]}


def _sign_closed_desk(due: DueMessage) -> str:
    refund = RefundClosedDesk(due.contact.id, digest(due.contact.address), UUID(due.params["alert"]))
    return write_link(refund)


def _describe_failure(due: DueMessage) -> dict[str, Any]:
    """Return which payment failed; of a renewal also until when the plan goes on, empty where it is over."""
    grace = sa.select(sa.func.max(Grant.ends_at)).where(
        Grant.payment_id == UUID(due.params["payment"]), Grant.source == "grace", Grant.ends_at > clock()
    )
    ends = due.session.scalar(grace)
    return {
        **describe_payment(due, due.params["payment"]),
        "renewal": _is_renewal(due),
        "until": write_instant(ends, due.zone, due.language) if ends else "",
    }


def _sign_portal(due: DueMessage) -> str:
    """Return the page that opens Stripe's portal, for a renewal; a session of the portal itself ends in minutes."""
    if not _is_renewal(due):
        return ""
    return write_link(OpenPortal(due.contact.id, digest(due.contact.address)))


def _is_renewal(due: DueMessage) -> bool:
    payment = due.session.get_one(Payment, UUID(due.params["payment"]))
    return payment.subscription_id is not None and payment.consented_at is None


def _describe_upgrade(due: DueMessage) -> dict[str, Any]:
    ended = due.session.execute(
        sa.select(Payment.plan, PlanCredit.amount_cents)
        .join(PlanCredit, PlanCredit.credited_payment_id == Payment.id)
        .where(PlanCredit.payment_id == UUID(due.params["payment"]))
    ).all()
    names = dict.fromkeys(name_plan(each) for each, _ in ended)
    return {
        **describe_payment(due, due.params["payment"]),
        "ended": ", ".join(names),
        "credit": write_amount(sum(cents for _, cents in ended), due.language),
    }


def _describe_refund(due: DueMessage) -> dict[str, Any]:
    """Return amount and reason of a refund that Stripe took; the bank needs some days more."""
    refund = due.session.get_one(Refund, UUID(due.params["refund"]))
    return {
        **describe_payment(due, str(refund.payment_id)),
        "amount": write_amount(refund.amount_cents, due.language),
        "reason": refund.reason.value,
    }


def _describe_renewal(due: DueMessage) -> dict[str, Any]:
    """Return when it renews and the price. Params: `subscription`, `ends` (ISO 8601) of the paid period."""
    found = due.session.get_one(Subscription, UUID(due.params["subscription"]))
    price = plan(found.plan).price_cents
    # What the next invoice is lower by, for time without watching in this period.
    given = (
        sa.select(sa.func.coalesce(sa.func.sum(WatchCredit.amount_cents), 0))
        .join(Payment, Payment.id == WatchCredit.payment_id)
        .where(Payment.subscription_id == found.id, WatchCredit.form == CreditForm.INVOICE)
    )
    if found.period_starts_at:
        given = given.where(WatchCredit.created_at >= found.period_starts_at)
    credit = min(due.session.scalars(given).one(), price)
    return {
        "plan": name_plan(found.plan),
        "price": write_amount(price - credit, due.language),
        "full_price": write_amount(price, due.language),
        "credit": write_amount(credit, due.language) if credit else "",
        "ends": write_instant(datetime.fromisoformat(due.params["ends"]), due.zone, due.language),
    }


def _sign_cancellation(due: DueMessage) -> str:
    orders = sa.select(Payment.id).where(
        Payment.subscription_id == UUID(due.params["subscription"]), Payment.consented_at.is_not(None)
    )
    order_id = due.session.scalar(orders.limit(1))
    return write_link(CancelOrder(order_id)) if order_id else ""


def _list_paused(due: DueMessage) -> TemplateContext:
    """Return the prefectures of the paused alerts; no procedure, which could reveal a person's immigration status."""
    known = prefectures()
    found = [known[each] for each in due.params["prefectures"] if each in known]
    places = [f"{place.name} ({place.department})" for place in found]
    counts = {name: due.params[name] for name in ("count", "limit")}
    return TemplateContext({"places": places, "url": account_page("dashboard"), **counts})


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


def _check_end(is_over: bool, due: DueMessage) -> Skip | None:
    ended = Skip(State.EXPIRED, "the plan goes on, or ended otherwise")
    grant, following = due.session.get(Grant, UUID(due.params["grant"])), aliased(Grant)
    if grant is None or (grant.ends_at <= due.now) is not is_over:
        return ended
    later = sa.select(following.id).where(
        following.user_id == grant.user_id,
        following.starts_at <= grant.ends_at,
        following.ends_at > grant.ends_at,
    )
    return ended if due.session.scalar(later.limit(1)) else None


def _describe_end(due: DueMessage) -> TemplateContext:
    """Return the plan and its end as the row has them. Params: `grant`, `plan`, `ends` (ISO 8601)."""
    day, hour = write_moment(due.params["ends"], due.zone, due.language)
    plan_name = name_plan(PlanName(due.params["plan"]))
    return TemplateContext({"plan": plan_name, "url": account_page("formule"), "day": day, "hour": hour})


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
