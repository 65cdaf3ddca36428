"""A provider of mail with a frozen clock, that fails as a test says."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import time_machine

from configs.ground.clock import clock
from notifier.channels import batch_sender
from notifier.channels.provider_base import (
    Acceptance,
    OneCallProvider,
    OutcomeUnknown,
    TemporaryError,
    answer_seconds,
)
from notifier.content.outgoing_message import OutgoingMessage

if TYPE_CHECKING:
    from uuid import UUID

REFUSES, HANGS, IS_SLOW, IS_TOO_SLOW, BREAKS_OFF = "refuses", "hangs", "is slow", "is too slow", "breaks off"
_SECONDS = {HANGS: 3600.0, IS_SLOW: 3.5, IS_TOO_SLOW: 6.0}
_TAKES = (IS_SLOW, IS_TOO_SLOW, BREAKS_OFF)


class FailingProvider(OneCallProvider):
    """Takes messages over; fails in one way until an instant. `taken` counts the copies of each notification."""

    def __init__(self, name: str, traveller: time_machine.Traveller) -> None:
        self.name, self.traveller = name, traveller
        self.kind, self.until = "", clock()
        self.taken: Counter[UUID] = Counter()

    def fail(self, kind: str, seconds: float) -> datetime:
        """Fail from now on; return until when."""
        self.kind, self.until = kind, clock() + timedelta(seconds=seconds)
        return self.until

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        kind = self.kind if clock() < self.until else ""
        if kind == REFUSES:
            raise TemporaryError(f"{self.name} {kind}")
        took = _SECONDS.get(kind, 0.05)
        if not kind or kind in _TAKES:
            self.taken.update(key for each in messages for key in each.ids)
        left = answer_seconds(self.name)
        self.traveller.shift(min(took, left))
        if took > left or kind == BREAKS_OFF:
            raise OutcomeUnknown(f"{self.name} {kind}")
        return Acceptance(self.name, "1")


def put_providers(
    patch: pytest.MonkeyPatch, traveller: time_machine.Traveller, names: Sequence[str]
) -> Iterator[FailingProvider]:
    """Put such providers in the place of real ones, and let calls take the clock's time."""
    patch.setattr(batch_sender, "time", SimpleNamespace(monotonic=lambda: clock().timestamp()))
    for name in names:
        made = FailingProvider(name, traveller)
        patch.setitem(batch_sender.providers(), name, made)
        yield made
