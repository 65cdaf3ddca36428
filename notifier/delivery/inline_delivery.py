"""Inline delivery: rows are inserted already leased, and the worker that wrote them sends them at once.

The writer knows the text, that the slots are open and that the alert waits. So nothing is read again while that is
fresh (2 s); later rows go through `claim()`. If the worker dies before the answer, the lease runs out as after any
claim. This lease is shorter, because no call begins late in it.
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

from api.models.database_clock import database_clock
from api.models.encrypted_text import UNREADABLE
from api.models.notification import State
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from notifier import hourly_cap
from notifier.channels import providers_of
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.delivery.claiming import MARGIN_SECONDS, ClaimedMessage, MessageClaim
from notifier.matching import WantedSlots
from notifier.message_kind_base import ClaimedRow
from notifier.message_kinds.slots import UNCONFIRMED_SECONDS
from notifier.provider_base import answer_seconds
from notifier.recipients import Recipient

_FRESH_SECONDS = 2.0  # in which what was read for matching still holds, and the last call begins

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class InlineClaim:
    """A claim on rows while they are written, of one channel and `most` at once."""

    channel: Channel
    most: int
    now: datetime
    claim: MessageClaim = field(init=False)
    contents: ContentCache = field(default_factory=ContentCache, init=False)
    # By their detection, when it was seen, and the slots that somebody wants: in a crowd most want the same.
    _openings: dict[tuple[UUID, datetime, tuple[int, ...]], SlotOpening] = field(
        default_factory=dict, init=False
    )

    def __post_init__(self) -> None:
        answers = sum(answer_seconds(name) for name, _ in providers_of(self.channel))
        needed = _FRESH_SECONDS + answers + MARGIN_SECONDS
        self.claim = MessageClaim.start(self.now, needed)

    @property
    def messages(self) -> list[ClaimedMessage]:
        """Return what this worker is to send."""
        return self.claim.messages

    @property
    def is_fresh(self) -> bool:
        """Whether what was read for matching still holds, so that it need not be read again."""
        return database_clock() <= self.now + timedelta(seconds=_FRESH_SECONDS)

    def select_contacts(
        self, session: Session, reached: Sequence[Recipient], slots: Iterable[SlotRow]
    ) -> set[UUID]:
        """Return the contacts whose messages this worker sends itself.

        Left out are contacts for which something waits already (it leaves with it, as one message), those that were
        switched on again after a spam report (read again when claimed), and those beyond the hourly cap. There are
        none where the slots were not seen for so long that they may be gone.
        """
        confirmed = self.now - timedelta(seconds=UNCONFIRMED_SECONDS())
        if any(slot.seen_at < confirmed for slot in slots):
            return set()
        mine = (
            each.contact_id
            for each in reached
            if each.channel is self.channel and not (each.has_waiting_alert or each.is_after_report)
        )
        candidates = set(islice(mine, self.most - len(self.messages)))
        turns = hourly_cap.read_turns(session, candidates, self.claim.token, self.now)
        return {each for each in candidates if turns.take(each) <= self.now}

    def columns(self) -> dict[str, Any]:
        """Return the columns of a row that this worker sends."""
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
        claimed = ClaimedRow.from_values(row)
        self.messages.append(ClaimedMessage((claimed,), self.claim.token, self.claim.until, address, context))
