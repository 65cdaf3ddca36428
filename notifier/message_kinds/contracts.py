"""Messages that the law wants on a durable medium: an order's confirmation, receipts of declarations, their result.

A receipt proves the declaration, so it is sent also where the account is deleted meanwhile: its params have the name
and the address then, which the declaration has lost.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_time

from api.models.declaration import Declaration, DeclaredBy
from api.models.notification import State
from api.models.payment import Payment, Subscription
from api.models.user import Grant
from configs.ground.signed_links import (
    CancelOrder,
    ConfirmCancellation,
    ConfirmDeclaration,
    WithdrawOrder,
    write_link,
)
from configs.settings import settings
from configs.world.languages import FRENCH
from configs.world.plan import name_plan, plan
from configs.world.sales_terms import (
    BINDING,
    LANGUAGES,
    WITHDRAW_PATH,
    find_newest_version,
    name_seller,
    read_consent,
    read_terms,
)
from configs.world.withdrawal_period import ZONE
from notifier.content.desk_location import write_day, write_moment
from notifier.content.message_kind_base import ADDRESS, DueMessage, MessageKind, Skip, TemplateContext
from notifier.message_kinds.payments import (
    describe_payment,
    has_alert,
    sell,
    write_amount,
    write_end,
    write_instant,
)

_AT_ONCE = timedelta(hours=1)  # a plan that begins later than that after its payment extends another one
_PERIOD_END = {"fr": "à la fin de la période payée", "en": "at the end of the paid period"}
Describe = Callable[[DueMessage, Declaration], dict[str, Any]]


def _describe_order(due: DueMessage) -> dict[str, Any]:
    """Return plan, price, beginning and end, terms, and how to withdraw: all in the mail itself (L.221-13)."""
    payment = due.session.get_one(Payment, UUID(due.params["payment"]))
    grants = due.session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
    # The contract is made by the payment: the time to withdraw counts from that day.
    ordered = payment.paid_at or payment.created_at
    starts = min((each.starts_at for each in grants), default=ordered)
    ends = max((each.ends_at for each in grants), default=starts)
    names = name_seller(due.language if due.language in LANGUAGES else BINDING)
    cancel_url = write_link(CancelOrder(payment.id)) if payment.subscription_id else ""
    version, declined = payment.terms_version or find_newest_version(), ""
    if payment.consent is not None and not payment.consent.get("acceptsHourThreshold"):
        declined = read_consent(version, due.language).accepts_hour_threshold  # the box that was left open
    # The terms that were accepted, whole: a link is no durable medium (CJUE C-49/11). French binds.
    shown = dict.fromkeys([due.language, BINDING]) if due.language in LANGUAGES else [BINDING]
    return {
        **describe_payment(due, due.params["payment"]),
        "cancel_url": cancel_url,
        "form_url": f"{settings().api_url}{WITHDRAW_PATH}",
        "begins_later": payment.begins_later,
        "later": starts > (payment.paid_at or starts) + _AT_ONCE,
        "unwatched": not has_alert(due.session, payment.user_id),
        "seller": ", ".join(names[each] for each in ("seller_name", "seller_address", "support_email")),
        "mediator": names["mediator"],
        "starts": write_instant(starts, due.zone, due.language),
        "ends": write_instant(ends, due.zone, due.language),
        "ordered": write_moment(ordered, due.zone, due.language)[0],
        "agreed": (payment.consent_text or "").splitlines(),
        "declined": declined,
        "terms_text": "\n\n".join(read_terms(version, each) for each in shown),
    }


def _acknowledge(describe: Describe, notice_link: str | None = None) -> MessageKind:
    """Return a kind about a declaration; `describe` adds its values, of which `url` is where its button leads."""
    return MessageKind(to=ADDRESS, values=partial(_fill, describe), secret=False, notice_link=notice_link)


def _fill(describe: Describe, due: DueMessage) -> TemplateContext | Skip:
    declared = due.session.get(Declaration, UUID(due.params["declaration"]))
    if declared is None:
        return Skip(State.SKIPPED, "declaration deleted")
    values = {"support_email": settings().support_email or ""}
    values |= _describe_declaration(due, declared)
    values |= {name: text for name, text in due.params.items() if name in ("name", "email")}
    return TemplateContext(values | describe(due, declared))


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
        "made_hour": format_time(declared.made_at, "medium", tzinfo=ZONE, locale=due.language),
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
    ends = declared.takes_effect_at or declared.made_at
    latest, wish = write_end(ends, ZONE, due.language), _PERIOD_END.get(due.language, _PERIOD_END[FRENCH])
    values = {
        "wish": write_day(declared.wished_on, due.language) if declared.wished_on else wish,
        "latest": latest,
        "confirmed": declared.confirmed_at is not None,
        "refunded": not declared.at_period_end,
        "own": bool(due.params.get("own")),
    }
    if not values["own"]:
        hidden = {"ends": latest, "signed_url": "", "url": None}
        return values | hidden | _name_order(None, due.language) | _write_amounts({}, due.language)
    order = due.session.get(Payment, declared.payment_id) if declared.payment_id else None
    if declared.at_period_end and declared.confirmed_at is None and declared.subscription_id:
        paid = due.session.get_one(Subscription, declared.subscription_id)
        ends = max(ends, paid.period_ends_at or ends)
    values["ends"] = write_end(ends, ZONE, due.language)
    values |= _name_order(order, due.language)
    if declared.user_id is None:  # its contract ended with the account: there is nothing to undo
        return values | {"signed_url": "", "url": None} | _write_amounts({}, due.language)
    url = write_link(ConfirmCancellation(declared.id))
    return values | {"signed_url": url, "url": url} | _write_amounts(due.params, due.language)


def _name_order(order: Payment | None, language: str) -> dict[str, str]:
    """Return plan and day of an order; empty where none may be named."""
    if order is None:
        return {"plan": "", "ordered": ""}
    return {"plan": name_plan(order.plan), "ordered": _write_day(order.paid_at or order.created_at, language)}


def _write_amounts(params: Mapping[str, Any], language: str) -> dict[str, Any]:
    """Return what goes back, as it was known at the notice; empty where it was not."""
    now, later = params.get("refund"), params.get("late_refund")
    return {
        "refund": write_amount(now, language) if now else "",
        "late_refund": write_amount(later, language) if later else "",
        "nothing_later": later == 0,
    }


def _write_day(at: datetime, language: str) -> str:
    return write_moment(at, ZONE, language)[0]


KINDS = {
    # The link withdraws without signing in, also after the account is gone.
    "order": sell(
        _describe_order, sign_url=lambda due: write_link(WithdrawOrder(UUID(due.params["payment"])))
    ),
    "withdrawal_received": _acknowledge(_describe_withdrawal),
    "withdrawn": _acknowledge(_describe_result, "/formule/paiements"),
    "cancel_noticed": _acknowledge(_describe_cancellation, "/formule"),
}
