"""Customers, their portal, and subscriptions: incomplete → active ⇄ past_due → unpaid or canceled.

Periods are in ``renewals``. Since 2025-03-31 a period is the item's: ``items.data[0].current_period_end``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from deploy.sandbox.stripe.objects import Json, StripeError, missing_object, new_id
from deploy.sandbox.stripe.parameters import Parameters

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
_NO_PRORATION: Final = "Stripe's stand-in imitates no proration."


class Change(Parameters):
    """When a subscription ends, or is charged next; an early end gives no money back."""

    cancel_at: int | None = None
    trial_end: int | None = None
    proration_behavior: Literal["none"] | None = None


class Cancellation(Parameters):
    """How a subscription ends now."""

    invoice_now: bool | None = None
    prorate: bool | None = None


class CustomerChange(Parameters):
    """The address that a customer has from now on."""

    email: str


class NewPortal(Parameters):
    """Whose portal."""

    customer: str
    locale: str | None = None
    return_url: str | None = None


def item_of(subscription: Json) -> Json:
    """Return a subscription's one item, which holds the period."""
    item: Json = subscription["items"]["data"][0]
    return item


def list_running(account: Account, customer: str) -> list[Json]:
    """Return a customer's subscriptions that have not ended."""
    return [each for each in account.where("subscription", customer=customer) if each["status"] not in ENDED]


def change_end(account: Account, given: Change, subscription: str) -> Json:
    """Change when a subscription ends."""
    known, end = account.find("subscription", subscription), given.cancel_at
    if known["status"] in ENDED:
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise StripeError(message, code="resource_missing")
    if end is not None and end <= account.clock.now():
        raise StripeError("cancel_at must be in the future.", param="cancel_at")
    if end is not None and not given.proration_behavior and end < item_of(known)["current_period_end"]:
        raise StripeError(_NO_PRORATION, param="proration_behavior")
    return choose_end(account, known, end) if given.has("cancel_at") else known


def choose_end(account: Account, subscription: Json, end: int | None, *, is_period_end: bool = False) -> Json:
    """Let a subscription end at a moment, or go on."""
    details = subscription["cancellation_details"]
    if end is not None:
        details = details | {"reason": "cancellation_requested"}
        account.clock.add_due(end, lambda: end_when_due(account, subscription))
    return account.change(
        subscription,
        "customer.subscription.updated",
        cancel_at=end,
        cancel_at_period_end=is_period_end,
        canceled_at=account.clock.now() if end is not None else None,
        cancellation_details=details,
    )


def cancel_subscription(account: Account, given: Cancellation, subscription: str) -> Json:
    """DELETE /v1/subscriptions/{id}: now."""
    known = account.find("subscription", subscription)
    if known["status"] in ENDED:
        raise missing_object("subscription", subscription, None)
    if given.prorate or given.invoice_now:
        raise StripeError(_NO_PRORATION, param="prorate")
    end_subscription(account, known, "cancellation_requested")
    return known


def end_subscription(account: Account, subscription: Json, reason: str) -> None:
    """End a subscription now; nothing more is collected."""
    moment = account.clock.now()
    for invoice in account.where("invoice", _subscription=subscription["id"]):
        if invoice["status"] in {"draft", "open"}:
            invoice |= {"auto_advance": False, "next_payment_attempt": None}
    account.change(
        subscription,
        "customer.subscription.deleted",
        status="canceled",
        canceled_at=subscription["canceled_at"] or moment,
        cancellation_details=subscription["cancellation_details"] | {"reason": reason},
        ended_at=moment,
    )


def end_when_due(account: Account, subscription: Json) -> None:
    """End a subscription whose chosen end has come."""
    end = subscription["cancel_at"]
    if subscription["status"] not in ENDED and end is not None and end <= account.clock.now():
        end_subscription(account, subscription, "cancellation_requested")


def make_customer(account: Account, email: str | None) -> Json:
    """Keep a customer of whom only an address is known."""
    identifier = new_id("cus")
    prefix = identifier[-8:].upper()
    return account.make("customer.created", "customer", id=identifier, invoice_prefix=prefix, email=email)


def update_customer(account: Account, given: CustomerChange, customer: str) -> Json:
    """POST /v1/customers/{id}."""
    known = account.find("customer", customer)
    if known.get("deleted"):
        raise missing_object("customer", customer, None)
    return account.change(known, "customer.updated", email=given.email)


def delete_customer(account: Account, _given: Parameters, customer: str) -> Json:
    """DELETE /v1/customers/{id}: its subscriptions end at once."""
    known = account.find("customer", customer)
    if known.get("deleted"):
        raise missing_object("customer", customer, None)
    for subscription in list_running(account, customer):
        end_subscription(account, subscription, "cancellation_requested")
    account.emit("customer.deleted", known)
    for name in [name for name in known if name not in {"id", "object", "_number"}]:
        del known[name]
    known["deleted"] = True
    return known


def create_portal_session(account: Account, given: NewPortal) -> Json:
    """POST /v1/billing_portal/sessions."""
    account.find("customer", given.customer, "customer")
    identifier, told = new_id("bps"), given.model_dump(exclude={"expand"})
    url = f"{account.origin}/p/session/{identifier}"
    return account.new("billing_portal.session", id=identifier, url=url, **told)
