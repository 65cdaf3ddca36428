"""Random lives of messages, played against the table of fates alone: answers, delays, receipts in any order.

No database, no provider: a life is a row, what its provider really did, and what it says later.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from api.models.notification import Notification, Priority, State
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.user import Channel
from notifier.applied_receipts import settle
from notifier.channels.fates import ACCEPTED, COPIES
from notifier.channels.provider_base import (
    Acceptance,
    DeliveryError,
    Misconfigured,
    OutcomeUnknown,
    PermanentError,
    RateLimited,
    TemporaryError,
)
from notifier.content.message_kind_base import SLOT_CALL, SLOT_DETECTED, ClaimedRow
from notifier.delivery.retry_policy import WorkerDied, on_error, on_success
from tests.fuzz import times

LIVES = 70  # 2,100 by `make fuzz`
BEGAN = datetime(2026, 11, 20, 9, tzinfo=UTC)
PRICE = {Channel.SMS: Decimal("0.08"), Channel.VOICE: Decimal("0.15")}
UNKNOWN = (OutcomeUnknown("silence"), OutcomeUnknown("answered 502"), WorkerDied("no worker"))
SURELY_NOT = (TemporaryError("not reached"), RateLimited("429", 3600), Misconfigured("401"))
FINAL = (PermanentError("content"),)


@dataclass
class Life:
    """One message: its row, the copies that its provider accepted, and the receipts that are under way."""

    chance: random.Random
    row: Notification
    is_silent: bool  # its provider takes each copy and never says so
    accepted: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)  # whose cost is in the row
    coming: list[tuple[datetime, ProviderEvent]] = field(default_factory=list)
    said: set[ReceiptKind] = field(default_factory=set)
    now: datetime = BEGAN

    def attempt(self) -> None:
        """Hand it over once, and write what follows as delivery does."""
        row, answer = self.row, self.choose_answer()
        row.state, row.attempts = State.SENDING, row.attempts + 1
        if isinstance(answer, Acceptance):
            decision = on_success(answer, self.now)
            row.provider, row.provider_id, row.accepted_at = answer.provider, answer.provider_id, self.now
            row.cost = (row.cost or 0) + answer.cost if answer.cost else row.cost
            self.known.add(answer.provider_id)
        else:
            before = row.unknown_attempts
            decision = on_error(answer, ClaimedRow.of(row), self.now)
            row.attempts -= not decision.counts
            row.unknown_attempts += decision.unknown
            assert decision.unknown == isinstance(answer, OutcomeUnknown)
            if not decision.unknown:
                assert row.unknown_attempts == before, "surely not yet is no copy"
                if row.kind == SLOT_DETECTED and answer not in FINAL:
                    assert decision.state is State.PENDING, "nor does it end an alert"
        row.state, row.reason, row.next_attempt_at = decision.state, decision.reason, decision.at

    def choose_answer(self) -> Acceptance | DeliveryError:
        """Return what we hear; the provider may have accepted a copy unheard."""
        heard = self.chance.choices(("yes", "unknown", "surely not", "never"), (2, 5, 3, 0.2))[0]
        if self.is_silent and heard != "surely not":
            self.accept()
            return self.chance.choice(UNKNOWN)
        if heard == "yes" or (heard == "unknown" and self.chance.random() < 0.6):
            self.accept()
        if heard == "yes":
            return Acceptance("twilio", self.accepted[-1], PRICE.get(self.row.channel), awaits_receipt=True)
        return self.chance.choice({"unknown": UNKNOWN, "surely not": SURELY_NOT, "never": FINAL}[heard])

    def accept(self) -> None:
        """Let the provider take a copy, of which it may say later what it knows, in any order."""
        self.accepted.append(sid := f"SM{len(self.accepted)}")
        end = self.chance.choice((ReceiptKind.DELIVERED, ReceiptKind.REFUSED))
        for kind in (ReceiptKind.ACCEPTED, end):
            if self.chance.random() < 0.6 and not self.is_silent:
                at = self.now + timedelta(seconds=self.chance.choice((1, 30, 90, 900, 4000)))
                event = ProviderEvent(provider="twilio", message_id=sid, kind=kind, at=at, received_at=at)
                self.coming.append((at, event))

    def hear(self, event: ProviderEvent) -> None:
        """Apply a receipt; a repetition changes nothing."""
        row, was = self.row, self.row.state
        for _ in range(self.chance.choice((1, 2))):
            end = settle(row, event)
            if end and row.state is not State.BOUNCED:
                row.state = end
        if row.provider_id == event.message_id and row.state in ACCEPTED:
            self.known.add(row.provider_id or "")
        if was in ACCEPTED:
            assert ACCEPTED.index(row.state) >= ACCEPTED.index(was), "states only rise"
        if event.kind is ReceiptKind.DELIVERED:
            assert row.state in (State.DELIVERED, State.BOUNCED)
        self.said.add(event.kind)

    def run(self, hours: float) -> None:
        """Go from one instant in which something happens to the next, while the slots are open."""
        until = BEGAN + timedelta(hours=hours)
        while True:
            self.coming.sort(key=lambda each: each[0])
            due = self.row.next_attempt_at if self.row.state is State.PENDING else None
            if due and due <= until and not (self.coming and self.coming[0][0] <= due):
                self.now = max(self.now, due)
                self.attempt()
            elif self.coming:
                self.now, event = self.coming.pop(0)
                self.hear(event)
            else:
                return
            self.check()

    def check(self) -> None:
        """Hold what is true at any instant."""
        row = self.row
        assert len(self.accepted) <= COPIES.get(row.channel, len(self.accepted))
        counted = row.unknown_attempts + (row.accepted_at is not None)
        assert len(self.accepted) <= counted, "a copy that may have been accepted is counted"
        assert len(self.accepted) <= len(self.known) + row.unknown_attempts, "each copy is in one of the sums"
        if price := PRICE.get(row.channel):
            assert (row.cost or 0) == price * len(self.known)
        if row.state in ACCEPTED:
            assert row.provider_id in self.accepted
        else:
            assert not self.known, "a signed yes settles it"


def begin(chance: random.Random) -> Life:
    channel = chance.choice(tuple(Channel))
    kinds = (SLOT_CALL,) if channel is Channel.VOICE else (SLOT_DETECTED, "welcome")
    row = Notification(
        id=UUID(int=1), channel=channel, kind=chance.choice(kinds), language="fr", params={}, attempts=0,
        unknown_attempts=0, state=State.PENDING, created_at=BEGAN, next_attempt_at=BEGAN,
        priority=chance.choice(tuple(Priority)),
    )  # fmt: skip
    return Life(chance, row, is_silent=chance.random() < 0.3)


@pytest.mark.fuzz
def test_whatever_providers_answer_and_say_later_copies_states_and_costs_are_right() -> None:
    start = random.randrange(2**32)
    for number in range(times(LIVES)):
        chance = random.Random(start + number)
        life = begin(chance)
        try:
            life.run(chance.choice((0.05, 1, 6, 30)))
        except AssertionError as error:
            error.add_note(f"in the life of seed {start + number}")
            raise
