"""The writer of matches, a notification per person and contact, and a notice per person.

Mails are inserted already leased, and the job that wrote them sends them at once (inline delivery): the writer knows
the text, that the slots are open and that the alerts wait. Another job that claims the rows and reads them again takes
longer than all else that an alert needs (docs/benchmarks.md). If the worker dies before the answer, the lease runs out
as after any claim.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not named here
from api.models.base import is_any_of, new_id, read_ids, write_array
from api.models.database_clock import database_clock
from api.models.encrypted_text import UNREADABLE
from api.models.notification import Priority, State, write_ranges
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, User
from configs.ground.circuit_breaker import PROVIDER_REST_SECONDS
from configs.ground.matching_queues import NUDGE_SECONDS
from configs.settings import settings
from configs.settings.constants import Constant
from notifier.channels.batch_sender import breaker_of, most_at_once
from notifier.content.message_kind_base import SLOT_DETECTED, ClaimedRow
from notifier.content.messages import (
    FALLBACK,
    NoticeText,
    choose_language,
    render_notice,
)
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.delivery import claiming, delivery
from notifier.delivery.claiming import ClaimedMessage, MessageClaim
from notifier.delivery.retry_policy import LEASE_SECONDS, NUDGE_MAX_SECONDS
from notifier.matching.call_planning import write_calls
from notifier.matching.queries import Recipient, WantedSlots
from notifier.message_kinds import kind_of
from notifier.message_kinds.slots import UNCONFIRMED_SECONDS

# How long a call may take on average, before mails are left to their own workers for a while
_INLINE_SLOW_SECONDS = Constant("INLINE_SLOW_SECONDS", 1.0)

rests_until: list[float] = []  # in this process, by time.monotonic(); nothing before a slow call
# A part of the statement that writes matches and notifications: one round trip for all of it.
INSERT_SLOT_NOTICES = """
notice_texts AS (
  SELECT * FROM unnest(CAST(:notice_languages AS text[]), CAST(:notice_titles AS text[]),
      CAST(:notice_bodies AS text[])) WITH ORDINALITY AS t(language, title, body, number)
),
inserted_notices AS (
  INSERT INTO notices (id, user_id, kind, language, title, body, link, detection_id, created_at)
  SELECT n.id, n.user_id, :kind, t.language, t.title, t.body, :notice_link, CAST(:detection_id AS uuid),
    CAST(:now AS timestamptz)
  FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:notice_users AS uuid[]), CAST(:notice_numbers AS int[]))
    AS n(id, user_id, number)
  JOIN notice_texts t ON t.number = n.number
)
"""
log = structlog.get_logger(__name__)
# A match per alert, and a notification per contact.
# Many rows are one parameter per column, so that the statement is the same whatever their number; what all rows share
# is sent once. What its reader wants later (quiet hours, a digest) is held by its claim.
_WRITE = sa.text(f"""
WITH inserted_matches AS (
  INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at, announcement_id, slots)
  SELECT id, alert_id, CAST(:detection_id AS uuid), limits_version, CAST(:now AS timestamptz), announcement_id, slots
  FROM unnest(CAST(:match_ids AS uuid[]), CAST(:alert_ids AS uuid[]), CAST(:limits_versions AS int[]),
      CAST(:alert_announcements AS uuid[]), CAST(:slots AS int8multirange[]))
    AS w(id, alert_id, limits_version, announcement_id, slots)
),
new_notifications AS (
  INSERT INTO notifications (id, user_id, contact_id, announcement_id, channel, language, dedupe_key, kind, priority,
    params, seen_at, committed_at, matched_at, created_at, next_attempt_at,
    state, attempts, lease_token, lease_until)
  SELECT id, user_id, contact_id, announcement_id, channel, language, dedupe_key, :kind, :priority,
    CAST(:params AS jsonb), CAST(:seen_at AS timestamptz), CAST(:committed_at AS timestamptz),
    CAST(:now AS timestamptz), CAST(:now AS timestamptz),
    CASE WHEN leased THEN CAST(:lease_until AS timestamptz) ELSE CAST(:now AS timestamptz) END,
    CASE WHEN leased THEN 'sending' ELSE 'pending' END, CAST(leased AS int),
    CASE WHEN leased THEN CAST(:lease_token AS uuid) END, CASE WHEN leased THEN CAST(:lease_until AS timestamptz) END
  FROM unnest(CAST(:id AS uuid[]), CAST(:user_id AS uuid[]), CAST(:contact_id AS uuid[]),
      CAST(:announcement_id AS uuid[]), CAST(:channel AS text[]), CAST(:language AS text[]),
      CAST(:dedupe_key AS text[]), CAST(:leased AS bool[]))
    AS n(id, user_id, contact_id, announcement_id, channel, language, dedupe_key, leased)
  ON CONFLICT (dedupe_key) DO NOTHING
  RETURNING id
),
{INSERT_SLOT_NOTICES}
SELECT id FROM new_notifications
""").columns(sa.column("id", sa.Uuid()))  # noqa: S608 -- our own words
_OF_RECIPIENT = (
    "id", "user_id", "contact_id", "announcement_id", "channel", "language", "dedupe_key", "leased",
)  # fmt: skip


@dataclass(slots=True)
class InlineClaim:
    """A claim on mails while their rows are written."""

    now: datetime
    messages: list[ClaimedMessage] = field(default_factory=list, init=False)  # what the job is to send
    contents: ContentCache = field(default_factory=ContentCache, init=False)
    claim: MessageClaim = field(init=False)  # since the desk is locked and the contacts are selected

    @classmethod
    def begin(cls, now: datetime) -> "InlineClaim | None":
        """Return a claim; None while the first provider of mail rests, or after a slow call of this process.

        The workers of mail alone wait for it then.
        """
        first = settings().mail_providers[0]
        rests = bool(rests_until) and time.monotonic() < rests_until[0]
        return None if rests or breaker_of(first, alternatives=False).is_open() else cls(now)

    def send(self) -> None:
        """Hand over what was claimed; the job's time-out ends it before the lease."""
        if not self.messages:
            return
        began = time.monotonic()
        delivery.hand_over(self.messages)
        calls = 1 + len(self.messages) // most_at_once(Channel.EMAIL)
        if (time.monotonic() - began) / calls > _INLINE_SLOW_SECONDS():
            rests_until[:] = [time.monotonic() + PROVIDER_REST_SECONDS()]

    def select_contacts(
        self, session: Session, reached: Sequence[Recipient], slots: Iterable[SlotRow]
    ) -> set[UUID]:
        """Return the contacts whose messages leave so.

        Left out are those beyond the hourly cap, and those of which more is read when they are claimed. There are none
        where the slots were not seen for so long that they may be gone. The lease begins.
        """
        self.claim = MessageClaim.start(database_clock(session), LEASE_SECONDS())
        confirmed = self.now - timedelta(seconds=UNCONFIRMED_SECONDS())
        if any(slot.seen_at < confirmed for slot in slots):
            return set()
        mine = {each.contact_id for each in reached if each.channel is Channel.EMAIL and not each.needs_claim}
        turns = claiming.read_turns(session, mine, self.claim.token, self.now)
        return {each for each in mine if turns.take(each) <= self.now}

    def add(
        self, row: Mapping[str, Any], address: str, opening: SlotOpening, wishes: Sequence[WantedSlots]
    ) -> None:
        """Make a message of a row that was written.

        A row that cannot be rendered, or whose address cannot be decrypted, stops no other: its lease runs out, and
        it is claimed like any other.
        """
        if address == UNREADABLE:
            return
        stops = [StopLink(wish.alert.alert_id, wish.alert.name) for wish in wishes]
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


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What matching decided for one detection: which alerts want which slots, and the contacts of their users.

    A `late` result (an alert catches up, a desk is re-armed) may follow another of the same detection: for other slots,
    for another alert of the same person, or where the first was never sent.
    """

    detection: Detection
    wishes: Sequence[WantedSlots]
    recipients: Sequence[Recipient]
    slots: Mapping[int, SlotRow]  # open ones, by id: what is wanted, and others
    late: bool

    def wishes_of(self) -> dict[UUID, list[WantedSlots]]:
        """Return the wishes by user."""
        found = defaultdict(list)
        for wish in self.wishes:
            found[wish.alert.user_id].append(wish)
        return found

    def begin_key(self, announcement_id: UUID) -> str:
        """Return how the dedupe keys of a user's notifications begin."""
        return f"open:{announcement_id}" if self.late else f"slot:{self.detection.id}"


@dataclass(slots=True)
class _Openings:
    """What the messages announce, by the slots that somebody wants: in a crowd most want the same."""

    detection: Detection
    seen_at: datetime
    slots: Mapping[int, SlotRow]
    _made: dict[tuple[int, ...], SlotOpening] = field(default_factory=dict, init=False)

    def find(self, wishes: Iterable[WantedSlots]) -> SlotOpening:
        """Return what is announced to the user of these wishes."""
        wanted = tuple(sorted({slot for wish in wishes for slot in wish.slots}))
        if wanted not in self._made:
            opened = tuple(self.slots[each] for each in wanted)
            self._made[wanted] = SlotOpening(self.detection, opened, self.seen_at)
        return self._made[wanted]


def next_nudge(now: datetime, times: int = 0) -> datetime:
    """Return when a row that was nudged that often counts as lost: each time after a longer wait."""
    wait = min(NUDGE_SECONDS() * 2 ** min(times, 30), NUDGE_MAX_SECONDS())
    return now + timedelta(seconds=wait)


def write(
    session: Session, result: MatchResult, now: datetime, inline: InlineClaim | None = None
) -> list[UUID]:
    """Write matches and notifications: one per person and contact, however many alerts of that person match.

    Each person has a notice too, also one whom no contact reaches, and a call where an alert wants it. Returns the ids
    of those that `inline` did not take: these are written as leased.
    """
    wishes_of = result.wishes_of()
    wanted = {slot for wish in result.wishes for slot in wish.slots}
    slots = {each: result.slots[each] for each in wanted}
    seen_at = max(slot.seen_at for slot in slots.values()) if result.late else result.detection.seen_at
    openings = _Openings(result.detection, seen_at, slots)
    contacts = inline.select_contacts(session, result.recipients, slots.values()) if inline else set()
    of_all = _columns_of_all(result, seen_at, now)
    announcements = {user_id: new_id() for user_id in wishes_of}
    rows = [
        _columns_of_recipient(
            each,
            announcements[each.user_id],
            wishes_of[each.user_id],
            f"{result.begin_key(announcements[each.user_id])}:{each.contact_id}",
            leased=each.contact_id in contacts,
        )
        for each in result.recipients
    ]
    contents = inline.contents if inline else ContentCache()
    notices = _build_notices(session, result, openings, wishes_of, contents)
    lease = {"lease_token": inline and inline.claim.token, "lease_until": inline and inline.claim.until}
    new = _write(session, result, announcements, rows, of_all | lease | notices)
    for row, to in zip(rows, result.recipients, strict=True):
        if inline and row["leased"] and row["id"] in new:
            wishes = wishes_of[to.user_id]
            inline.add(of_all | row, to.address, openings.find(wishes), wishes)
    calling = {wish.alert.user_id: wish.alert.language for wish in result.wishes if wish.alert.wants_call}
    waiting = [row["id"] for row in rows if row["id"] in new and not row["leased"]]
    return waiting + write_calls(session, result.detection, calling, announcements, now)


def _write(
    session: Session,
    result: MatchResult,
    announcements: Mapping[UUID, UUID],
    rows: Sequence[Mapping[str, Any]],
    shared: Mapping[str, Any],
) -> set[UUID]:
    """Write all of it in one statement; return the ids of the notifications whose dedupe key was new."""
    wishes = result.wishes
    ranges = {slots: write_ranges(slots) for slots in {wish.slots for wish in wishes}}
    arrays: dict[str, Iterable[object]] = {
        "match_ids": (new_id() for _ in wishes),
        "alert_ids": (wish.alert.alert_id for wish in wishes),
        "alert_announcements": (announcements[wish.alert.user_id] for wish in wishes),
        "limits_versions": (wish.alert.limits_version for wish in wishes),
        "slots": (ranges[wish.slots] for wish in wishes),
        **{name: [row[name] for row in rows] for name in _OF_RECIPIENT},
    }
    parameters = {
        **shared, "now": shared["matched_at"], "detection_id": result.detection.id,
        "params": json.dumps(shared["params"]),
        **{name: write_array(values) for name, values in arrays.items()},
    }  # fmt: skip
    made = session.execute(_WRITE, parameters)
    return read_ids(made, [row["id"] for row in rows])


def _build_notices(
    session: Session,
    result: MatchResult,
    openings: _Openings,
    wishes_of: Mapping[UUID, list[WantedSlots]],
    contents: ContentCache,
) -> dict[str, Any]:
    """Return the parameters of INSERT_SLOT_NOTICES that are the notices' own; a text for each language and its slots.

    Users who have one of these slots already get none.
    """
    languages = {each.user_id: each.language for each in result.recipients}
    if unreached := wishes_of.keys() - languages.keys():
        found = session.execute(sa.select(User.id, User.language).where(is_any_of(User.id, unreached)))
        languages |= {row.id: row.language for row in found}
    texts: list[NoticeText] = []
    numbers: dict[tuple[Any, ...], int] = {}  # of texts, from 1; 0 where one cannot be rendered
    users: list[tuple[UUID, int]] = []
    for user_id, wishes in wishes_of.items():
        if any(wish.is_new for wish in wishes):
            language = choose_language(
                SLOT_DETECTED, wishes[0].alert.language or languages.get(user_id, FALLBACK)
            )
            key = (language, *(wish.slots for wish in wishes))
            if key not in numbers:
                text = _render_notice(openings.find(wishes), contents, language)
                texts += [text] if text else []
                numbers[key] = len(texts) if text else 0
            if number := numbers[key]:
                users.append((user_id, number))
    arrays: dict[str, Iterable[object]] = {
        "notice_languages": (text.language for text in texts),
        "notice_titles": (text.title for text in texts),
        "notice_bodies": (text.body for text in texts),
        "notice_ids": (new_id() for _ in users),
        "notice_users": (user_id for user_id, _ in users),
        "notice_numbers": (number for _, number in users),
    }
    link = kind_of(SLOT_DETECTED).notice_link
    return {name: write_array(values) for name, values in arrays.items()} | {"notice_link": link}


def _render_notice(opening: SlotOpening, contents: ContentCache, language: str) -> NoticeText | None:
    """Return the notice; None where it cannot be rendered, which stops no message."""
    try:
        values = {"openings": [contents.values_of(opening, language)]}
        return render_notice(SLOT_DETECTED, language, values)
    except JobTimeoutException:
        raise
    except Exception:
        log.exception("no notice", detection=str(opening.detection.id), language=language)
        return None


def _columns_of_all(result: MatchResult, seen_at: datetime, now: datetime) -> dict[str, Any]:
    detection = result.detection
    return {
        "kind": SLOT_DETECTED, "priority": Priority.CRITICAL,
        "params": {"detection_id": str(detection.id), "desk_id": detection.desk_id},
        "seen_at": seen_at, "committed_at": None if result.late else detection.committed_at,
        "matched_at": now,
    }  # fmt: skip


def _columns_of_recipient(
    to: Recipient,
    announcement_id: UUID,
    wishes: Sequence[WantedSlots],
    dedupe_key: str,
    *,
    leased: bool,
) -> dict[str, Any]:
    """Return the columns that differ; `leased` is whether the job that writes the row sends it."""
    return {
        "id": new_id(), "user_id": to.user_id, "contact_id": to.contact_id, "announcement_id": announcement_id,
        "channel": to.channel, "language": to.pick_language(wishes[0].alert.language), "dedupe_key": dedupe_key,
        "leased": leased,
    }  # fmt: skip
