"""Client of the stand-ins' controls, for tests and other programs."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from deploy.sandbox.control_error import Refusal

Json = dict[str, Any]
Act = Callable[..., Json]
Read = Callable[..., list[Json]]
_PATIENCE: Final = 30.0


def ask(url: str, body: object = None, *, patience: float = _PATIENCE) -> Any:
    """Ask a stand-in's control for JSON, by POST where there is a body.

    Raises:
        Refusal: it says what is wrong.
        OSError: nothing answers there.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 -- our own address
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:  # noqa: S310 -- as above
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        told = json.loads(error.read())
        raise Refusal(told["error"], known=told.get("known", ()), status=error.code) from None


@dataclass(frozen=True)
class Delivery:
    """One event as it is posted to a webhook: ``headers`` carry the signature of ``body``."""

    id: str
    type: str
    body: bytes
    headers: dict[str, str]


class StripeControl:
    """The controls of Stripe's stand-in at ``url``: the functions of ``deploy/sandbox/stripe/controls.py``."""

    pay: Act
    use_card: Act
    pay_invoice: Act
    settle: Act
    refund: Act
    fail_refund: Act
    dispute: Act
    close_dispute: Act
    warn_of_fraud: Act
    cancel_subscription: Act
    renew: Act
    add_promotion_code: Act
    advance: Act
    move_to: Act
    settings: Act
    webhook: Act
    state: Act
    reset: Act
    objects: Read
    requests: Read
    deliveries: Read
    ledger: Read

    def __init__(self, url: str) -> None:
        self.url = url

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the control of a name."""
        return partial(self._call, name)

    def mode(self, mode: str, **parameters: float | str) -> None:
        """Set how calls of the API are answered; ``count`` calls long, only under a ``path``."""
        ask(f"{self.url}/_control/mode", {"mode": mode, **parameters})

    def take_deliveries(self) -> list[Delivery]:
        """Return what waits, signed now, and count it as delivered."""
        taken = self._call("take_deliveries")
        return [Delivery(**(each | {"body": base64.b64decode(each["body"])})) for each in taken]

    def sign(self, body: bytes, at: int | None = None, secret: str | None = None) -> dict[str, str]:
        """Return the headers of any body, signed at unix seconds ``at`` (now), with all secrets or another."""
        signed: dict[str, str] = self._call("sign", base64.b64encode(body).decode(), at, secret)
        return signed

    def _call(self, name: str, *args: object, **fields: object) -> Any:
        return ask(f"{self.url}/_control/{name}", {"args": args, **fields})
