"""Controls of the stand-in: acts of a customer, of Stripe's dashboard, and of its clock.

``POST /_control/<name>`` calls one with the fields of its JSON body, or with the list ``args``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.clock import now
from deploy.sandbox.modes import ModeBody, read_mode
from deploy.sandbox.request_body import Refusal, read_object, read_told
from deploy.sandbox.stripe.objects import Json, StripeError, show
from deploy.sandbox.stripe.resources import catalogue, money_back, payments, renewals, subscriptions
from deploy.sandbox.stripe.resources.checkout import apply_code, authenticate_session, submit_session
from deploy.sandbox.stripe.resources.payments import find_card
from deploy.sandbox.stripe.webhooks import WEBHOOK_MODES, sign_headers, write_body

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.stand_in import Stripe

Control = Callable[..., Any]
# What an account's owner or its banks choose, each with the values it can have; () for seconds.
_CHOICES: Final = {
    "after_retries": renewals.AFTER_RETRIES,
    "draft_seconds": (),
    "refunds_begin": money_back.BEGINNINGS,
}
# By these statuses of a dispute the bank holds the money back.
_HELD: Final = ("needs_response", "under_review", "appeal_")


def pay(
    stand_in: Stripe,
    session: str,
    card: str = "visa",
    *,
    email: str | None = None,
    promotion_code: str | None = None,
    authenticate: str = "pass",
) -> Json:
    """Pay at Checkout, as on its page; return ``session`` and ``error`` (None, or why the card was declined).

    ``authenticate`` is what the customer does when 3-D Secure is asked for: "pass", "fail" or "leave".
    """
    account, known, error = stand_in.account, stand_in.account.find("checkout.session", session), None
    chosen = find_card(card)
    _check(authenticate, ("pass", "fail", "leave"))
    try:
        if promotion_code:
            apply_code(account, known, promotion_code)
        status = submit_session(account, known, chosen, email)
        if status == "open" and authenticate != "leave":
            authenticate_session(account, known, passed=authenticate == "pass")
    except StripeError as refused:
        error = refused.fields
    return {"session": known, "error": error}


def use_card(stand_in: Stripe, customer: str, card: str = "visa") -> Json:
    """Make this the card that a customer's subscriptions are paid with."""
    known = stand_in.account.find("customer", customer, "customer")
    return payments.set_default_card(stand_in.account, known, find_card(card))


def pay_invoice(stand_in: Stripe, invoice: str) -> Json:
    """Pay an open invoice as its customer does; 3-D Secure is passed."""
    account, known = stand_in.account, stand_in.account.find("invoice", invoice)
    if known["status"] != "open":
        raise Refusal(f"this invoice is {known['status']}")
    renewals.collect_invoice(account, known, by_customer=True)
    renewals.authenticate_invoice(account, known)
    return known


def refund(stand_in: Stripe, payment_intent: str, amount: int | None = None) -> Json:
    """Refund from the dashboard, in whole or in part; return the refund."""
    charge = _charge(stand_in.account, payment_intent)
    return money_back.refund_charge(stand_in.account, charge, amount, reason="requested_by_customer")


def settle_refund(stand_in: Stripe, refund: str, status: str, reason: str | None = None) -> Json:
    """End a refund: a pending one as of SETTLED, one that succeeded as ``failed``, with Stripe's ``failure_reason``."""
    _check(status, money_back.SETTLED)
    known = stand_in.account.find("refund", refund)
    return money_back.settle_refund(stand_in.account, known, status, reason)


def dispute(
    stand_in: Stripe, payment_intent: str, amount: int | None = None, *, inquiry: bool = False
) -> Json:
    """Open a dispute, or an inquiry, which takes no money yet; return it."""
    charge = _charge(stand_in.account, payment_intent)
    return money_back.open_dispute(stand_in.account, charge, amount, inquiry=inquiry)


def escalate_inquiry(stand_in: Stripe, dispute: str) -> Json:
    """Let an inquiry become a dispute."""
    return money_back.escalate_inquiry(stand_in.account, stand_in.account.find("dispute", dispute))


def close_dispute(stand_in: Stripe, dispute: str, status: str) -> Json:
    """End a dispute as ``won`` (also after a loss) or ``lost``, an inquiry as ``warning_closed`` or ``prevented``."""
    return money_back.close_dispute(stand_in.account, stand_in.account.find("dispute", dispute), status)


def warn_of_fraud(stand_in: Stripe, payment_intent: str) -> Json:
    """Issue an early fraud warning; return it."""
    return money_back.warn_of_fraud(stand_in.account, _charge(stand_in.account, payment_intent))


def cancel_subscription(stand_in: Stripe, subscription: str, *, at_period_end: bool = False) -> Json:
    """Cancel from the dashboard or the portal, now or at the end of the period."""
    account, known = stand_in.account, _running(stand_in.account, subscription)
    if at_period_end:
        end = subscriptions.item_of(known)["current_period_end"]
        return subscriptions.choose_end(account, known, end, is_period_end=True)
    subscriptions.end_subscription(account, known, "cancellation_requested")
    return known


def renew(stand_in: Stripe, subscription: str) -> Json:
    """Let a subscription's period end now; the clock of everything else stays."""
    known = _running(stand_in.account, subscription)
    renewals.renew_early(stand_in.account, known)
    return known


def choose(stand_in: Stripe, **told: Any) -> Json:
    """Choose how renewals and refunds go: ``after_retries``, ``draft_seconds``, ``refunds_begin``; return all."""
    account = stand_in.account
    for name, value in told.items():
        _check(name, tuple(_CHOICES))
        if allowed := _CHOICES[name]:
            _check(value, allowed)
        setattr(account, name, value)
    return {name: getattr(account, name) for name in _CHOICES}


def add_promotion_code(stand_in: Stripe, code: str, percent_off: float) -> Json:
    """Make a code for Checkout."""
    return catalogue.make_promotion_code(stand_in.account, code, percent_off=float(percent_off))


def advance(stand_in: Stripe, **by: float) -> Json:
    """Move the clock on by ``days``, ``hours``, ``seconds``; return the time and the events of what was due."""
    return move_to(stand_in, stand_in.account.clock.now() + round(timedelta(**by).total_seconds()))


def move_to(stand_in: Stripe, instant: int) -> Json:
    """Move the clock on to unix seconds, never back."""
    account, clock = stand_in.account, stand_in.account.clock
    before = len(account.all("event"))
    clock.move_to(instant)
    events = [{"id": each["id"], "type": each["type"]} for each in account.all("event")[before:]]
    return {"now": clock.now(), "events": events}


def webhook(stand_in: Stripe, **told: Any) -> Json:
    """Change where and how events are sent: the fields of ``Endpoint``."""
    endpoint = stand_in.webhooks.endpoint
    for name, value in told.items():
        _check(name, tuple(endpoint.to_json()))
        if name == "mode":
            _check(value, WEBHOOK_MODES)
        setattr(endpoint, name, value)
    return endpoint.to_json()


def state(stand_in: Stripe) -> Json:
    """Return the mode, the clock and the webhook."""
    return stand_in.to_json()


def objects(stand_in: Stripe, kind: str) -> list[Json]:
    """Return all objects of a kind, oldest first."""
    return stand_in.account.all(kind)


def requests(stand_in: Stripe, path: str = "") -> list[Json]:
    """Return the calls of the API whose path begins so, oldest first."""
    return [each for each in stand_in.api.log if each["path"].startswith(path)]


def take_deliveries(stand_in: Stripe) -> list[Json]:
    """Return what waits, signed now, and count it as delivered."""
    secrets, moment = stand_in.webhooks.endpoint.secrets, int(now().timestamp())
    taken = [(each, write_body(each)) for each in stand_in.webhooks.take_waiting()]
    return [
        {
            "id": each["id"],
            "type": each["type"],
            "body": body.decode(),
            "headers": sign_headers(body, secrets, moment),
        }
        for each, body in taken
    ]


def ledger(stand_in: Stripe) -> list[Json]:
    """Return the money of each paid payment intent as Stripe counts it, oldest first; amounts in cents.

    ``net`` is what is left: captured, less what is refunded, in an open dispute, or lost.
    """
    account = stand_in.account
    sessions = {each["_intent"]: each["id"] for each in account.all("checkout.session")}
    paid = {each["payment"]["payment_intent"]: each["invoice"] for each in account.all("invoice_payment")}
    lines = []
    for intent in account.where("payment_intent", status="succeeded"):
        charge = account.find("charge", intent["latest_charge"])
        disputes = account.where("dispute", payment_intent=intent["id"])
        line = {
            "payment_intent": intent["id"],
            "customer": intent["customer"],
            "session": sessions.get(intent["id"]),
            "invoice": paid.get(intent["id"]),
            "currency": intent["currency"],
            "captured": charge["amount_captured"],
            "refunded": charge["amount_refunded"],
            "disputed": sum(each["amount"] for each in disputes if each["status"].startswith(_HELD)),
            "lost": sum(each["amount"] for each in disputes if each["status"] == "lost"),
        }
        net = line["captured"] - line["refunded"] - line["disputed"] - line["lost"]
        lines.append(line | {"net": net, "metadata": intent["metadata"]})
    return lines


CONTROLS: Final[dict[str, Control]] = {
    control.__name__: control
    for control in (
        pay, use_card, pay_invoice, refund, settle_refund, dispute, escalate_inquiry,
        close_dispute, warn_of_fraud, cancel_subscription, renew, choose, add_promotion_code,
        advance, move_to, webhook, state, objects, requests, take_deliveries, ledger,
    )
}  # fmt: skip


def run_control(stand_in: Stripe, control: Control, *args: Any, **fields: Any) -> Any:
    """Carry out a control, and what becomes due by it; return its JSON.

    Raises:
        Refusal: the stand-in refuses it, as Stripe would.
    """
    wanted = inspect.signature(control)
    try:
        wanted.bind(stand_in, *args, **fields)
    except TypeError as error:
        raise Refusal(f"{control.__name__}: {error}", known=list(wanted.parameters)[1:]) from error
    clock = stand_in.account.clock
    clock.run_due()
    try:
        done = control(stand_in, *args, **fields)
    except StripeError as error:
        raise Refusal(error.fields["message"], status=error.status) from error
    clock.run_due()
    return show(done, whole=control is objects)


def add_control_routes(app: web.Application, stand_in: Stripe) -> None:
    """Add every control."""

    async def post(request: web.Request) -> web.Response:
        name, fields = request.match_info["name"], await read_object(request)
        if name == "mode":
            await stand_in.set_mode(read_mode(read_told(fields, ModeBody), stand_in.mode_table))
            return await get(request)
        if name == "reset":
            await stand_in.reset()
            return await get(request)
        if name not in CONTROLS:
            raise Refusal(f"no control {name!r}", known=[*CONTROLS, "reset", "mode"], status=404)
        return web.json_response(run_control(stand_in, CONTROLS[name], *fields.pop("args", ()), **fields))

    async def get(_request: web.Request) -> web.Response:
        return web.json_response(stand_in.to_json())

    app.router.add_get("/_control", get)
    app.router.add_post("/_control/{name}", post)


def _check(value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise Refusal(f"unknown value {value!r}", known=allowed)


def _charge(account: Account, intent: str) -> Json:
    return money_back.charge_of(account, account.find("payment_intent", intent))


def _running(account: Account, subscription: str) -> Json:
    known = account.find("subscription", subscription)
    if known["status"] in subscriptions.ENDED:
        raise Refusal(f"this subscription is {known['status']}")
    return known
