"""Sessions of the customer portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.resources.customers import find_customer

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters


def create_portal_session(account: Account, given: Parameters) -> Json:
    """POST /v1/billing_portal/sessions."""
    given.only("customer", "locale", "return_url")
    customer = find_customer(account, given.needed_text("customer"), "customer")
    identifier = new_id("bps")
    made = {
        "id": identifier,
        "object": "billing_portal.session",
        "configuration": "bpc_sandbox",
        "created": account.clock.now(),
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": given.text("locale"),
        "on_behalf_of": None,
        "return_url": given.text("return_url"),
        "url": f"{account.origin}/p/session/{identifier}",
    }
    return account.add(made)
