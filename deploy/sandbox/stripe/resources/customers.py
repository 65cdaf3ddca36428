"""Customers, the balance that their next invoices use up, and sessions of their portal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deploy.sandbox.stripe.objects import Json, blank, missing_object, new_id
from deploy.sandbox.stripe.resources.subscriptions import end_subscription, list_running

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters


def make_customer(account: Account, email: str | None) -> Json:
    """Keep a customer of whom only an address is known."""
    identifier, moment = new_id("cus"), account.clock.now()
    prefix = identifier[-8:].upper()
    made = blank("customer", id=identifier, created=moment, invoice_prefix=prefix, email=email)
    return account.make("customer.created", made)


def delete_customer(account: Account, given: Parameters, customer: str) -> Json:
    """DELETE /v1/customers/{id}: its subscriptions end at once."""
    given.only()
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


def create_portal_session(account: Account, given: Parameters) -> Json:
    """POST /v1/billing_portal/sessions."""
    given.only("customer", "locale", "return_url")
    customer, identifier = account.find("customer", given.needed_text("customer"), "customer"), new_id("bps")
    more: dict[str, Any] = {name: given.text(name) for name in ("locale", "return_url")}
    more |= {"created": account.clock.now(), "url": f"{account.origin}/p/session/{identifier}"}
    return account.add(blank("billing_portal.session", id=identifier, customer=customer["id"], **more))
