"""Error answers of Stripe's API.

https://docs.stripe.com/api/errors
"""

from __future__ import annotations

from typing import Any, Final

_CARD_MESSAGES: Final = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}


class StripeError(Exception):
    """A call that is refused, with the fields of its JSON body."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's name of the field
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        told = {"code": code, "message": message, "param": param, "type": type, **more}
        self.fields: dict[str, Any] = {name: value for name, value in told.items() if value is not None}

    def body(self) -> dict[str, Any]:
        """Return the JSON body."""
        return {"error": self.fields}


def missing_object(kind: str, given: str, param: str | None, status: int = 404) -> StripeError:
    """Say that an id is no object's: 404 where it is part of the address, 400 where it is a parameter."""
    return StripeError(
        f"No such {kind}: '{given}'", code="resource_missing", param=param or "id", status=status
    )


def missing_parameter(name: str) -> StripeError:
    """Say that a parameter is needed."""
    return StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def unknown_parameter(name: str) -> StripeError:
    """Say that a parameter does not exist, or is not imitated."""
    message = f"Received unknown parameter: {name} (unknown to Stripe, or not imitated by its stand-in)"
    return StripeError(message, code="parameter_unknown", param=name)


def card_declined(decline_code: str, intent: dict[str, Any] | None = None) -> StripeError:
    """Say that a card's bank refused a payment."""
    code = "authentication_required" if decline_code == "authentication_required" else "card_declined"
    return StripeError(
        _CARD_MESSAGES[decline_code],
        code=code,
        decline_code=decline_code,
        status=402,
        type="card_error",
        payment_intent=intent,
    )
