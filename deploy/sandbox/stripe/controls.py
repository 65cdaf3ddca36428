"""Controls of the stand-in: acts of a customer, of Stripe's dashboard, and of its clock.

Each control takes the stand-in, the fields of its body, and the id in its path.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.clock import now
from deploy.sandbox.control_error import Refusal
from deploy.sandbox.request_body import Body, text, whole_number
from deploy.sandbox.stripe.account import AFTER_RETRIES
from deploy.sandbox.stripe.cards import find_card
from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.objects import Json, show
from deploy.sandbox.stripe.resources import (
    collection,
    coupons,
    disputes,
    payment_methods,
    refunds,
    renewals,
)
from deploy.sandbox.stripe.resources.checkout_payment import (
    Buyer,
    apply_code,
    authenticate_session,
    submit_session,
)
from deploy.sandbox.stripe.resources.customers import find_customer
from deploy.sandbox.stripe.resources.invoices import intent_of
from deploy.sandbox.stripe.resources.payment_intents import settle_debit
from deploy.sandbox.stripe.resources.subscriptions import ENDED, end_subscription, item_of
from deploy.sandbox.stripe.webhooks.endpoint import WEBHOOK_MODES
from deploy.sandbox.stripe.webhooks.signature import sign_headers

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.stand_in import Stripe

Control = Callable[["Stripe", Body, str], Json]
_AUTHENTICATE: Final = ("pass", "fail", "leave")
_FARTHEST: Final = 5 * 366 * 86_400
_REFUND_STATUSES: Final = ("succeeded", "pending")


def pay(stand_in: Stripe, body: Body, session: str) -> Json:
    """Pay at Checkout; a declined card is no error of the call."""
    account, known = stand_in.account, stand_in.account.find("checkout.session", session)
    buyer = Buyer(find_card(text(body, "card") or "visa"), text(body, "email"))
    authenticate = _one_of(body, "authenticate", _AUTHENTICATE) or "pass"
    error: Json | None = None
    try:
        if code := text(body, "promotion_code"):
            apply_code(account, known, code)
        status = submit_session(account, known, buyer)
        if status == "open" and authenticate != "leave":
            authenticate_session(account, known, passed=authenticate == "pass")
    except StripeError as refused:
        error = {key: value for key, value in refused.fields.items() if key != "payment_intent"}
    return {"session": show(known), "error": error}


def use_card(stand_in: Stripe, body: Body, customer: str) -> Json:
    """Make a card the customer's."""
    known = find_customer(stand_in.account, customer)
    card = find_card(text(body, "card") or "visa")
    return _copy_shown(payment_methods.set_default_card(stand_in.account, known, card))


def pay_invoice(stand_in: Stripe, body: Body, invoice: str) -> Json:
    """Pay an open invoice as its customer does, by another card where one is given; 3-D Secure is passed."""
    account, known = stand_in.account, stand_in.account.find("invoice", invoice)
    if known["status"] != "open":
        raise Refusal(f"this invoice is {known['status']}")
    if card := text(body, "card"):
        customer = find_customer(account, known["customer"])
        payment_methods.set_default_card(account, customer, find_card(card))
    collection.collect_invoice(account, known, by_customer=True)
    intent = intent_of(account, known)
    if intent is not None and intent["status"] == "requires_action":
        collection.authenticate_invoice(account, known, passed=True)
    return _copy_shown(known)


def settle(stand_in: Stripe, body: Body, intent: str) -> Json:
    """End a delayed debit."""
    known = stand_in.account.find("payment_intent", intent)
    if known["status"] != "processing":
        raise Refusal(f"this payment is {known['status']}, not processing")
    settle_debit(stand_in.account, known, paid=_flag(body, "paid", usual=True))
    return _copy_shown(known)


def refund(stand_in: Stripe, body: Body, intent: str) -> Json:
    """Refund in the dashboard."""
    charge = _charge(stand_in.account, intent)
    amount = whole_number(body, "amount", least=1)
    return _copy_shown(
        refunds.refund_charge(stand_in.account, charge, amount, reason="requested_by_customer")
    )


def fail_refund(stand_in: Stripe, body: Body, refund: str) -> Json:
    """Let a refund come back."""
    del body
    return _copy_shown(refunds.fail_refund(stand_in.account, stand_in.account.find("refund", refund)))


def settle_refund(stand_in: Stripe, body: Body, refund: str) -> Json:
    """Let a pending refund succeed."""
    del body
    return _copy_shown(refunds.settle_refund(stand_in.account, stand_in.account.find("refund", refund)))


def dispute(stand_in: Stripe, body: Body, intent: str) -> Json:
    """Open a dispute."""
    charge, amount = _charge(stand_in.account, intent), whole_number(body, "amount", least=1)
    reason = text(body, "reason") or "fraudulent"
    return _copy_shown(disputes.open_dispute(stand_in.account, charge, amount, reason))


def close_dispute(stand_in: Stripe, body: Body, dispute: str) -> Json:
    """End a dispute."""
    status = _one_of(body, "status", disputes.OUTCOMES)
    if status is None:
        raise Refusal("status is missing", known=disputes.OUTCOMES)
    known = stand_in.account.find("dispute", dispute)
    return _copy_shown(disputes.close_dispute(stand_in.account, known, status))


def warn_of_fraud(stand_in: Stripe, body: Body, intent: str) -> Json:
    """Issue an early fraud warning."""
    del body
    return _copy_shown(disputes.warn_of_fraud(stand_in.account, _charge(stand_in.account, intent)))


def cancel_subscription(stand_in: Stripe, body: Body, subscription: str) -> Json:
    """Cancel in the dashboard, now or at the end of the period."""
    account, known = stand_in.account, stand_in.account.find("subscription", subscription)
    if known["status"] in ENDED:
        raise Refusal(f"this subscription is {known['status']}")
    if _flag(body, "at_period_end", usual=False):
        end = {"cancel_at": item_of(known)["current_period_end"], "cancel_at_period_end": True}
        account.change(known, "customer.subscription.updated", canceled_at=account.clock.now(), **end)
    else:
        end_subscription(account, known, "cancellation_requested")
    return _copy_shown(known)


def renew_subscription(stand_in: Stripe, body: Body, subscription: str) -> Json:
    """Let the next period of a subscription begin."""
    del body
    account, known = stand_in.account, stand_in.account.find("subscription", subscription)
    if known["status"] in ENDED:
        raise Refusal(f"this subscription is {known['status']}")
    renewals.renew_early(account, known)
    return _copy_shown(known)


def add_promotion_code(stand_in: Stripe, body: Body, _: str) -> Json:
    """Make a code for Checkout."""
    code, percent = text(body, "code"), whole_number(body, "percent_off", least=1)
    amount = whole_number(body, "amount_off", least=1)
    if not code or (percent is None) == (amount is None):
        raise Refusal("a promotion code needs code, and percent_off or amount_off")
    off: Json = {"percent_off": float(percent)} if percent else {"amount_off": amount, "currency": "eur"}
    coupon = coupons.make_coupon(stand_in.account, **off, name=code)
    return _copy_shown(coupons.make_promotion_code(stand_in.account, code, coupon))


def move_clock(stand_in: Stripe, body: Body, _: str) -> Json:
    """Move the clock on; without a target, what is due happens."""
    clock = stand_in.account.clock
    before = len(stand_in.account.all("event"))
    moment = clock.now()
    target = whole_number(body, "to") or moment + (whole_number(body, "advance") or 0)
    if not moment <= target <= moment + _FARTHEST:
        raise Refusal("the clock moves forward only, by five years at most")
    clock.move_to(target)
    events = [{"id": each["id"], "type": each["type"]} for each in stand_in.account.all("event")[before:]]
    return {"now": clock.now(), "events": events}


def change_settings(stand_in: Stripe, body: Body, _: str) -> Json:
    """Change what the account's owner has set."""
    settings = stand_in.account.settings
    days = body.get("retry_days")
    if days is not None:
        if not isinstance(days, list) or not all(isinstance(day, int) and day >= 0 for day in days):
            raise Refusal("retry_days must be a list of days")
        settings.retry_days = tuple(sorted(days))
    settings.after_retries = _one_of(body, "after_retries", AFTER_RETRIES) or settings.after_retries
    settings.refund_status = _one_of(body, "refund_status", _REFUND_STATUSES) or settings.refund_status
    settings.endpoint_version = text(body, "endpoint_version") or settings.endpoint_version
    for name in ("draft_seconds", "debit_seconds"):
        seconds = whole_number(body, name)
        if seconds is not None:
            setattr(settings, name, seconds)
    return settings.to_json()


def change_webhook(stand_in: Stripe, body: Body, _: str) -> Json:
    """Change where and how events are sent."""
    endpoint = stand_in.webhooks.endpoint
    _one_of(body, "mode", WEBHOOK_MODES)
    for name in ("secrets", "enabled_events"):
        value = body.get(name)
        if value is not None and not (
            value and isinstance(value, list) and all(isinstance(x, str) for x in value)
        ):
            raise Refusal(f"{name} must be a list of texts")
    whole_number(body, "times", least=1)
    text(body, "url")
    for seconds in (body.get("seconds") or 0, *(body.get("retry_seconds") or ())):
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
            raise Refusal("seconds must be numbers from 0")
    for name, value in body.items():
        if value is not None:
            setattr(endpoint, name, value)
    return endpoint.to_json()


def take_deliveries(stand_in: Stripe, body: Body, _: str) -> Json:
    """Hand over what waits, signed."""
    del body
    endpoint = stand_in.webhooks.endpoint
    taken = [
        {
            "id": each.event["id"],
            "type": each.event["type"],
            "body": base64.b64encode(each.body()).decode(),
            "headers": each.headers(endpoint),
        }
        for each in stand_in.webhooks.take_waiting()
    ]
    return {"deliveries": taken}


def send_events(stand_in: Stripe, body: Body, _: str) -> Json:
    """Send events again."""
    events = body.get("events")
    if events is not None and not isinstance(events, list):
        raise Refusal("events must be a list of ids")
    return {"deliveries": [each.to_json() for each in stand_in.webhooks.send(events)]}


def sign(stand_in: Stripe, body: Body, _: str) -> Json:
    """Sign any bytes (base64)."""
    try:
        signed = base64.b64decode(text(body, "body") or "", validate=True)
    except ValueError as error:
        raise Refusal("body must be base64") from error
    secret = text(body, "secret")
    secrets = [secret] if secret else stand_in.webhooks.endpoint.secrets
    at = whole_number(body, "at")
    return {"headers": sign_headers(signed, secrets, int(now().timestamp()) if at is None else at)}


# Path, control, keys of its body.
CONTROLS: Final[tuple[tuple[str, Control, str], ...]] = (
    ("sessions/{id}/pay", pay, "card email promotion_code authenticate"),
    ("customers/{id}/card", use_card, "card"),
    ("invoices/{id}/pay", pay_invoice, "card"),
    ("payment_intents/{id}/settle", settle, "paid"),
    ("payment_intents/{id}/refund", refund, "amount"),
    ("payment_intents/{id}/dispute", dispute, "amount reason"),
    ("payment_intents/{id}/fraud_warning", warn_of_fraud, ""),
    ("refunds/{id}/fail", fail_refund, ""),
    ("refunds/{id}/settle", settle_refund, ""),
    ("disputes/{id}/close", close_dispute, "status"),
    ("subscriptions/{id}/cancel", cancel_subscription, "at_period_end"),
    ("subscriptions/{id}/renew", renew_subscription, ""),
    ("promotion_codes", add_promotion_code, "code percent_off amount_off"),
    ("clock", move_clock, "advance to"),
    (
        "settings",
        change_settings,
        "retry_days after_retries refund_status endpoint_version draft_seconds debit_seconds",
    ),
    ("webhook", change_webhook, "url secrets enabled_events mode times seconds retry_seconds"),
    ("deliveries/take", take_deliveries, ""),
    ("deliveries/send", send_events, "events"),
    ("sign", sign, "body at secret"),
)


def _copy_shown(thing: Json) -> Json:
    shown: Json = show(thing)
    return shown


def _charge(account: Account, intent: str) -> Json:
    return refunds.charge_of(account, account.find("payment_intent", intent))


def _flag(body: Body, key: str, *, usual: bool) -> bool:
    value: Any = body.get(key, usual)
    if not isinstance(value, bool):
        raise Refusal(f"{key} must be true or false, not {value!r}")
    return value


def _one_of(body: Body, key: str, allowed: tuple[str, ...]) -> str | None:
    value = text(body, key)
    if value is not None and value not in allowed:
        raise Refusal(f"unknown {key} {value!r}", known=allowed)
    return value
