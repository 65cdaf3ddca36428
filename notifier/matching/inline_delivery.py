"""Inline delivery of mails: rows are inserted already leased, and the job that wrote them sends them at once.

The writer knows the text, that the slots are open and that the alerts wait: another job that claims the rows and reads
them again takes longer than all else that an alert needs (docs/benchmarks.md). If the worker dies before the answer,
the lease runs out as after any claim.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

from api.models.database_clock import database_clock
from api.models.encrypted_text import UNREADABLE
from api.models.notification import State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from configs.ground.circuit_breaker import PROVIDER_REST_SECONDS
from configs.settings import settings
from configs.settings.constants import Constant
from notifier.channels.limits import most_at_once
from notifier.channels.provider_base import PROVIDER_TIMEOUT_SECONDS, NotAttempted
from notifier.content.message_kind_base import ClaimedRow
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.delivery import delivery, hourly_cap
from notifier.delivery.batch_sender import breaker_of
from notifier.delivery.claiming import MARGIN_SECONDS, ClaimedMessage, MessageClaim
from notifier.delivery.retry_policy import LEASE_SECONDS
from notifier.matching.queries import WantedSlots
from notifier.matching.recipients import Recipient
from notifier.message_kinds.slots import UNCONFIRMED_SECONDS

# How long a call may take on average, before mails are left to their own workers for a while
_INLINE_SLOW_SECONDS = Constant("INLINE_SLOW_SECONDS", 1.0)

rests_until: list[float] = []  # in this process, by time.monotonic(); nothing before a slow call

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class InlineClaim:
    """A claim on mails while their rows are written."""

    now: datetime
    claim: MessageClaim = field(init=False)
    contents: ContentCache = field(default_factory=ContentCache, init=False)
    # By their detection, when it was seen, and the slots that somebody wants: in a crowd most want the same.
    _openings: dict[tuple[UUID, datetime, tuple[int, ...]], SlotOpening] = field(
        default_factory=dict, init=False
    )

    def __post_init__(self) -> None:
        self.claim = MessageClaim.start(self.now, LEASE_SECONDS())

    @classmethod
    def begin(cls, now: datetime) -> "InlineClaim | None":
        """Return a claim; None while the first provider of mail rests, or after a slow call of this process.

        The workers of mail alone wait for it then.
        """
        first = settings().mail_providers[0]
        rests = bool(rests_until) and time.monotonic() < rests_until[0]
        return None if rests or breaker_of(first, alternatives=False).is_open() else cls(now)

    def send(self) -> None:
        """Hand over what was claimed, or put it back where an answer could come after its lease: the claim waited."""
        needed = timedelta(seconds=PROVIDER_TIMEOUT_SECONDS() + MARGIN_SECONDS)
        if not self.messages:
            return
        if database_clock() >= self.claim.until - needed:
            delivery.record(
                delivery.Sent(self.messages, NotAttempted("put back: the claim waited for the desk's lock"))
            )
            return
        began = time.monotonic()
        delivery.hand_over(self.messages)
        calls = 1 + len(self.messages) // most_at_once(Channel.EMAIL)
        if (time.monotonic() - began) / calls > _INLINE_SLOW_SECONDS():
            rests_until[:] = [time.monotonic() + PROVIDER_REST_SECONDS()]

    @property
    def messages(self) -> list[ClaimedMessage]:
        """Return what the job is to send."""
        return self.claim.messages

    def select_contacts(
        self, session: Session, reached: Sequence[Recipient], slots: Iterable[SlotRow]
    ) -> set[UUID]:
        """Return the contacts whose messages leave so.

        Left out are those for which something waits already (it leaves with it, as one message), those that were
        switched on again after a spam report (read again when claimed), and those beyond the hourly cap. There are
        none where the slots were not seen for so long that they may be gone.
        """
        confirmed = self.now - timedelta(seconds=UNCONFIRMED_SECONDS())
        if any(slot.seen_at < confirmed for slot in slots):
            return set()
        mine = {
            each.contact_id
            for each in reached
            if each.channel is Channel.EMAIL and not (each.has_waiting_alert or each.is_after_report)
        }
        turns = hourly_cap.read_turns(session, mine, self.claim.token, self.now)
        return {each for each in mine if turns.take(each) <= self.now}

    def add(
        self,
        row: Mapping[str, Any],
        address: str,
        detection: Detection,
        wishes: Sequence[WantedSlots],
        slots: Mapping[int, SlotRow],
    ) -> None:
        """Make a message of a row that was written.

        A row that cannot be rendered, or whose address cannot be decrypted, stops no other: its lease runs out, and
        it is claimed like any other.
        """
        if address == UNREADABLE:
            return
        wanted = tuple(sorted({slot for wish in wishes for slot in wish.slots}))
        key = detection.id, row["seen_at"], wanted
        if (opening := self._openings.get(key)) is None:
            opened = tuple(slots[each] for each in wanted)
            opening = self._openings[key] = SlotOpening(detection, opened, row["seen_at"])
        stops = [StopLink(wish.alert_id, wish.name) for wish in wishes]
        try:
            context = self.contents.context([opening], stops, row["language"])
        except JobTimeoutException:
            raise
        except Exception:
            log.exception("not put into words", notification=str(row["id"]), kind=row["kind"])
            return
        leased = {"attempts": 1, "unknown_attempts": 0, "state": State.SENDING}
        claimed = ClaimedRow.from_values({**row, **leased})
        self.messages.append(ClaimedMessage((claimed,), self.claim.token, self.claim.until, address, context))
