"""The writer of matches, a notification per person and contact, a notice per person, and the calls that alerts want.

Mails are inserted already leased, and the job that wrote them sends them at once: docs/decisions.md#inline-delivery.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not named here
from api.models.base import UNREADABLE_ADDRESS, database_clock, is_any_of, new_id, read_stored_address
from api.models.desk import Source
from api.models.notification import Notification, Priority, State, write_ranges
from api.models.organisation_access import WebhookEvent
from api.models.slot import Detection, SlotRow
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.programs.circuit_breaker import provider_rest_seconds
from configs.settings import Constant, settings
from configs.world.plan import plans
from notifier.channels.batch_sender import breaker_of, most_at_once
from notifier.content.message_kind_base import SLOT_CALL, SLOT_DETECTED, ClaimedRow
from notifier.content.messages import FALLBACK, choose_language, render_notice
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.delivery import claiming, delivery
from notifier.delivery.claiming import ClaimedMessage, MessageClaim
from notifier.delivery.message_writer import build_row, insert_rows
from notifier.delivery.reader_wishes import TIMES, may_call, read_times
from notifier.matching.queries import WantedSlots
from notifier.matching.recipients import Recipient
from notifier.message_kinds import kind_of
from notifier.message_kinds.slots import call_every_seconds, rang, unconfirmed_seconds
from notifier.webhooks import write_event

# How long a call may take on average, before mails are left to their own workers for a while
_inline_slow_seconds = Constant("INLINE_SLOW_SECONDS", 1.0)
_LONGEST_WAIT = timedelta(days=1)  # of a phone call

rests_until: list[float] = []  # in this process, by time.monotonic(); nothing before a slow call
# A match per alert, a notification per contact, a notice per user: one round trip for all of it. Many rows are one
# parameter, and what all rows share is sent once. What its reader wants later (quiet hours, a digest) is held by its
# claim.
_WRITE = sa.text("""
WITH inserted_matches AS (
  INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at, announcement_id, slots)
  SELECT id, alert_id, CAST(:detection_id AS uuid), limits_version, CAST(:now AS timestamptz), announcement_id, slots
  FROM json_to_recordset(CAST(:matches AS json))
    AS w(id uuid, alert_id uuid, limits_version int, announcement_id uuid, slots int8multirange)
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
  FROM json_to_recordset(CAST(:notifications AS json)) AS n(id uuid, user_id uuid, contact_id uuid,
    announcement_id uuid, channel text, language text, dedupe_key text, leased bool)
  ON CONFLICT (dedupe_key) DO NOTHING
  RETURNING id
),
inserted_notices AS (
  INSERT INTO notices (id, user_id, kind, language, title, body, link, detection_id, created_at)
  SELECT n.id, n.user_id, :kind, t.language, t.title, t.body, :notice_link, CAST(:detection_id AS uuid),
    CAST(:now AS timestamptz)
  FROM json_to_recordset(CAST(:notices AS json)) AS n(id uuid, user_id uuid, number int)
  JOIN json_to_recordset(CAST(:notice_texts AS json)) AS t(number int, language text, title text, body text)
    ON t.number = n.number
)
SELECT id FROM new_notifications
""").columns(sa.column("id", sa.Uuid()))

log = structlog.get_logger(__name__)
Rows = list[dict[str, Any]]


@dataclass(slots=True)
class InlineClaim:
    """A claim on mails while their rows are written."""

    now: datetime
    messages: list[ClaimedMessage] = field(default_factory=list, init=False)  # what the job is to send
    contents: ContentCache = field(default_factory=ContentCache, init=False)
    claim: MessageClaim = field(init=False)  # since the desk is locked and the contacts are selected

    @classmethod
    def begin(cls, now: datetime) -> "InlineClaim | None":
        """Return a claim; None while the first provider of mail rests, or after a slow call of this process."""
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
        if (time.monotonic() - began) / calls > _inline_slow_seconds():
            rests_until[:] = [time.monotonic() + provider_rest_seconds()]

    def select_contacts(
        self, session: Session, reached: Sequence[Recipient], slots: Iterable[SlotRow]
    ) -> set[UUID]:
        """Return the contacts whose messages leave so.

        Left out are those beyond the hourly cap, and those of which more is read when they are claimed. There are none
        where the slots were not seen for so long that they may be gone. The lease begins.
        """
        self.claim = MessageClaim.start(database_clock(session))
        confirmed = self.now - timedelta(seconds=unconfirmed_seconds())
        if any(slot.seen_at < confirmed for slot in slots):
            return set()
        mine = {each.contact_id for each in reached if each.channel is Channel.EMAIL and not each.needs_claim}
        turns = claiming.read_turns(session, mine, self.claim.token, self.now)
        return {each for each in mine if claiming.take_cap_turn(turns, each, self.now) <= self.now}

    def add(
        self, row: Mapping[str, Any], address: str, opening: SlotOpening, wishes: Sequence[WantedSlots]
    ) -> None:
        """Make a message of a row that was written.

        A row that cannot be rendered, or whose address cannot be decrypted, stops no other: its lease runs out, and
        it is claimed like any other.
        """
        if address == UNREADABLE_ADDRESS:
            return
        stops = [StopLink(wish.alert.alert_id, wish.alert.name) for wish in wishes]
        try:
            context = self.contents.context([opening], stops, row["language"])
        except JobTimeoutException:
            raise
        except Exception:
            log.exception("not put into words", notification=str(row["id"]), kind=row["kind"])
            return
        claimed = ClaimedRow(
            row["id"], row["channel"], row["kind"], row["language"], row["params"], row["priority"],
            attempts=1, unknown_attempts=0, created_at=self.now, contact_id=row["contact_id"],
            seen_at=row["seen_at"], matched_at=row["matched_at"],
        )  # fmt: skip
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


def write_matches(
    session: Session, result: MatchResult, now: datetime, inline: InlineClaim | None = None
) -> list[UUID]:
    """Write matches and notifications: one per person and contact, however many alerts of that person match.

    Each person has a notice too, also one whom no contact reaches, and a call where an alert wants it. Returns the ids
    of those that `inline` did not take: these are written as leased.
    """
    detection, wishes_of = result.detection, defaultdict[UUID, list[WantedSlots]](list)
    for wish in result.wishes:
        wishes_of[wish.alert.user_id].append(wish)
    several = {wish.slots for wish in result.wishes}  # in a crowd most want the same
    slots = {each: result.slots[each] for wanted in several for each in wanted}
    seen_at = max(slot.seen_at for slot in slots.values()) if result.late else detection.seen_at
    made: dict[tuple[int, ...], SlotOpening] = {}

    def find_opening(wishes: Iterable[WantedSlots]) -> SlotOpening:
        """Return what is announced to the user of these wishes."""
        wanted = tuple(sorted({slot for wish in wishes for slot in wish.slots}))
        if wanted not in made:
            made[wanted] = SlotOpening(detection, tuple(slots[each] for each in wanted), seen_at)
        return made[wanted]

    contacts = inline.select_contacts(session, result.recipients, slots.values()) if inline else set()
    announcements = {user_id: new_id() for user_id in wishes_of}
    rows = [
        _build_notification(
            result, each, announcements[each.user_id], wishes_of[each.user_id],
            leased=each.contact_id in contacts,
        )
        for each in result.recipients
    ]  # fmt: skip
    of_all: dict[str, Any] = {
        "kind": SLOT_DETECTED, "priority": Priority.CRITICAL,
        "params": _build_params(detection, slots.values()),
        "seen_at": seen_at, "committed_at": None if result.late else detection.committed_at, "matched_at": now,
    }  # fmt: skip
    contents = inline.contents if inline else ContentCache()
    texts, notices = _build_notices(session, result, find_opening, wishes_of, contents)
    matches = _build_matches(result, announcements)
    arrays = {"matches": matches, "notifications": rows, "notice_texts": texts, "notices": notices}
    given = {name: json.dumps(array, default=str) for name, array in arrays.items()}
    shared = of_all | {"params": json.dumps(of_all["params"]), "now": now, "detection_id": detection.id}
    lease = {"lease_token": inline and inline.claim.token, "lease_until": inline and inline.claim.until}
    link = {"notice_link": kind_of(SLOT_DETECTED).notice_link}
    new = {*session.execute(_WRITE, shared | lease | link | given).scalars()}
    about = {"deskId": detection.desk_id, "source": detection.source.value}
    write_event(session, WebhookEvent.SLOT_SEEN, announcements, seen_at, **about)
    for row, to in zip(rows, result.recipients, strict=True):
        if inline and row["leased"] and row["id"] in new:
            wishes = wishes_of[to.user_id]
            inline.add(of_all | row, read_stored_address(to.stored_address), find_opening(wishes), wishes)
    waiting = _list_to_nudge(rows, result.recipients, new)
    calling = {
        wish.alert.user_id: wish.alert.language
        for wish in result.wishes
        if wish.alert.wants_call and not (detection.in_doubt and not result.late)
    }
    return waiting + _write_calls(session, detection, calling, announcements, now)


def _list_to_nudge(rows: Rows, reached: Sequence[Recipient], new: Collection[UUID]) -> list[UUID]:
    """Return the rows to deliver: of those about several people for one caseworker the first, which takes all along."""
    first: dict[Any, UUID] = {}
    for row, to in zip(rows, reached, strict=True):
        if row["id"] in new and not row["leased"]:
            first.setdefault(to.contact_id if to.reader_id else row["id"], row["id"])
    return list(first.values())


def _build_params(detection: Detection, slots: Iterable[SlotRow]) -> dict[str, str]:
    """Return the params of a slot alert; `source` marks slots of reports, which figures leave out."""
    params = {"detection_id": str(detection.id), "desk_id": detection.desk_id}
    is_reported = any(slot.source is Source.REPORT for slot in slots)
    return params | ({"source": Source.REPORT.value} if is_reported else {})


def _build_notification(
    result: MatchResult, to: Recipient, announcement_id: UUID, wishes: Sequence[WantedSlots], *, leased: bool
) -> dict[str, Any]:
    """Return the columns that differ; `leased` is whether the job that writes the row sends it."""
    wanted = None if to.reader_id else wishes[0].alert.language
    about = f"open:{announcement_id}" if result.late else f"slot:{result.detection.id}"
    way = f"{to.contact_id}:{to.user_id}" if to.reader_id else str(to.contact_id)
    return {
        "id": new_id(), "user_id": to.reader_id or to.user_id, "contact_id": to.contact_id,
        "announcement_id": announcement_id, "channel": to.channel,
        "language": choose_language(SLOT_DETECTED, wanted) if wanted else to.language,
        "dedupe_key": f"{about}:{way}", "leased": leased,
    }  # fmt: skip


def _build_matches(result: MatchResult, announcements: Mapping[UUID, UUID]) -> Rows:
    ranges = {wanted: write_ranges(wanted) for wanted in {wish.slots for wish in result.wishes}}
    return [
        {
            "id": new_id(), "alert_id": wish.alert.alert_id, "limits_version": wish.alert.limits_version,
            "announcement_id": announcements[wish.alert.user_id], "slots": ranges[wish.slots],
        }
        for wish in result.wishes
    ]  # fmt: skip


def _build_notices(
    session: Session,
    result: MatchResult,
    find_opening: Callable[[Iterable[WantedSlots]], SlotOpening],
    wishes_of: Mapping[UUID, list[WantedSlots]],
    contents: ContentCache,
) -> tuple[Rows, Rows]:
    """Return the texts of notices, one for each language and its slots, and the notices, which name them by number.

    Users who have one of these slots already get none.
    """
    languages = {each.user_id: each.language for each in result.recipients if each.reader_id is None}
    if unreached := wishes_of.keys() - languages.keys():
        found = session.execute(sa.select(User.id, User.language).where(is_any_of(User.id, unreached)))
        languages |= {row.id: row.language for row in found}
    texts: dict[tuple[Any, ...], dict[str, Any] | None] = {}  # None where one cannot be rendered
    notices: Rows = []
    for user_id, wishes in wishes_of.items():
        if not any(wish.is_new for wish in wishes):
            continue
        wanted = wishes[0].alert.language or languages.get(user_id, FALLBACK)
        language = choose_language(SLOT_DETECTED, wanted)
        key = (language, *(wish.slots for wish in wishes))
        if key not in texts:
            try:
                values = {"openings": [contents.values_of(find_opening(wishes), language)]}
                text = render_notice(SLOT_DETECTED, language, values)
                texts[key] = {"number": len(texts), **text._asdict()}
            except JobTimeoutException:
                raise
            except Exception:  # which stops no message
                log.exception("no notice", detection=str(result.detection.id), language=language)
                texts[key] = None
        if found_text := texts[key]:
            notices.append({"id": new_id(), "user_id": user_id, "number": found_text["number"]})
    return [each for each in texts.values() if each], notices


def _write_calls(
    session: Session,
    detection: Detection,
    languages: Mapping[UUID, str | None],
    announcements: Mapping[UUID, UUID],
    now: datetime,
) -> list[UUID]:
    """Write calls about what was matched `now`, to users by the languages of their alerts; return what to deliver.

    A person is called within their hours, once for all alerts, and not while another call waits or has just rung.
    """
    if not languages or not settings().twilio_voice_number:
        return []
    params = {"detection_id": str(detection.id), "desk_id": detection.desk_id}
    rows = []
    for to in session.execute(_select_callable(languages, now)):
        hours, times = (to.calls_from, to.calls_until), read_times(to)
        if may_call(hours, to.time_zone, times, detection.desk_id, now):
            language = choose_language(SLOT_CALL, languages[to.id] or to.language)
            row = build_row(SLOT_CALL, Channel.VOICE, language, params, Priority.CRITICAL)
            row |= {"user_id": to.id, "contact_id": to.contact_id, "announcement_id": announcements[to.id]}
            rows.append(
                row | {"dedupe_key": f"call:{row['id']}", "seen_at": detection.seen_at, "matched_at": now}
            )
    return insert_rows(session, rows)


def _select_callable(user_ids: Collection[UUID], now: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Return the query for those of these users whose plan and phone allow a call."""
    with_calls = [name for name, plan in plans().items() if Channel.VOICE.value in plan.channels]
    entitled = sa.exists().where(
        Grant.user_id == User.id, Grant.plan.in_(with_calls), Grant.starts_at <= now, Grant.ends_at > now
    )
    is_phone = sa.and_(
        Contact.user_id == User.id,
        Contact.channel == Channel.SMS,
        Contact.verified_at.is_not(None),
        Contact.state == ContactState.OK,
    )
    row = Notification
    is_called = sa.exists().where(
        row.user_id == User.id,
        row.kind == SLOT_CALL,
        row.created_at > now - max(_LONGEST_WAIT, timedelta(seconds=call_every_seconds())),
        sa.or_(row.state.in_([State.PENDING, State.SENDING]), rang(now)),
    )
    return (
        sa.select(
            User.id, Contact.id.label("contact_id"), User.language, User.calls_from, User.calls_until, *TIMES,
        )
        .join(Contact, is_phone)
        .where(is_any_of(User.id, user_ids), entitled, ~is_called)
    )  # fmt: skip
