"""Client of the stand-in's control API, for tests and other programs."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

from deploy.sandbox.control_error import Refusal

Json = dict[str, Any]
_PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Delivery:
    """One event as it is posted to a webhook: ``headers`` carry the signature of ``body``."""

    id: str
    type: str
    body: bytes
    headers: dict[str, str]


class StripeControl:
    """The controls of the stand-in at ``url``. A call that it refuses raises ``Refusal``."""

    def __init__(self, url: str) -> None:
        self.url = url

    def state(self) -> Json:
        """Return its mode, clock, settings and how much of everything it keeps."""
        return self._get("")

    def reset(self) -> None:
        """Bring it back to its start."""
        self._post("/reset")

    def mode(self, mode: str, **parameters: float | str | None) -> None:
        """Set how calls of the API are answered; ``count`` calls long, only under a ``path``."""
        self._post("/mode", mode=mode, **parameters)

    def requests(self, path: str = "") -> list[Json]:
        """Return the calls of the API whose path begins so, oldest first."""
        return list(self._get("/requests", path=path)["requests"])

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> Json:
        """Move its clock on; return the time and the events of what was due."""
        return self._post("/clock", advance=round(days * 86_400 + hours * 3_600 + seconds))

    def move_to(self, instant: int) -> Json:
        """Move its clock on to unix seconds."""
        return self._post("/clock", to=instant)

    def settings(self, **values: object) -> Json:
        """Change how subscriptions retry and end; return all settings."""
        return self._post("/settings", **values)

    def pay(self, session: str, card: str = "visa", **details: object) -> Json:
        """Pay at Checkout, as on its page; return ``session`` and ``error`` (None, or why the card was declined).

        ``authenticate`` is what the customer does when 3-D Secure is asked for: "pass", "fail" or "leave".
        """
        return self._post(f"/sessions/{session}/pay", card=card, **details)

    def settle(self, payment_intent: str, *, paid: bool = True) -> Json:
        """End a delayed debit."""
        return self._post(f"/payment_intents/{payment_intent}/settle", paid=paid)

    def use_card(self, customer: str, card: str) -> Json:
        """Make this the card that a customer's subscriptions are paid with."""
        return self._post(f"/customers/{customer}/card", card=card)

    def pay_invoice(self, invoice: str, card: str | None = None) -> Json:
        """Pay an open invoice as its page does, with the customer's card or another."""
        return self._post(f"/invoices/{invoice}/pay", card=card)

    def refund(self, payment_intent: str, amount: int | None = None) -> Json:
        """Refund from the dashboard, in whole or in part; return the refund."""
        return self._post(f"/payment_intents/{payment_intent}/refund", amount=amount)

    def fail_refund(self, refund: str) -> Json:
        """Let a refund come back: the card's bank did not take it."""
        return self._post(f"/refunds/{refund}/fail")

    def settle_refund(self, refund: str) -> Json:
        """Let a pending refund succeed."""
        return self._post(f"/refunds/{refund}/settle")

    def dispute(self, payment_intent: str, amount: int | None = None, reason: str = "fraudulent") -> Json:
        """Open a dispute; return it."""
        return self._post(f"/payment_intents/{payment_intent}/dispute", amount=amount, reason=reason)

    def close_dispute(self, dispute: str, status: str) -> Json:
        """End a dispute as ``won`` or ``lost``."""
        return self._post(f"/disputes/{dispute}/close", status=status)

    def warn_of_fraud(self, payment_intent: str) -> Json:
        """Issue an early fraud warning; return it."""
        return self._post(f"/payment_intents/{payment_intent}/fraud_warning")

    def cancel_subscription(self, subscription: str, *, at_period_end: bool = False) -> Json:
        """Cancel from the dashboard."""
        return self._post(f"/subscriptions/{subscription}/cancel", at_period_end=at_period_end)

    def renew(self, subscription: str) -> Json:
        """Let a subscription's period end now; the clock of everything else stays."""
        return self._post(f"/subscriptions/{subscription}/renew")

    def add_promotion_code(self, code: str, **off: int) -> Json:
        """Make a code for Checkout, with ``percent_off`` or ``amount_off`` (cents)."""
        return self._post("/promotion_codes", code=code, **off)

    def ledger(self) -> list[Json]:
        """Return the money of each payment: captured, refunded, disputed, lost, net, in cents."""
        return list(self._get("/ledger")["payments"])

    def objects(self, kind: str) -> list[Json]:
        """Return all objects of a kind, oldest first."""
        return list(self._get(f"/objects/{kind}")["objects"])

    def webhook(self, **values: object) -> Json:
        """Change where and how events are sent."""
        return self._post("/webhook", **values)

    def deliveries(self) -> list[Json]:
        """Return every event with what became of it, oldest first."""
        return list(self._get("/deliveries")["deliveries"])

    def take_deliveries(self) -> list[Delivery]:
        """Return what waits, signed now, and count it as delivered."""
        return [_read_delivery(each) for each in self._post("/deliveries/take")["deliveries"]]

    def send(self, events: list[str] | None = None) -> Json:
        """Send events again, or all that were not delivered."""
        return self._post("/deliveries/send", events=events)

    def sign(self, body: bytes, at: int | None = None, secret: str | None = None) -> dict[str, str]:
        """Return the headers of any body, signed at unix seconds ``at`` (now), with all secrets or another."""
        encoded = base64.b64encode(body).decode()
        return dict(self._post("/sign", body=encoded, at=at, secret=secret)["headers"])

    def _get(self, route: str, **query: str) -> Json:
        told = urllib.parse.urlencode({name: value for name, value in query.items() if value})
        return self._ask(f"{route}?{told}" if told else route, None)

    def _post(self, route: str, **body: object) -> Json:
        told = {name: value for name, value in body.items() if value is not None}
        return self._ask(route, json.dumps(told).encode())

    def _ask(self, route: str, body: bytes | None) -> Json:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/_control{route}", body, headers)  # noqa: S310 -- our own address
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 -- as above
                read: Json = json.loads(answer.read())
                return read
        except urllib.error.HTTPError as error:
            told = json.loads(error.read())
            raise Refusal(told["error"], known=told.get("known", ()), status=error.code) from None


def _read_delivery(told: Json) -> Delivery:
    return Delivery(told["id"], told["type"], base64.b64decode(told["body"]), told["headers"])
