"""Messages about payments, plans and contracts, to the account's address, also where alerts by mail are switched off.

Why, and why whole: docs/decisions.md#payment-mails. The receipt of a declaration is sent also where the account is
deleted meanwhile: its params have the name and the address then, which the declaration has lost.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_timedelta
from babel.numbers import format_currency
from sqlalchemy.orm import Session, aliased, load_only

from api.models.alert import Alert
from api.models.declaration import Declaration, DeclaredBy
from api.models.notification import State
from api.models.payment import Payment, PlanCredit, Refund, Subscription
from api.models.user import Grant, User
from configs.ground.addresses import digest
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.signing import (
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    OpenPortal,
    RefundClosedDesk,
    WithdrawOrder,
    write_link,
)
from configs.ground.text import FRENCH, write_time
from configs.settings import settings
from configs.world.plan import PlanName, name_plan, plan
from configs.world.prefecture import prefectures
from configs.world.sales_terms import (
    BINDING,
    LANGUAGES,
    WITHDRAW_PATH,
    find_newest_version,
    name_seller,
    read_terms,
)
from configs.world.withdrawal_period import ZONE
from notifier.content.desk_location import describe_pace, location_of, write_day, write_moment
from notifier.content.message_kind_base import (
    ADDRESS,
    PAYERS_MAIL,
    REACHABLE,
    REACHABLE_OR_MAIL,
    DueMessage,
    MessageKind,
    Skip,
    TemplateContext,
    account_page,
)
from notifier.content.messages import SUMMARY, find_part

_MINUTE = timedelta(minutes=1)
_PLAN, _PAYMENTS, _DASHBOARD = "/formule", "/formule/paiements", "/dashboard"
_AT_ONCE = timedelta(hours=1)  # a plan that begins later than that after its payment extends another one
_PERIOD_END = {"fr": "à la fin de la période payée", "en": "at the end of the paid period"}
Describe = Callable[[DueMessage], dict[str, Any]]
SignUrl = Callable[[DueMessage], str]
DescribeDeclared = Callable[[DueMessage, Declaration], dict[str, Any]]


def sell(
    describe: Describe,
    notice_link: str = _PLAN,
    *,
    sign_url: SignUrl | None = None,
    check: Callable[[DueMessage], Skip | None] | None = None,
) -> MessageKind:
    """Return a kind about a payment, the one that its params name; `describe` adds values, instants in the user's zone.

    `sign_url` returns the page where the reader acts without signing in, or nothing. It goes to confirmed addresses
    only: an unconfirmed one may be a stranger's.
    """
    values = partial(_fill, describe, sign_url)
    return MessageKind(
        to=PAYERS_MAIL, values=values, check=check, group=MessageGroup.PAYMENT, notice_link=notice_link
    )


def _fill(describe: Describe, sign_url: SignUrl | None, due: DueMessage) -> TemplateContext:
    url = str(settings().frontend_url)
    signed_url = sign_url(due) if sign_url and due.contact.confirmed else ""
    values = {"url": url, "signed_url": signed_url}

    def write(due: DueMessage) -> dict[str, Any]:
        paid = describe_payment(due, due.params["payment"]) if "payment" in due.params else {}
        return values | paid | describe(due)

    return TemplateContext(write(due) | _summarize(due, due.contact.user_id, write), signed_url or url)


def _summarize(due: DueMessage, user_id: UUID | None, write: Describe) -> dict[str, Any]:
    """Return the values of what stands around a French text: of a summary in its reader's language, and in English."""
    reader = due.session.get(User, user_id, options=[load_only(User.language)]) if user_id else None
    if reader is None or not find_part(SUMMARY, reader.language, due.row.kind):
        return {}
    own, english = (
        write(replace(due, row=replace(due.row, language=each), is_beside=True))
        for each in (reader.language, "en")
    )
    return {SUMMARY: own | {"language": reader.language, "en": english}}


def describe_payment(due: DueMessage, payment_id: str) -> dict[str, Any]:
    """Return the plan and the price of a payment, in words."""
    payment = due.session.get_one(Payment, UUID(payment_id))
    return {
        "plan": name_plan(payment.plan),
        "price": write_amount(payment.amount_cents, due.language),
        "order": _find_order(due.session, payment).order_number or str(payment.id),
        "monthly": payment.plan is PlanName.URGENCE_TOTAL,
        "terms": payment.terms_version or "",
    }


def _find_order(session: Session, payment: Payment) -> Payment:
    """Return the order of a payment, whose number the forms take: of a renewal its subscription's."""
    if payment.consented_at or payment.subscription_id is None:
        return payment
    orders = sa.select(Payment).where(
        Payment.subscription_id == payment.subscription_id, Payment.consented_at.is_not(None)
    )
    return session.scalars(orders.order_by(Payment.id).limit(1)).one_or_none() or payment


def has_alert(session: Session, user_id: UUID | None) -> bool:
    """Whether an alert of a user waits."""
    waiting = sa.select(Alert.id).where(Alert.user_id == user_id, Alert.enabled, Alert.closed_at.is_(None))
    return session.scalar(waiting.limit(1)) is not None


def write_amount(cents: int, language: str) -> str:
    """Return an amount of euros as a reader of the language writes it."""
    return format_currency(cents / 100, "EUR", locale=language)


def write_instant(at: datetime | str | None, zone: ZoneInfo, language: str) -> str:
    """Return day and hour of an instant: `20 novembre 2026, 09:00`; nothing of none."""
    return ", ".join(write_moment(at, zone, language)) if at else ""


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
    Days for a friend's order have their own `given`: friend, charge (the next one moves, too) or taken_back.
    """
    params = due.params
    return {
        "time": format_timedelta(timedelta(seconds=params["seconds"]), threshold=2, locale=due.language),
        "given": params["given"],
        "is_friends": params["given"] in ("friend", "charge", "taken_back"),
        "amount": write_amount(params["amount"], due.language),
        "ends": write_instant(params["ends"], due.zone, due.language),
    }


def _describe_closed_desk(due: DueMessage) -> dict[str, Any]:
    """Return where it was; no procedure, which could reveal a person's immigration status."""
    return {"where": location_of("", due.params["prefecture"]).where}


def _sign_closed_desk(due: DueMessage) -> str:
    return write_link(
        RefundClosedDesk(due.contact.id, digest(due.contact.address), UUID(due.params["alert"]))
    )


def _describe_failure(due: DueMessage) -> dict[str, Any]:
    """Return which payment failed; of a renewal also until when the plan goes on, or that it is over (`over`)."""
    until = write_instant(_find_grace_end(due), due.zone, due.language)
    return {"over": bool(due.params.get("over")), "until": until}


def _find_grace_end(due: DueMessage) -> datetime | None:
    grace = sa.select(sa.func.max(Grant.ends_at)).where(
        Grant.payment_id == UUID(due.params["payment"]), Grant.source == "grace", Grant.ends_at > clock()
    )
    return due.session.scalar(grace)


def _check_failure(due: DueMessage) -> Skip | None:
    """Skip what a renewal's refusal said of days of grace that are over: another mail tells how it ended."""
    if due.params.get("over") or not _is_renewal(due) or _find_grace_end(due):
        return None
    return Skip(State.EXPIRED, "the days of grace are over")


def _describe_late_payment(due: DueMessage) -> dict[str, Any]:
    """Return until when the month runs, and the time that was lost.

    Params: `begins`, `ends` (ISO 8601), `renews`; `until`, where a notice ends it before its end.
    """
    paid = sa.select(sa.func.max(Grant.ends_at)).where(Grant.payment_id == UUID(due.params["payment"]))
    noticed = due.params.get("until")
    ends = datetime.fromisoformat(noticed) if noticed else due.session.scalar(paid)
    return {
        "renews": due.params["renews"],
        "until": write_end(ends, due.zone, due.language) if ends else "",
        "lost_from": write_instant(due.params["begins"], due.zone, due.language),
        "lost_until": write_instant(due.params["ends"], due.zone, due.language),
    }


def _sign_portal(due: DueMessage) -> str:
    """Return the page that opens Stripe's portal, for a renewal; a session of the portal itself ends in minutes."""
    if due.params.get("over") or not _is_renewal(due):
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
        "ended": ", ".join(names),
        "credit": write_amount(sum(cents for _, cents in ended), due.language),
    }


def _describe_refund(due: DueMessage) -> dict[str, Any]:
    """Return amount and reason of a refund, and what became of it: `state`, as the template has them.

    `order`: the number of the invoice, where an organisation had paid it.
    """
    refund = due.session.get_one(Refund, UUID(due.params["refund"]))
    paid = describe_payment(due, str(refund.payment_id))
    return paid | {
        "order": due.params.get("order", paid["order"]),
        "amount": write_amount(due.params.get("cents", refund.amount_cents), due.language),
        "reason": refund.reason.value,
        "state": due.params.get("state", "succeeded"),
    }


def _describe_renewal(due: DueMessage) -> dict[str, Any]:
    """Return when it renews and what Stripe will charge.

    Params: `subscription`, `ends` (ISO 8601) of the paid period; in cents `amount`, and what it comes from: `price`,
    `credit` for time without watching, `discount`. Rows of an earlier version have the first two only.
    """
    found = due.session.get_one(Subscription, UUID(due.params["subscription"]))
    price = due.params.get("price", plan(found.plan).price_cents)
    lowered = {name: due.params.get(name) for name in ("credit", "discount")}
    return {
        "plan": name_plan(found.plan),
        "price": write_amount(due.params.get("amount", price), due.language),
        "full_price": write_amount(price, due.language),
        **{name: write_amount(cents, due.language) if cents else "" for name, cents in lowered.items()},
        "ends": write_instant(due.params["ends"], due.zone, due.language),
    }


def _sign_cancellation(due: DueMessage) -> str:
    orders = sa.select(Payment.id).where(
        Payment.subscription_id == UUID(due.params["subscription"]), Payment.consented_at.is_not(None)
    )
    order_id = due.session.scalar(orders.limit(1))
    return write_link(CancelOrder(order_id)) if order_id else ""


def _list_paused(due: DueMessage) -> TemplateContext:
    """Return the prefectures of the paused alerts; no procedure, which could reveal a person's immigration status."""
    places = [location_of("", each).where for each in due.params["prefectures"] if each in prefectures()]
    counts = {name: due.params[name] for name in ("count", "limit")}
    return TemplateContext({"places": places, "url": due.find_page("dashboard"), **counts})


def _check_end(due: DueMessage) -> Skip | None:
    ended = Skip(State.EXPIRED, "the plan goes on, or ended otherwise")
    grant, following = due.session.get(Grant, UUID(due.params["grant"])), aliased(Grant)
    if grant is None or (grant.ends_at <= due.now) is not (due.row.kind == "plan_ended"):
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


def _describe_order(due: DueMessage) -> dict[str, Any]:
    """Return plan, price, beginning and end, terms, and how to withdraw: all in the mail itself (L.221-13).

    Params: `payment`, `price` of later months in cents, where the row has it: our list may have another one by now.
    """
    payment = due.session.get_one(Payment, UUID(due.params["payment"]))
    grants = due.session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
    # The contract is made by the payment: the time to withdraw counts from that day.
    ordered = payment.paid_at or payment.created_at
    starts = min((each.starts_at for each in grants), default=ordered)
    ends = max((each.ends_at for each in grants), default=starts)
    spoken = due.language if due.language in LANGUAGES else BINDING
    names = name_seller(spoken)
    cancel_url = write_link(CancelOrder(payment.id)) if payment.subscription_id else ""
    price = due.params.get("price", plan(payment.plan).price_cents)
    version = payment.terms_version or find_newest_version()
    # The terms that were accepted, whole: a link is no durable medium (CJUE C-49/11). French binds.
    shown = [spoken] if due.is_beside else dict.fromkeys([spoken, BINDING])
    return {
        "full_price": write_amount(price, due.language),
        "cancel_url": cancel_url,
        "form_url": f"{settings().api_url}{WITHDRAW_PATH}",
        "begins_later": payment.begins_later,
        "later": starts > (payment.paid_at or starts) + _AT_ONCE,
        "unwatched": not has_alert(due.session, payment.user_id),
        **describe_pace(due.session, payment.user_id, plan(payment.plan), due.language),
        "seller": ", ".join(names[each] for each in ("seller_name", "seller_address", "support_email")),
        "mediator": names["mediator"],
        "starts": write_instant(starts, due.zone, due.language),
        "ends": write_instant(ends, due.zone, due.language),
        "ordered": write_moment(ordered, due.zone, due.language)[0],
        "agreed": (payment.consent_text or "").splitlines(),
        "terms_text": "\n\n".join(read_terms(version, each) for each in shown),
    }


def _acknowledge(describe: DescribeDeclared, notice_link: str | None = None) -> MessageKind:
    """Return a kind about a declaration; `describe` adds its values, of which `url` is where its button leads."""
    return MessageKind(to=ADDRESS, values=partial(_fill_declared, describe), notice_link=notice_link)


def _fill_declared(describe: DescribeDeclared, due: DueMessage) -> TemplateContext | Skip:
    declared = due.session.get(Declaration, UUID(due.params["declaration"]))
    if declared is None:
        return Skip(State.SKIPPED, "declaration deleted")
    values = {name: text for name, text in due.params.items() if name in ("name", "email")}

    def write(due: DueMessage) -> dict[str, Any]:
        return _describe_declaration(due, declared) | values | describe(due, declared)

    return TemplateContext(write(due) | _summarize(due, declared.user_id, write))


def _describe_declaration(due: DueMessage, declared: Declaration) -> dict[str, Any]:
    """Return the content of a declaration, and when it was made. A form's says what was typed and nothing more."""
    order = due.session.get(Payment, declared.payment_id) if declared.payment_id else None
    known = order if declared.made_by is not DeclaredBy.FORM else None
    return {
        "number": declared.reference or "",
        "name": declared.name or "",
        "email": declared.email or "",
        **_name_order(known, due.language),
        "made_day": _write_day(declared.made_at, due.language),
        "made_hour": write_time(declared.made_at, "medium", tzinfo=ZONE, locale=due.language),
    }


def _describe_withdrawal(due: DueMessage, declared: Declaration) -> dict[str, Any]:
    """Return the link that confirms, and until when it waits for that; both empty where nothing is to confirm.

    It is asked for where the declaration was made without a login: a stranger may have typed this address.
    """
    if declared.made_by is not DeclaredBy.FORM or declared.takes_effect_at is None:
        return {"confirm_url": "", "applied_on": "", "url": None}
    url = write_link(ConfirmDeclaration(declared.id))
    return {"confirm_url": url, "applied_on": _write_day(declared.takes_effect_at, due.language), "url": url}


def _describe_result(due: DueMessage, declared: Declaration) -> dict[str, Any]:
    """Return the order, the refund, and the reason of a refusal; each is empty where there is none."""
    order = due.session.get(Payment, declared.payment_id)
    if order is None:
        raise LookupError(f"declaration {declared.id} is about no order")
    return {
        "number": order.order_number or str(order.id),
        **_name_order(order, due.language),
        "monthly": plan(order.plan).recurring,
        "refund": write_amount(declared.refund_cents, due.language) if declared.refund_cents else "",
        "refusal": declared.refused_because or "",
    }


def _describe_cancellation(due: DueMessage, declared: Declaration) -> dict[str, Any]:
    """Return the content of the notice: to the account's address (param `own`) with the end and the links.

    Another address, which was typed, does not learn whether the contract is known.
    """
    own, ends = bool(due.params.get("own")), declared.takes_effect_at or declared.made_at
    latest, wish = write_end(ends, ZONE, due.language), _PERIOD_END.get(due.language, _PERIOD_END[FRENCH])
    if own and declared.at_period_end and declared.confirmed_at is None and declared.subscription_id:
        paid = due.session.get_one(Subscription, declared.subscription_id)
        ends = max(ends, paid.period_ends_at or ends)
    order = due.session.get(Payment, declared.payment_id) if own and declared.payment_id else None
    # Where its contract ended with the account there is nothing to undo.
    url = write_link(ConfirmCancellation(declared.id)) if own and declared.user_id else ""
    held = due.params.get("held")
    # What goes back, as it was known at the notice
    back, later = (due.params.get(name) if url else None for name in ("refund", "late_refund"))
    return {
        "wish": write_day(declared.wished_on, due.language) if declared.wished_on else wish,
        "latest": latest,
        "confirmed": declared.confirmed_at is not None,
        "refunded": not declared.at_period_end,
        "own": own,
        "held": write_end(datetime.fromisoformat(held), ZONE, due.language) if held else "",
        "ends": write_end(ends, ZONE, due.language),
        "signed_url": url,
        "url": url or None,
        **_name_order(order, due.language),
        "refund": write_amount(back, due.language) if back else "",
        "late_refund": write_amount(later, due.language) if later else "",
        "nothing_later": later == 0,
    }


def _name_order(order: Payment | None, language: str) -> dict[str, str]:
    if order is None:
        return {"plan": "", "ordered": ""}
    return {"plan": name_plan(order.plan), "ordered": _write_day(order.paid_at or order.created_at, language)}


def _write_day(at: datetime, language: str) -> str:
    return write_moment(at, ZONE, language)[0]


KINDS = {
    "payment_failed": sell(_describe_failure, sign_url=_sign_portal, check=_check_failure),
    "paid_late": sell(_describe_late_payment),
    "refunded": sell(_describe_refund, _PAYMENTS),
    "credited": sell(_describe_credit, _PAYMENTS),
    "plan_upgraded": sell(_describe_upgrade),
    "renewal_soon": sell(_describe_renewal, sign_url=_sign_cancellation),
    "cancelled": sell(_describe_cancelled),
    "desk_closed_choice": sell(_describe_closed_desk, _DASHBOARD, sign_url=_sign_closed_desk),
    # A day before a plan's end (of one of 24 hours two hours before), and after it, where no other follows. One that a
    # refund or a withdrawal ended has their message instead. They sell nothing: that would need consent.
    **dict.fromkeys(
        ("plan_expiring", "plan_ended"),
        MessageKind(
            to=REACHABLE_OR_MAIL, check=_check_end, values=_describe_end, notice_link=_PLAN, chats_wait=True
        ),
    ),
    "alerts_paused": MessageKind(to=REACHABLE, values=_list_paused, notice_link=_DASHBOARD),
    # The link withdraws without signing in, also after the account is gone.
    "order": sell(
        _describe_order, sign_url=lambda due: write_link(WithdrawOrder(UUID(due.params["payment"])))
    ),
    "withdrawal_received": _acknowledge(_describe_withdrawal),
    "withdrawn": _acknowledge(_describe_result, "/formule/paiements"),
    "cancel_noticed": _acknowledge(_describe_cancellation, "/formule"),
}
