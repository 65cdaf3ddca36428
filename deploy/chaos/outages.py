"""Provider outages: their kinds, and how soon after the end of each a message must be accepted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from api.models.user import Channel
from deploy.chaos.periods import SMS_UNKNOWN, SMS_UNKNOWN_COPIES, UNKNOWN_COPIES

TOLD_WITHIN = 75.0  # seconds after the end of an outage whose answers prove that nothing was accepted
_UNKNOWN_LEAST, _UNKNOWN_SHARE = 60.0, 1 / 3  # seconds, and of the outage's length
_MARGIN = TOLD_WITHIN - _UNKNOWN_LEAST


class OutageKind(StrEnum):
    """What a caller meets."""

    REFUSED = "refused"
    RESET = "reset"
    BROKEN = "5xx"
    LIMITED = "429"
    HANGING = "hanging"
    SILENT = "accepting without an answer"


# The stand-in's mode and its parameters.
MODES: dict[OutageKind, tuple[str, dict[str, Any]]] = {
    OutageKind.REFUSED: ("refuse", {}),
    OutageKind.RESET: ("reset", {}),
    OutageKind.BROKEN: ("error_500", {}),
    OutageKind.LIMITED: ("rate_limited", {"seconds": 2}),
    OutageKind.HANGING: ("timeout", {}),
    OutageKind.SILENT: ("yes_without_answer", {}),
}
_UNKNOWN_FATE = frozenset({OutageKind.RESET, OutageKind.HANGING, OutageKind.SILENT})


@dataclass(frozen=True)
class ProviderOutage:
    """One provider outage: what it did to a channel."""

    channel: Channel
    kind: OutageKind

    def seconds_to_tell(self, length: float) -> float:
        """Return how long after an outage of `length` seconds a message may still be on its way."""
        if self.kind not in _UNKNOWN_FATE:
            return TOLD_WITHIN
        least = max(_UNKNOWN_LEAST, SMS_UNKNOWN if self.channel is Channel.SMS else 0.0)
        return max(least, _UNKNOWN_SHARE * length) + _MARGIN

    @property
    def most_copies(self) -> int:
        """Copies of one message that may be accepted: more than one only where no answer is heard."""
        if self.kind is not OutageKind.SILENT:
            return 1
        return SMS_UNKNOWN_COPIES if self.channel is Channel.SMS else UNKNOWN_COPIES
