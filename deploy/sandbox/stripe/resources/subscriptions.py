"""Subscriptions: incomplete → active ⇄ past_due → unpaid or canceled. Their periods are in ``renewals``.

Since 2025-03-31 the period is the item's: ``items.data[0].current_period_end``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError, missing_object
from deploy.sandbox.stripe.parameters import merge_metadata
from deploy.sandbox.stripe.resources.invoice_items import add_invoice_item

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.parameters import Parameters

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
_BEHAVIOURS: Final = ("create_prorations", "none", "always_invoice")
_NAMED_ENDS: Final = ("min_period_end", "max_period_end")
_TAKEN: Final = (
    "cancel_at", "cancel_at_period_end", "cancellation_details", "default_payment_method", "description", "metadata",
    "proration_behavior",
)  # fmt: skip


def item_of(subscription: Json) -> Json:
    """Return a subscription's one item, which holds the period."""
    item: Json = subscription["items"]["data"][0]
    return item


def update_subscription(account: Account, given: Parameters, subscription: str) -> Json:
    """POST /v1/subscriptions/{id}."""
    given.only(*_TAKEN)
    known = account.find("subscription", subscription)
    if known["status"] in ENDED and any(
        given.has(name) for name in _TAKEN if name not in {"cancellation_details", "metadata"}
    ):
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise StripeError(message, code="resource_missing")
    values = _read_end(account, given, known)
    if given.has("metadata"):
        values["metadata"] = merge_metadata(known["metadata"], given.metadata())
    if given.has("description"):
        values["description"] = given.text("description")
    method = given.text("default_payment_method")
    if method:
        account.find("payment_method", method, "default_payment_method")
        values["default_payment_method"] = method
    told = read_cancellation(given)
    values["cancellation_details"] = known["cancellation_details"] | told
    if values.get("cancel_at"):
        values["cancellation_details"] |= {"reason": "cancellation_requested"}
        _credit_early_end(account, given, known, values["cancel_at"])
        account.clock.add_due(values["cancel_at"], lambda: end_when_due(account, known))
    return account.change(known, "customer.subscription.updated", **values)


def cancel_subscription(account: Account, given: Parameters, subscription: str) -> Json:
    """DELETE /v1/subscriptions/{id}: now."""
    from deploy.sandbox.stripe.resources.renewals import invoice_pending  # noqa: PLC0415 - which renew subscriptions

    given.only("cancellation_details", "invoice_now", "prorate")
    known = account.find("subscription", subscription)
    if known["status"] in ENDED:
        raise missing_object("subscription", subscription, None)
    known["cancellation_details"] |= read_cancellation(given)
    if given.flag("prorate"):
        credit_unused(account, known, account.clock.now())
    if given.flag("invoice_now"):
        invoice_pending(account, known)
    end_subscription(account, known, "cancellation_requested")
    return known


def end_subscription(account: Account, subscription: Json, reason: str) -> None:
    """End a subscription now; nothing more is collected."""
    moment = account.clock.now()
    for invoice in account.where("invoice", _subscription=subscription["id"]):
        if invoice["status"] in {"draft", "open"}:
            invoice |= {"auto_advance": False, "next_payment_attempt": None}
    details = subscription["cancellation_details"] | {"reason": reason}
    account.change(
        subscription,
        "customer.subscription.deleted",
        status="canceled",
        canceled_at=subscription["canceled_at"] or moment,
        cancellation_details=details,
        ended_at=moment,
    )


def end_when_due(account: Account, subscription: Json) -> None:
    """End a subscription whose chosen end has come."""
    end = subscription["cancel_at"]
    if subscription["status"] not in ENDED and end is not None and end <= account.clock.now():
        end_subscription(account, subscription, "cancellation_requested")


def credit_unused(account: Account, subscription: Json, since: int) -> None:
    """Credit the time that is left of a paid period, as an item of the next invoice."""
    item = item_of(subscription)
    start, end = item["current_period_start"], item["current_period_end"]
    invoice = account.get("invoice", subscription["_period_invoice"])
    if invoice is None or invoice["status"] != "paid" or not start <= since < end:
        return
    cents = round(subscription["_period_amount"] * (end - since) / (end - start))
    told = {"proration": True, "period": {"start": since, "end": end}, "description": "Temps non utilisé"}
    made = add_invoice_item(
        account, subscription["customer"], -cents, subscription["currency"], subscription["id"], **told
    )
    account.emit("invoiceitem.created", made)


def read_cancellation(given: Parameters) -> Json:
    """Return what a customer told about why a subscription ends."""
    details = given.nested("cancellation_details").only("comment", "feedback")
    return {name: details.text(name) for name in ("comment", "feedback") if details.has(name)}


def _read_end(account: Account, given: Parameters, known: Json) -> Json:
    at_period_end = given.flag("cancel_at_period_end")
    told = given.text("cancel_at")
    if at_period_end and told:
        raise StripeError("You may only specify one of these parameters: cancel_at, cancel_at_period_end.")
    moment, period_end = account.clock.now(), item_of(known)["current_period_end"]
    if at_period_end:
        return {"cancel_at": period_end, "cancel_at_period_end": True, "canceled_at": moment}
    if at_period_end is False or (given.has("cancel_at") and told is None):
        return {"cancel_at": None, "cancel_at_period_end": False, "canceled_at": None}
    if told is None:
        return {}
    end = period_end if told in _NAMED_ENDS else given.number("cancel_at")
    if end is None or end <= moment:
        raise StripeError("cancel_at must be in the future.", param="cancel_at")
    return {"cancel_at": end, "cancel_at_period_end": False, "canceled_at": moment}


def _credit_early_end(account: Account, given: Parameters, known: Json, end: int) -> None:
    behaviour = given.choice("proration_behavior", _BEHAVIOURS) or "create_prorations"
    if behaviour != "none" and end < item_of(known)["current_period_end"]:
        credit_unused(account, known, end)
