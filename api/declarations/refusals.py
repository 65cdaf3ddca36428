"""Reasons for which a declaration is not applied: words of `declarations.refused_because` and of problems."""

from enum import StrEnum

from api.errors import ApiError
from api.payments.errors import WithdrawalRefused


class Refusal(StrEnum):
    """Why a declaration has no effect; those up to CREDITED are of api.payments.withdrawal."""

    RENEWAL = "renewal"
    WITHDRAWN_BEFORE = "withdrawn_before"
    MONEY_BACK = "money_back"
    PERFORMED = "performed"
    CREDITED = "credited"
    PERIOD_OVER = "period_over"
    NO_ORDER = "no_order"  # number and address are not those of one order
    ENDED_BEFORE = "ended_before"  # another notice ended the contract


# An operator has a look at these: the declaration may still count.
DOUBTFUL = frozenset({Refusal.NO_ORDER, Refusal.CREDITED})


def build_refusal(error: WithdrawalRefused) -> ApiError:
    """Return the answer to a declaration without effect: its word is `period-over` or another one."""
    return ApiError(409, error.because.replace("_", "-"), str(error))
