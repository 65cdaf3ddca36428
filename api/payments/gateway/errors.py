"""Exceptions of calls to Stripe and of applying its events. Free of Stripe's library."""

from api.ground.errors import ApiError

# Stripe's codes for a refund that it does not make (https://docs.stripe.com/error-codes), and the reasons of one that
# failed (https://docs.stripe.com/refunds#failed-refunds). All others may pass: a low balance, a charge that is pending.
ALREADY_REFUNDED = "charge_already_refunded"
CARD_GONE = ("expired_or_canceled_card", "lost_or_stolen_card")
NO_INTENT, MISSING = "no_payment_intent", "resource_missing"  # the first is ours: its id may come later
OUR_FAULT = (NO_INTENT, MISSING)  # our account or key is wrong, not the refund
BY_TRANSFER = "paid_by_transfer"  # ours: the money never was at Stripe


class StripeAway(Exception):
    """Stripe gave no answer or is left alone for now. A call that was sent may have been taken.

    `retry_after` is in seconds; None where nobody said. `saved`: Stripe keeps this error under the call's idempotency
    key, so that the same call fails for a day.
    """

    def __init__(self, reason: str, retry_after: float | None = None, *, saved: bool = False) -> None:
        super().__init__(reason)
        self.retry_after, self.saved = retry_after, saved


class StripeForbidden(StripeAway):
    """Our key may not make this call: a restricted key lacks a right."""


class StripeRefused(Exception):
    """Stripe refused a call; `code` is its own word for why (https://docs.stripe.com/error-codes).

    `param`: the parameter that it is about, empty where it is about none.
    """

    def __init__(self, code: str, reason: str, param: str = "") -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.param = code, param


class UnknownOwner(Exception):
    """An object of Stripe's belongs to no known payment or subscription, or not yet."""


class IdConflict(Exception):
    """An id of Stripe's belongs to something else here, or its owner has another one of that kind."""


class WithdrawalRefused(ApiError):
    """409: there is no right to withdraw from this order; `because` is a word for why."""

    def __init__(self, because: str, reason: str) -> None:
        super().__init__(409, because.replace("_", "-"), reason)
        self.because = because
