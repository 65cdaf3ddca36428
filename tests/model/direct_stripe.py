"""Stripe's stand-in in this process: the real library calls it without a socket, which takes a tenth of the time."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from requests.structures import CaseInsensitiveDict

from api.payments.gateway.client import API_VERSION
from deploy.sandbox.request_body import Refusal
from deploy.sandbox.stripe import controls
from deploy.sandbox.stripe.api import ApiCall
from deploy.sandbox.stripe.stand_in import Stripe

Json = dict[str, Any]


class DirectStripe(stripe.HTTPClient):
    """A transport of Stripe's library. `trouble` says how the next calls are met: `lost` on the way, or `unanswered`."""

    name = "direct"

    def __init__(self) -> None:
        super().__init__()
        self.trouble: list[str] = []
        self.stand_in = Stripe()

    def begin(self) -> None:
        """Forget everything; the clock is that of the process again."""
        self.trouble.clear()
        self.stand_in = Stripe()
        self.control(controls.add_promotion_code, code="FREE", percent_off=100)

    def make_client(self) -> stripe.StripeClient:
        """Return a client as ours, but for the transport."""
        return stripe.StripeClient(
            "sk_test_tests",
            stripe_version=API_VERSION,
            base_addresses={"api": "http://127.0.0.1:1"},
            max_network_retries=0,
            http_client=self,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Answer a call of the library."""
        met = self.trouble.pop(0) if self.trouble else ""
        if met == "lost":
            raise stripe.APIConnectionError("the call was lost")  # type: ignore[no-untyped-call] # as the library has it
        found = urlsplit(url)
        encoded = str(post_data or "") if method == "post" else found.query
        given = CaseInsensitiveDict(headers or {})
        made = self.stand_in.api.answer(ApiCall(method.upper(), found.path, encoded, given))
        if met == "unanswered":
            raise stripe.APIConnectionError("the answer was lost")  # type: ignore[no-untyped-call] # as above
        return made.body.decode(), made.status, CaseInsensitiveDict(made.headers)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def control(self, control: controls.Control, *args: Any, **fields: Any) -> Json | None:
        """Act as a customer or in the dashboard; None where Stripe would refuse that."""
        try:
            done: Json = controls.run_control(self.stand_in, control, *args, **fields)
        except Refusal:
            return None
        return done

    def objects(self, kind: str, **fields: Any) -> list[Json]:
        """Return the objects of a kind that have these values, the oldest first."""
        return self.stand_in.account.where(kind, **fields)

    def ledger(self) -> dict[str, Json]:
        """Return the money of each payment by its PaymentIntent, in cents."""
        return {each["payment_intent"]: each for each in controls.ledger(self.stand_in)}

    def find_orders(self) -> set[str]:
        """Return the orders that pages at Stripe name."""
        return {each["metadata"]["payment"] for each in self.objects("checkout.session")}

    def find_order(self, intent: str) -> str:
        """Return the order whose money a PaymentIntent is: it names it, or the subscription of its invoice does."""
        (known,) = self.objects("payment_intent", id=intent)
        if known["metadata"]:
            return str(known["metadata"]["payment"])
        (paid,) = (
            each for each in self.objects("invoice_payment") if each["payment"]["payment_intent"] == intent
        )
        (invoice,) = self.objects("invoice", id=paid["invoice"])
        return str(invoice["parent"]["subscription_details"]["metadata"]["payment"])

    def take_events(self) -> list[Json]:
        """Return the events that were made since the last time, the oldest first."""
        return self.stand_in.webhooks.take_waiting()
