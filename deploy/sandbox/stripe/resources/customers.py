"""Customers, and the balance that their next invoices use up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError, missing_object
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.parameters import merge_metadata
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_TEXTS: Final = ("description", "email", "name", "phone")
_TAKEN: Final = (*_TEXTS, "address", "invoice_settings", "metadata", "preferred_locales")
_ADDRESS: Final = ("city", "country", "line1", "line2", "postal_code", "state")


def create_customer(account: Account, given: Parameters) -> Json:
    """POST /v1/customers."""
    values = _read_details(account, given)
    made = account.add(make_customer(account) | values)
    account.emit("customer.created", made)
    return made


def make_customer(account: Account) -> Json:
    """Build a customer without any detail."""
    identifier, moment = new_id("cus"), account.clock.now()
    return blank("customer", id=identifier, created=moment, invoice_prefix=identifier[-8:].upper())


def delete_customer(account: Account, given: Parameters, customer: str) -> Json:
    """DELETE /v1/customers/{id}: its subscriptions end at once."""
    from deploy.sandbox.stripe.resources.subscriptions import end_subscription  # noqa: PLC0415 - which use customers

    given.only()
    known = find_customer(account, customer)
    for subscription in account.where("subscription", customer=customer):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            end_subscription(account, subscription, "cancellation_requested")
    account.emit("customer.deleted", known)
    for name in [name for name in known if name not in {"id", "object", "_number"}]:
        del known[name]
    known["deleted"] = True
    return known


def find_customer(account: Account, identifier: str, param: str | None = None) -> Json:
    """Return a customer that is not deleted."""
    found = account.find("customer", identifier, param)
    if found.get("deleted"):
        raise missing_object("customer", identifier, param, 400 if param else 404)
    return found


def change_balance(account: Account, customer: Json, amount: int, kind: str, **more: Any) -> Json:
    """Add to a customer's balance (negative: a credit) and keep the transaction."""
    before = customer["balance"]
    made = blank(
        "customer_balance_transaction",
        id=new_id("cbtxn"),
        amount=amount,
        created=account.clock.now(),
        currency=customer["currency"] or "eur",
        customer=customer["id"],
        ending_balance=before + amount,
        type=kind,
    )
    account.change(customer, "customer.updated", balance=before + amount)
    return account.add(made | more)


def _read_details(account: Account, given: Parameters, known: Json | None = None) -> Json:
    given.only(*_TAKEN)
    values: Json = {name: given.text(name) for name in _TEXTS if given.has(name)}
    if values.get("email") and "@" not in values["email"]:
        raise StripeError(f"Invalid email address: {values['email']}", code="email_invalid", param="email")
    if given.has("metadata"):
        values["metadata"] = merge_metadata(known["metadata"] if known else {}, given.metadata())
    if given.has("address"):
        address = given.nested("address").only(*_ADDRESS)
        values["address"] = {name: address.text(name) for name in _ADDRESS}
    if given.has("preferred_locales"):
        values["preferred_locales"] = given.texts("preferred_locales")
    if given.has("invoice_settings"):
        settings = given.nested("invoice_settings").only("default_payment_method")
        method = settings.needed_text("default_payment_method")
        account.find("payment_method", method, settings.full_name("default_payment_method"))
        usual = known["invoice_settings"] if known else make_customer(account)["invoice_settings"]
        values["invoice_settings"] = usual | {"default_payment_method": method}
    return values
