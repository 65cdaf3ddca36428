"""Findings of health checks: the state of a part, the reason, and troubles that have incidents of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from api.models.incident import IncidentReason


class PartState(StrEnum):
    """State of a part. `degraded`: it does not work as it should, but alerts are delivered."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble that has an incident and an alarm of its own; `figures` are values of its message."""

    reason: IncidentReason
    subject: str
    text: str
    figures: dict[str, Any] = field(default_factory=dict)


class PartDown(Exception):
    """A part does not work; the text says what is wrong. `troubles` have incidents in place of the part's own."""

    def __init__(self, text: str, troubles: Sequence[Trouble] = ()) -> None:
        super().__init__(text)
        self.troubles = tuple(troubles)


class PartFinding(NamedTuple):
    """State of a part, the reason, and the incidents that tell it; without any the part's own does."""

    state: PartState
    reason: str
    troubles: tuple[Trouble, ...] = ()


HealthAnswer = str | dict[str, PartFinding]  # text about the own part, or findings by part


def raise_troubles(troubles: Sequence[str | Trouble]) -> None:
    """Do nothing where there is no trouble.

    Raises:
        PartDown: there is one; where a text stands beside troubles with incidents, the part's own incident tells it.
    """
    if troubles:
        texts = [each if isinstance(each, str) else each.text for each in troubles]
        named = [each for each in troubles if isinstance(each, Trouble)]
        raise PartDown("; ".join(texts), named if len(named) == len(troubles) else [])
