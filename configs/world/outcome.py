"""Outcome of a check: decided by the crawler, kept in the tables, shown by the API."""

from enum import StrEnum


class Outcome(StrEnum):
    """Every check ends in exactly one of these."""

    SLOTS = "slots"
    NO_SLOTS = "no_slots"
    CAPTCHA = "captcha"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"

    @property
    def conclusive(self) -> bool:
        """Whether it proves something about slots."""
        return self in (Outcome.SLOTS, Outcome.NO_SLOTS)
