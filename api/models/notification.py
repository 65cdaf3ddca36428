"""Messages: matches, notifications with the times of their way, notices of the app, announcements, and figures."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, JSONB
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column, relationship
from sqlalchemy.orm.util import AliasedClass

from api.models.base import Base, enum_column, new_id, word_column
from api.models.user import Channel, Contact, User
from configs.programs.matching_queues import MATCHING
from configs.world.plan import PlanName


class Priority(StrEnum):
    """Priority of a message: it selects the number of attempts, and what leaves first."""

    CRITICAL = "critical"
    IMMEDIATE = "immediate"
    SCHEDULED = "scheduled"
    BULK = "bulk"


FORGOTTEN = ""  # in place of an erased address
PAID_CHANNELS = (Channel.SMS, Channel.VOICE)  # each message of which costs
RECEIPTS, WEBHOOKS = "receipts", "webhooks"


def queue_of(channel: Channel, *, single: bool) -> str:
    """Return the name of a queue that delivers by a channel: that of single alerts and codes, or of the rest."""
    return f"{channel.value}-{'single' if single else 'rest'}"


# All queues: two for matching (single alerts, crowds), those of receipts and webhooks, then each channel's.
QUEUES = (
    *MATCHING, RECEIPTS, WEBHOOKS,
    *(queue_of(channel, single=single) for channel in Channel for single in (True, False)),
)  # fmt: skip


class State(StrEnum):
    """State of a notification (docs/notifications.md says what follows each)."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    NO_RECEIPT = "no_receipt"  # accepted by a provider that sends receipts, and none came in time
    BOUNCED = "bounced"
    FAILED = "failed"
    EXPIRED = "expired"
    SKIPPED = "skipped"


_TELLS = (State.PENDING, State.SENDING, State.SENT, State.DELIVERED, State.NO_RECEIPT)


class HeldFor(StrEnum):
    """What a message waits for, beside its provider."""

    QUIET_HOURS = "quiet_hours"
    DIGEST = "digest"
    CAP = "hourly_cap"
    SLOTS = "slots"  # that its slots are seen again


WISHES = (HeldFor.QUIET_HOURS, HeldFor.DIGEST)  # its reader wants it later


class Match(Base):
    """One alert, in one version of its limits, paired with one detection; decided once.

    `slots` are the ids of those that it announced, as ranges: "once", expiry and "gone" are
    decided by them. Matches of one user that were decided together, and the messages that tell of them, have one
    `announcement_id`.
    """

    __tablename__ = "matches"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[UUID] = mapped_column(sa.ForeignKey("alerts.id", ondelete="CASCADE"))
    detection_id: Mapped[UUID] = mapped_column(sa.ForeignKey("detections.id", ondelete="CASCADE"))
    limits_version: Mapped[int]
    decided_at: Mapped[datetime]
    announcement_id: Mapped[UUID] = mapped_column(default=new_id)
    slots: Mapped[str] = mapped_column(INT8MULTIRANGE)

    __table_args__ = (
        sa.Index("ix_matches_alert_id_detection_id", "alert_id", "detection_id"),
        sa.Index("ix_matches_detection_id", "detection_id"),
        sa.Index("ix_matches_alert_id_decided_at", "alert_id", "decided_at"),
        sa.Index("ix_matches_announcement_id", "announcement_id"),
    )


class Notification(Base):
    """One message to one person through one contact. The row is the source of truth, the queue only a nudge.

    A message to an e-mail address (SUPPORT_EMAIL, a visitor who wrote to support, what the law owes whatever becomes of
    the account) has that `address` in place of a contact; its user is null where it has none, or none any more.
    Its instants: the page was read (`seen_at`), the detection committed, the alert matched, the message accepted by
    the provider, then delivered. `next_attempt_at` is when it is due: its next attempt, or the end of its lease.
    `nudges` is how often the sweep had it delivered since it is due, at `nudged_at` last; older ones do not count.
    `cost` is our estimate, in EUR. `unknown_attempts` counts those of `attempts` after which the provider may have
    accepted the message: the answer was incomplete, or the worker died. `segments` are the parts that an SMS is billed
    as. `receipt_due_at` is null where the provider sends no receipts. `held_for` is what it waits for, or waited for
    last: an attempt that its provider did not take ends that. `title` and `text` are what it said, written when it
    leaves, without the links that act for their reader; null before, for secret kinds, for readers without an account,
    and once erased.
    """

    __tablename__ = "notifications"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("contacts.id", ondelete="SET NULL"))
    announcement_id: Mapped[UUID | None]
    address: Mapped[str | None]
    channel: Mapped[Channel] = mapped_column(enum_column(Channel, "channel"))
    kind: Mapped[str]
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")
    params: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sa.text("'{}'"))
    title: Mapped[str | None] = mapped_column(deferred=True)  # few readers of a row need its words
    text: Mapped[str | None] = mapped_column(deferred=True)
    priority: Mapped[Priority] = mapped_column(enum_column(Priority, "priority"))
    dedupe_key: Mapped[str] = mapped_column(unique=True)

    state: Mapped[State] = word_column(State.PENDING, "state")
    reason: Mapped[str | None]
    held_for: Mapped[HeldFor | None] = mapped_column(enum_column(HeldFor, "held_for"))
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    unknown_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime]
    nudged_at: Mapped[datetime | None]
    nudges: Mapped[int] = mapped_column(server_default="0")  # who writes messages alone may not set it
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    cost: Mapped[Decimal | None] = mapped_column(sa.Numeric(8, 5))
    segments: Mapped[int | None] = mapped_column(sa.SmallInteger)
    receipt_due_at: Mapped[datetime | None]

    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    seen_at: Mapped[datetime | None]
    committed_at: Mapped[datetime | None]
    matched_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]

    contact: Mapped[Contact | None] = relationship()

    __table_args__ = (
        sa.CheckConstraint(
            "(state = 'sending') = (lease_token IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
        ),
        sa.CheckConstraint(
            "(state NOT IN ('sent', 'delivered', 'no_receipt')) OR accepted_at IS NOT NULL", name="accepted"
        ),
        sa.CheckConstraint(
            "(state NOT IN ('failed', 'expired', 'skipped', 'bounced')) OR reason IS NOT NULL", name="reason"
        ),
        sa.CheckConstraint(
            "(state NOT IN ('failed', 'expired', 'skipped')) OR failed_at IS NOT NULL", name="ended"
        ),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
        sa.CheckConstraint("segments >= 0", name="segments"),
        sa.CheckConstraint("user_id IS NOT NULL OR address IS NOT NULL", name="recipient"),
        sa.Index("ix_notifications_user_id_created_at", "user_id", "created_at"),
        sa.Index(
            "ix_notifications_due",
            "next_attempt_at",
            postgresql_where=sa.text("state IN ('pending', 'sending')"),
        ),
        sa.Index(
            "ix_notifications_provider_id",
            "provider",
            "provider_id",
            postgresql_where=sa.text("provider_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_notifications_user_id_accepted_at",  # the hourly cap
            "user_id",
            "accepted_at",
            postgresql_where=sa.text("kind = 'slot_detected' AND accepted_at IS NOT NULL"),
        ),
        sa.Index("ix_notifications_contact_id_state", "contact_id", "state"),
        sa.Index(
            "ix_notifications_announcement_id",
            "announcement_id",
            postgresql_where=sa.text("announcement_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_notifications_receipt_due_at",
            "receipt_due_at",
            postgresql_where=sa.text("state = 'sent' AND receipt_due_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_notifications_paid_accepted_at",
            "accepted_at",
            postgresql_where=sa.text("channel IN ('sms', 'voice') AND accepted_at IS NOT NULL"),
            postgresql_include=["cost"],
        ),
        sa.Index(
            "ix_notifications_address",  # to be erased
            "id",
            postgresql_where=sa.text("user_id IS NULL AND address <> ''"),
        ),
        sa.Index("ix_notifications_failed", "failed_at", postgresql_where=sa.text("state = 'failed'")),
    )


def is_told(row: type[Notification] | AliasedClass[Notification] = Notification) -> sa.ColumnElement[bool]:
    """Return the condition that a message tells its reader: it was accepted, is on its way, or may have arrived.

    What expired or was skipped after an attempt of unknown fate may be lost: it tells only where a copy costs.
    """
    ended = sa.and_(row.state.in_((State.EXPIRED, State.SKIPPED)), row.channel.in_(PAID_CHANNELS))
    may_have_arrived = sa.and_(sa.or_(row.state == State.FAILED, ended), row.unknown_attempts > 0)
    return sa.or_(row.state.in_(_TELLS), may_have_arrived)


def waits_untold() -> sa.ColumnElement[bool]:
    """Return the condition that the hourly cap holds an alert back, and no other channel tells of it either."""
    row, other = Notification, aliased(Notification)
    is_held = sa.and_(row.state == State.PENDING, row.held_for == HeldFor.CAP)
    tells = sa.and_(
        other.announcement_id == row.announcement_id, other.kind == row.kind, is_told(other),
        other.held_for.is_distinct_from(HeldFor.CAP),
    )  # fmt: skip
    return sa.and_(is_held, ~sa.exists().where(tells))


def waits_as_wished() -> sa.ColumnElement[bool]:
    """Return the condition that a message waits because its reader wants it later."""
    return sa.and_(Notification.state == State.PENDING, was_put_off())


def was_put_off() -> sa.ColumnElement[bool]:
    """Return the condition that a message waited last because its reader wanted it later."""
    return sa.func.coalesce(Notification.held_for.in_(WISHES), sa.false())


def is_fresh(row: type[Notification] = Notification) -> sa.ColumnElement[bool]:
    """Return the condition that a message is as it was written: who wrote it has nudged it, if it is due at once."""
    is_untried = sa.and_(row.attempts == 0, row.held_for.is_(None), row.reason.is_(None))
    return sa.and_(is_untried, row.next_attempt_at <= row.created_at)


_RANGE = re.compile(r"\[(\d+),(\d+)\)")


def write_ranges(ids: Iterable[int]) -> str:
    """Return ids, in any order, as the text of a multirange; `{}` for none."""
    found: list[list[int]] = []
    for each in sorted(set(ids)):
        if found and found[-1][1] == each:
            found[-1][1] = each + 1
        else:
            found.append([each, each + 1])
    return "{" + ",".join(f"[{first},{end})" for first, end in found) + "}"


def read_ranges(text: str) -> list[range]:
    """Return the ranges of a multirange's text, as PostgreSQL writes it, in their order."""
    return [range(int(first), int(end)) for first, end in _RANGE.findall(text)]


def sum_of_day(session: Session, now: datetime) -> Decimal:
    """Return what SMS and calls have cost since midnight UTC, in EUR, without those of accounts deleted since."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = sa.select(sa.func.sum(Notification.cost)).where(
        Notification.channel.in_(PAID_CHANNELS), Notification.accepted_at >= midnight
    )
    return session.scalars(spent).one() or Decimal(0)


class Notice(Base):
    """A text for one user, as it was in the user's language when it was written."""

    __tablename__ = "notices"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)  # a UUIDv7: it grows with time
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"))
    kind: Mapped[str]  # of message
    language: Mapped[str]  # of title and body
    title: Mapped[str]
    body: Mapped[str]  # plain text
    link: Mapped[str | None]  # path of one of our pages
    detection_id: Mapped[UUID | None]  # of a slot alert; no foreign key: a crowd writes 10,000 of these rows
    # Of other kinds than slot alerts, whose matching is done once by its own locks: a key is written once per user.
    dedupe_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    read_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]  # when what it announced was gone

    __table_args__ = (
        sa.Index("ix_notices_user_id_id", "user_id", "id"),
        sa.Index(
            "uq_notices_user_id_dedupe_key",
            "user_id",
            "dedupe_key",
            unique=True,
            postgresql_where=sa.text("dedupe_key IS NOT NULL"),
        ),
    )


ALL = ""  # in place of a provider or a prefecture: the row sums up all of them
NONE = "none"  # messages that no provider accepted, or that name no desk any more


class DeliveryFigure(Base):
    """One UTC day and channel, of one provider or all, of one prefecture or all; sums only.

    Percentiles cannot be merged: each combination has a row of its own. `a_to_b` are the seconds between two instants
    of a message's way, as p50, p95 and p99; null where no message came so far.
    """

    __tablename__ = "delivery_figures"

    day: Mapped[date] = mapped_column(primary_key=True)  # on which the messages were written
    channel: Mapped[Channel] = mapped_column(enum_column(Channel, "channel"), primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    prefecture_id: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int]
    sent: Mapped[int]  # accepted by a provider, whatever came later
    delivered: Mapped[int]
    bounced: Mapped[int]
    no_receipt: Mapped[int]
    failed: Mapped[int]
    expired: Mapped[int]
    skipped: Mapped[int]
    unsure: Mapped[int]  # with an attempt of unknown fate: may have arrived twice, or without our knowing
    missed: Mapped[int]  # refused for good while one of their slots was open, or expired after attempts
    tracked: Mapped[int]  # of providers that send receipts: delivered, bounced or without a receipt in time
    confirmed: Mapped[int]  # delivered ones among `tracked`
    seen_to_committed: Mapped[list[float] | None]
    committed_to_matched: Mapped[list[float] | None]
    matched_to_accepted: Mapped[list[float] | None]
    accepted_to_delivered: Mapped[list[float] | None]
    seen_to_accepted: Mapped[list[float] | None]
    seen_to_delivered: Mapped[list[float] | None]
    updated_at: Mapped[datetime]

    __table_args__ = (sa.CheckConstraint("confirmed <= tracked AND tracked <= sent", name="counts"),)


class Announcement(Base):
    """One announcement. It goes to all, to those of a plan, or to those who wait at a prefecture or one of its desks.

    A service notice concerns the service, and needs no consent; news go to who consented to them.
    """

    __tablename__ = "announcements"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    is_news: Mapped[bool]
    plan: Mapped[PlanName | None] = mapped_column(sa.Text)
    place: Mapped[str | None]  # a prefecture's id, or a desk's
    texts: Mapped[dict[str, list[str]]] = mapped_column(JSONB)  # by language: the title, then the paragraphs
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    written_to: Mapped[UUID | None]  # the last person, in the order of their ids
    written: Mapped[int] = mapped_column(default=0, server_default="0")
    done_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint("plan IS NULL OR place IS NULL", name="audience"),
        sa.Index(
            "ix_announcements_running",
            "started_at",
            postgresql_where=sa.text("started_at IS NOT NULL AND done_at IS NULL AND stopped_at IS NULL"),
        ),
    )

    def choose_text(self, language: str) -> list[str]:
        """Return title and paragraphs in a language; in English, else in French, where it has none."""
        return next(self.texts[each] for each in (language, "en", "fr") if each in self.texts)
