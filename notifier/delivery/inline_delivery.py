"""Claiming outright: what a worker writes and sends itself is its own from the first commit on.

Whoever wrote a message a moment ago knows what it says, that the slots are open and that its reader wants it: nothing
is read again, for as long as what was read is fresh. Whoever dies before the answer leaves a lease that runs out, as
after any claim: a shorter one, because no call begins late in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from configs.clock import clock
from configs.settings import settings
from notifier import hourly_cap
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.delivery.claiming import MARGIN_SECONDS, ClaimedMessage, MessageClaim
from notifier.matching import WantedSlots
from notifier.message_kinds import ClaimedRow
from notifier.recipients import Recipient

_FRESH_SECONDS = 2.0  # in which nobody looks again at what was read for matching, and the last call begins

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class InlineClaim:
    """A claim on what is written for one channel, `most` at once; `parcels` are what came of it."""

    channel: Channel
    most: int
    now: datetime
    claim: MessageClaim = field(init=False)
    _wording: ContentCache = field(default_factory=ContentCache, init=False)

    def __post_init__(self) -> None:
        needed = _FRESH_SECONDS + settings().provider_timeout_seconds + MARGIN_SECONDS
        self.claim = MessageClaim.start(self.now, needed)

    @property
    def parcels(self) -> list[ClaimedMessage]:
        """Return what is ours to send."""
        return self.claim.parcels

    @property
    def is_fresh(self) -> bool:
        """Whether what was read for matching still holds, so that nobody need look again."""
        return clock() <= self.now + timedelta(seconds=_FRESH_SECONDS)

    def select_contacts(
        self, session: Session, reached: Sequence[Recipient], slots: Iterable[SlotRow]
    ) -> set[UUID]:
        """Return the contacts whose messages this worker sends itself.

        Not where something waits already: that leaves with it, as one message. None, where nobody has seen the slots
        for so long that they may be gone. Not beyond the hourly cap.
        """
        confirmed = self.now - timedelta(seconds=settings().unconfirmed_seconds)
        if any(slot.seen_at < confirmed for slot in slots):
            return set()
        mine = (each.contact_id for each in reached if each.channel is self.channel and not each.waited_for)
        chosen = set(islice(mine, self.most - len(self.parcels)))
        return hourly_cap.take_turns(session, chosen, self.now)

    def columns(self) -> dict[str, Any]:
        """Return what a row says that is ours."""
        return {
            "state": State.SENDING, "attempts": 1, "unknown_attempts": 0, "lease_token": self.claim.token,
            "lease_until": self.claim.until, "next_nudge_at": self.claim.until,
        }  # fmt: skip

    def add(
        self,
        row: Mapping[str, Any],
        address: str,
        detection: Detection,
        wishes: Sequence[WantedSlots],
        slots: Mapping[int, SlotRow],
    ) -> None:
        """Make a parcel of a row that was written.

        One that cannot be put into words keeps no other: its lease runs out, and it is claimed like any other.
        """
        wanted = sorted({slot for wish in wishes for slot in wish.slots})
        opening = SlotOpening(detection, tuple(slots[each] for each in wanted), row["seen_at"])
        stops = [StopLink(wish.alert_id, wish.name) for wish in wishes]
        try:
            facts = self._wording.facts([opening], stops, row["language"])
        except JobTimeoutException:
            raise
        except Exception:
            log.exception("not put into words", notification=str(row["id"]), kind=row["kind"])
            return
        claimed = ClaimedRow.from_values(row)
        self.parcels.append(ClaimedMessage((claimed,), self.claim.token, self.claim.until, address, facts))
