"""Claims of waiting notifications: leased rows, grouped into one message per contact, within the hourly cap.

The cap (docs/reference/delivery.md#hourly-cap) is a query over what was sent in an hour, is under way or may have come.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from api.models.base import CLOCKS_DIFFER, UNREADABLE_ADDRESS, is_any_of, write_array
from api.models.notification import (
    PAID_CHANNELS,
    HeldFor,
    Notification,
    Priority,
    State,
    is_fresh,
    sum_of_day,
    waits_untold,
)
from api.models.user import Channel, Contact, ContactState
from configs.ground.addresses import digest
from configs.ground.database_errors import passes
from configs.ground.message_groups import STOPPABLE, MessageGroup
from configs.ground.signing import StopGroup, write_address, write_token
from configs.settings import Constant, settings
from notifier.channels.fates import COPIES
from notifier.channels.provider_base import DeliveryError, Misconfigured, TemporaryError
from notifier.content import slot_alert_content
from notifier.content.message_kind_base import (
    CALL_MISSED,
    CLAIMED_COLUMNS,
    SLOT_DETECTED,
    ClaimedRow,
    Seen,
    Skip,
    TemplateContext,
)
from notifier.delivery.message_writer import build_row, insert_rows
from notifier.delivery.nudges import lease_seconds
from notifier.delivery.reader_wishes import ClaimedRecipient, find_wish, read_recipients
from notifier.delivery.retry_policy import UNKNOWN
from notifier.message_kinds import kind_of, kinds

MARGIN_SECONDS = 1.0  # of a lease, in which the last answer is written
_MAX_PER_MESSAGE = 10  # desks in one message: what Telegram takes, and a person reads at once
_MOST_ROWS = 200  # in one message: SendGrid takes 10,000 bytes of custom_args, which name them all
# Its writer's estimate of the database's clock may be ahead of the worker's that its job comes to
_EARLY = timedelta(seconds=1)
OVER_BUDGET = "SMS budget of the day used up"
ALL_COPIES = f"{UNKNOWN}sent as often as it may be"
# By priority, at which multiple of SMS_DAY_STOP they end; a day is one of UTC. Slot alerts and codes leave at any cost.
_STOPS_AT = {Priority.BULK: Decimal(1), Priority.SCHEDULED: Decimal("1.5")}
# Not asked for by their reader, or of use to us alone
_AS_BULK = (CALL_MISSED, "help_ends", "help_invitation", "more_messages", "test_message")
_STOP_TAG = "%stop_group%"
_COLUMNS = [getattr(Notification, name) for name in CLAIMED_COLUMNS]

# Most slot alerts that one address, chat, number or device is sent in an hour; half of them may leave at once, the rest
# spread
_PER_HOUR = {
    Channel.EMAIL: Constant("EMAIL_PER_HOUR", 30),
    Channel.TELEGRAM: Constant("TELEGRAM_PER_HOUR", 30),
    Channel.SMS: Constant("SMS_PER_HOUR", 10),
    Channel.PUSH: Constant("PUSH_PER_HOUR", 30),
}
_HOUR = timedelta(hours=1)

# Several rows may have left as one message: they have its id, the same instant, or the same lease. Text, because
# composing this statement took 2 ms of the way from a page to its alert.
_READ_SENT = sa.text("""
SELECT k.id, k.channel, count(DISTINCT m.message) AS messages, max(m.at) AS last_at
FROM contacts k LEFT JOIN LATERAL (
  SELECT n.accepted_at AS at, coalesce(n.provider_id, CAST(n.accepted_at AS text)) AS message
  FROM notifications n
  WHERE n.user_id = k.user_id AND n.contact_id = k.id AND n.kind = 'slot_detected'
    AND n.accepted_at > :since AND n.accepted_at <= :latest
  UNION ALL
  SELECT CASE n.state WHEN 'sending' THEN :now ELSE n.created_at END,
    coalesce(CAST(n.lease_token AS text), CAST(n.created_at AS text))
  FROM notifications n
  WHERE n.contact_id = k.id AND n.kind = 'slot_detected' AND n.state IN ('pending', 'sending')
    AND n.lease_token IS DISTINCT FROM CAST(:token AS uuid)
    AND (n.state = 'sending' OR n.unknown_attempts > 0 AND n.created_at > :since)
) m ON true
WHERE k.id = ANY(CAST(:ids AS uuid[])) GROUP BY k.id
""").columns(id=sa.Uuid())

_CAP_NOTICE = "more_messages"  # says that alerts wait
# So that it counts a whole burst; where the next turn comes sooner, it is of no use.
_CAP_NOTICE_AFTER = timedelta(seconds=30)

log = structlog.get_logger(__name__)

Prepared = tuple[ClaimedRow, Contact, TemplateContext]


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """Claimed notifications that leave as one message, with all that sending needs; detached from any session.

    `until` is when the lease of `token` runs out.
    """

    rows: tuple[ClaimedRow, ...]
    token: UUID
    until: datetime
    address: str
    context: TemplateContext
    is_after_report: bool = False  # its reader reported spam, and has switched the channel on again since

    @property
    def first(self) -> ClaimedRow:
        """Return the notification that speaks for all: they share channel, kind, contact and language."""
        return self.rows[0]

    @property
    def seen_at(self) -> datetime | None:
        """Return when the newest page was read."""
        return max((row.seen_at for row in self.rows if row.seen_at), default=None)


@dataclass(slots=True)
class MessageClaim:
    """The rows claimed at once, under one token; `unsent` are those that do not leave now, each with the reason."""

    token: UUID
    until: datetime
    messages: list[ClaimedMessage] = field(default_factory=list)
    unsent: list[tuple[ClaimedRow, Skip | DeliveryError]] = field(default_factory=list)

    @classmethod
    def start(cls, now: datetime) -> "MessageClaim":
        """Return an empty claim, whose lease begins."""
        return cls(uuid4(), now + timedelta(seconds=lease_seconds()))


def lease_messages(opened: Session, ids: Sequence[UUID], now: datetime) -> MessageClaim:
    """Lease notifications, and what else waits for the same contacts, and read them again.

    Those that are not due, or that another worker holds, are left out.
    """
    made = MessageClaim.start(now)
    rows = sorted(
        (ClaimedRow(*row) for row in opened.execute(_claiming(ids, made, now))), key=lambda row: row.id
    )
    prepared: list[Prepared] = []
    by_kind: dict[str, list[tuple[ClaimedRow, Contact]]] = defaultdict(list)
    for row, contact in _with_contacts(opened, rows, made, now):
        by_kind[row.kind].append((row, contact))
    for kind, seen in by_kind.items():
        for (row, contact), found in zip(seen, _read_again(kind, opened, seen, now), strict=True):
            if isinstance(found, Skip | DeliveryError):
                made.unsent.append((row, found))
            else:
                prepared.append((row, contact, found))
    made.messages = [
        _message_of(group, made)
        for group in _within_cap(opened, list(_group_by_message(prepared)), made, now)
    ]
    return made


def _within_cap(
    opened: Session, groups: list[list[Prepared]], made: MessageClaim, now: datetime
) -> Iterator[list[Prepared]]:
    """Yield the groups that may leave now; the slot alerts of the others wait for their turns."""
    capped = {group[0][1].id for group in groups if group[0][0].kind == SLOT_DETECTED}
    turns = read_turns(opened, capped, made.token, now)
    for group in groups:
        row, contact, _ = group[0]
        turn = take_cap_turn(turns, contact.id, now) if row.kind == SLOT_DETECTED else now
        if turn <= now:
            yield group
        else:
            made.unsent += [(each, Skip(State.PENDING, "", turn, HeldFor.CAP)) for each, _, _ in group]


def _read_again(
    kind: str, opened: Session, seen: Seen, now: datetime
) -> list[TemplateContext | Skip | DeliveryError]:
    """Read rows of a kind again, together; where that fails, each alone, so that a bad row stops no other."""
    if kind not in kinds():
        return [Misconfigured(f"unknown kind {kind}: waits for a newer worker")] * len(seen)
    try:
        with opened.begin_nested():
            return [*kind_of(kind).prepare_all(opened, seen, now)]
    except Exception as error:
        if passes(error) or isinstance(error, JobTimeoutException):
            raise
        if len(seen) > 1:
            return [found for each in seen for found in _read_again(kind, opened, [each], now)]
        # The boundary: whatever a row makes its kind raise is that row's alone.
        log.exception("not readable", notification=str(seen[0][0].id), kind=kind)
        return [TemporaryError(f"could not be read: {type(error).__name__}")]


def _claiming(ids: Sequence[UUID], made: MessageClaim, now: datetime) -> sa.Executable:
    """Lock in the order of ids and skip locked rows, so that two claims never wait for each other."""
    asked, beside = aliased(Notification), aliased(Notification)
    given = sa.select(asked).where(is_any_of(asked.id, ids), _is_due(asked, now)).cte("given")
    same = sa.and_(
        beside.contact_id == given.c.contact_id,
        beside.kind == given.c.kind,
        beside.language == given.c.language,
        given.c.kind == SLOT_DETECTED,
        _may_leave(beside, now),
    )
    wanted = sa.union(sa.select(given.c.id), sa.select(beside.id).join(given, same))
    locked = (
        sa.select(Notification.id)
        .where(Notification.id.in_(wanted), _may_leave(Notification, now))
        .order_by(Notification.id)
        .with_for_update(skip_locked=True)
    )
    values = {
        "state": State.SENDING, "lease_token": made.token, "lease_until": made.until,
        "attempts": Notification.attempts + 1, "next_attempt_at": made.until,
    }  # fmt: skip
    update = sa.update(Notification).where(Notification.id.in_(locked)).values(values)
    return update.returning(*_COLUMNS).execution_options(synchronize_session=False)


def _is_due(row: type[Notification], now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a row is due; one as it was written is, though the clock was set back since."""
    return sa.and_(row.state == State.PENDING, sa.or_(row.next_attempt_at <= now + _EARLY, is_fresh(row)))


def _may_leave(row: type[Notification], now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a row is due, or waits for the hourly cap: who leaves earlier takes it along."""
    is_capped = sa.and_(row.state == State.PENDING, row.held_for == HeldFor.CAP)
    return sa.or_(_is_due(row, now), is_capped)


def _with_contacts(opened: Session, rows: list[ClaimedRow], made: MessageClaim, now: datetime) -> Seen:
    """Return the rows that may be tried, each with its contact; the others are dropped."""
    wanted = {row.contact_id for row in rows if row.contact_id}
    found = read_recipients(opened, wanted) if wanted else {}
    kept = []
    for row in rows:
        to = found.get(row.contact_id) if row.contact_id else None
        if row.contact_id is None and row.address:  # without an account: it is in no table and in no session
            contact = Contact(
                channel=row.channel, address=row.address, verified_at=row.created_at, enabled=True
            )
            contact.state = ContactState.OK
            to = ClaimedRecipient(contact)
        if to is None:
            made.unsent.append((row, Skip(State.SKIPPED, "no address")))
        elif to.contact.address == UNREADABLE_ADDRESS:
            made.unsent.append((row, Misconfigured("the address cannot be decrypted: check DATA_KEYS")))
        elif skip := find_wish(row, to, now):
            made.unsent.append((row, skip))
        elif _has_all_copies(opened, row):
            made.unsent.append((row, Skip(State.FAILED, ALL_COPIES)))
        elif _is_over_budget(opened, row, now):
            made.unsent.append((row, Skip(State.SKIPPED, OVER_BUDGET)))
        else:
            kept.append((row, to.contact))
    return kept


def _group_by_message(prepared: Iterable[Prepared]) -> Iterator[list[Prepared]]:
    """Group what leaves to one contact as one message, of a few desks at most; what is of one desk stays together."""
    groups: dict[Hashable, dict[Hashable, list[Prepared]]] = defaultdict(lambda: defaultdict(list))
    for each in prepared:
        row, contact, _ = each
        params: object = row.params  # any JSON: one that names no desk makes no other row fail
        desk_id = params.get("desk_id") if isinstance(params, dict) else None
        desk = desk_id if isinstance(desk_id, str) else row.id
        groups[(contact.id, row.language) if row.kind == SLOT_DETECTED else row.id][desk].append(each)
    for desks in groups.values():
        several = list(desks.values())
        for start in range(0, len(several), _MAX_PER_MESSAGE):
            chunk = [each for rows in several[start : start + _MAX_PER_MESSAGE] for each in rows]
            for first in range(0, len(chunk), _MOST_ROWS):
                yield chunk[first : first + _MOST_ROWS]


def _message_of(group: list[Prepared], made: MessageClaim) -> ClaimedMessage:
    row, contact, context = group[0]
    if len(group) > 1:
        context = slot_alert_content.merge([each for _, _, each in group], row.language)
    address = context.address or contact.address
    context = add_stop_link(row, kind_of(row.kind).group, address, context)
    rows = tuple(each for each, _, _ in group)
    return ClaimedMessage(
        rows, made.token, made.until, address, context, is_after_report=contact.consented_after_report
    )


def add_stop_link(
    row: ClaimedRow, group: MessageGroup | None, address: str, context: TemplateContext
) -> TemplateContext:
    """Return the context with the link that stops the group of a mail; unchanged where its reader cannot stop one."""
    if row.channel is not Channel.EMAIL or group not in STOPPABLE or row.contact_id is None:
        return context
    token = write_token(StopGroup(row.contact_id, digest(address), group))
    return replace(
        context,
        values={**context.values, "stop_url": _STOP_TAG},
        substitutions={**context.substitutions, _STOP_TAG: write_address(token)},
        stop_token=token,
    )


# Two claims of one announcement are made one after the other: each counts what the other leased, and of its own rows
# those before.
_LOCK_ANNOUNCEMENT = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended(announcement_id::text, 0)) FROM notifications WHERE id = :id"
)
_COUNT_COPIES = sa.text("""
SELECT coalesce(sum(n.unknown_attempts), 0) + count(n.accepted_at)
  + count(*) FILTER (WHERE n.state = 'sending' AND (n.lease_token <> mine.lease_token OR n.id < mine.id))
FROM notifications mine JOIN notifications n USING (announcement_id, user_id, channel) WHERE mine.id = :id
""")


def _has_all_copies(session: Session, row: ClaimedRow) -> bool:
    """Whether the reader may have had all SMS of an announcement: its alert's, and those after a call."""
    if row.channel is not Channel.SMS:
        return False
    session.execute(_LOCK_ANNOUNCEMENT, {"id": row.id})
    return bool(session.scalars(_COUNT_COPIES, {"id": row.id}).one() >= COPIES[row.channel])


def _is_over_budget(session: Session, row: ClaimedRow, now: datetime) -> bool:
    """Whether the day's budget does not allow a claimed SMS any more."""
    stops_at = _STOPS_AT[Priority.BULK] if row.kind in _AS_BULK else _STOPS_AT.get(row.priority)
    if row.channel is not Channel.SMS or stops_at is None or row.kind == SLOT_DETECTED:
        return False
    return sum_of_day(session, now) >= settings().sms_day_stop * stops_at


@dataclass(slots=True)
class CapCount:
    """What left within the last hour under a cap: how many messages, and when the last."""

    cap: int
    count: int
    last_at: datetime | None


Turns = Mapping[UUID, CapCount]


def take_cap_turn(turns: Turns, contact_id: UUID, now: datetime) -> datetime:
    """Take a turn for one message, where the contact has one now; return when it has.

    That is at once for half of the cap, then an interval behind the last message.
    """
    if (cap := turns.get(contact_id)) is None:
        return now
    burst = max(1, cap.cap // 2)
    if cap.count >= burst and cap.last_at:
        turn = cap.last_at + _HOUR / max(1, cap.cap - burst)
        if turn > now:
            return turn
    cap.count, cap.last_at = cap.count + 1, now
    return now


def read_turns(session: Session, contact_ids: Collection[UUID], token: UUID, now: datetime) -> Turns:
    """Return the turns of contacts; what is leased by `token` is what asks, and does not count."""
    if not contact_ids:
        return {}
    given = {"since": now - _HOUR, "now": now, "latest": now + CLOCKS_DIFFER, "token": str(token)}
    found = session.execute(_READ_SENT, given | {"ids": write_array(contact_ids)})
    return {row.id: CapCount(_PER_HOUR[Channel(row.channel)](), row.messages, row.last_at) for row in found}


def write_cap_notices(session: Session, held: Collection[UUID], now: datetime) -> None:
    """Write a notice to the users whose alerts were just held back and told by no channel; the sweep has it sent.

    One for each user and hour of the clock, by what is free where the user has such a contact.
    """
    if not held:
        return
    row, to, own = Notification, Contact, aliased(Contact)  # a caseworker's alert is told to the caseworker
    waiting = sa.select(row.user_id, to.id, to.channel, row.language).join(own, own.id == row.contact_id)
    waiting = waiting.join(to, to.user_id == own.user_id).where(is_any_of(row.id, held), waits_untold())
    is_well = sa.and_(to.enabled, to.state == ContactState.OK, to.verified_at.is_not(None))
    waiting = waiting.where(is_well, sa.or_(to.id == row.contact_id, to.channel.not_in(PAID_CHANNELS)))
    is_paid = to.channel.in_(PAID_CHANNELS)
    first = waiting.ext(distinct_on(row.user_id)).order_by(
        row.user_id, is_paid, to.id != row.contact_id, row.id
    )
    notices = [
        build_row(_CAP_NOTICE, channel, language, {}, Priority.IMMEDIATE)
        | {"user_id": user_id, "contact_id": contact_id, "next_attempt_at": now + _CAP_NOTICE_AFTER}
        | {"dedupe_key": f"{_CAP_NOTICE}:{user_id}:{now:%Y%m%dT%H}"}
        for user_id, contact_id, channel, language in session.execute(first)
    ]
    insert_rows(session, notices)
