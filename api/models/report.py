"""Reports: what people saw of a desk's page, when they opened it, and who is trusted. A report is no check."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.models.base import Base, Hashes, enum_column, is_any_of, new_id, word_column
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.redis import redis
from configs.world.desk import HOME_ZONE, zone_of

LOOK_REQUESTED = "look_requested"  # the kind of the message that asks a person to look
MOST_DAYS = 5  # that a report names
# A `none` counts where the person had opened the page, or got a message about the desk, that long before.
READING_TIME = timedelta(seconds=10), timedelta(minutes=15)
ANSWER_TIME = timedelta(minutes=5)  # after its message an answer counts as a look
REPORTER_AGE = timedelta(days=1)  # of an account that may report
TRUSTED_LOOKS = 3
SALT_ENDS = time(0, 15)  # of the day after, in HOME_ZONE
TRUST_LASTS = timedelta(days=60)  # after the last look that gave some
_JUDGED = TRUSTED_LOOKS + 1  # looks, of which so many gave it
_UNREADABLE = 2  # of them at desks that no script reads
_SUSPENDED, _DENIED_OFTEN = timedelta(days=14), 2  # openings of a person alone that many denied at once
_KEY = "nudges:reports"
log = structlog.get_logger(__name__)


class ReportKind(StrEnum):
    """What a look saw; `unseen`: the captcha failed, an error, the page was away."""

    SLOTS = "slots"
    NONE = "none"
    UNSEEN = "unseen"


class ReportVia(StrEnum):
    """How a report arrived; an `answer` to a message opens nothing."""

    PAGE = "page"
    LINK = "link"
    TELEGRAM = "telegram"
    API = "api"
    ANSWER = "answer"


class ReportState(StrEnum):
    """What became of a report."""

    WAITING = "waiting"  # for the crawler's loop
    COUNTED = "counted"
    IDLE = "idle"  # counts for nothing: nothing was seen, or a `none` without an opening
    KEPT = "kept"  # for operators: at a desk whose slots checks see


class Report(Base):
    """One look of one person at a desk's page. Person and report part after 7 days."""

    __tablename__ = "reports"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"))
    desk_id: Mapped[str]
    kind: Mapped[ReportKind] = mapped_column(enum_column(ReportKind, "kind"))
    days: Mapped[list[date]] = mapped_column(ARRAY(sa.Date), default=list, server_default="{}")
    via: Mapped[ReportVia] = mapped_column(enum_column(ReportVia, "via"))
    seen_at: Mapped[datetime]  # the press
    opened_at: Mapped[datetime | None]  # the opening or the message that it followed in READING_TIME
    # Of its network and payers, by the salt of that day, until 00:15 also that before (api/ground/network_hashes.py).
    # Without any it is near everybody.
    networks: Mapped[Hashes]
    state: Mapped[ReportState] = word_column(ReportState.WAITING, "state")
    is_trusted: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # the person, then
    corroborates_id: Mapped[UUID | None]  # the other person's report that it corroborated
    opening_id: Mapped[UUID | None]  # the first report of the opening that it saw
    detection_id: Mapped[
        UUID | None
    ]  # that it made: this report and that which it corroborates carry the telling

    __table_args__ = (
        sa.CheckConstraint(f"cardinality(days) <= {MOST_DAYS}", name="days"),
        sa.CheckConstraint("opened_at < seen_at", name="opened_before"),
        sa.Index("ix_reports_waiting", "id", postgresql_where=sa.text("state = 'waiting'")),
        sa.Index("ix_reports_desk_id_seen_at", "desk_id", "seen_at"),
        sa.Index("ix_reports_user_id_seen_at", "user_id", "seen_at"),
        sa.Index(
            "ix_reports_detection_id", "detection_id", postgresql_where=sa.text("detection_id IS NOT NULL")
        ),
    )


class PageOpening(Base):
    """When a person opened a desk's page by our redirect. Kept for a day."""

    __tablename__ = "page_openings"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    desk_id: Mapped[str]
    opened_at: Mapped[datetime]
    networks: Mapped[Hashes]  # as of reports: a chat that reports then has none of its own

    __table_args__ = (
        sa.Index("ix_page_openings_user_id_desk_id_opened_at", "user_id", "desk_id", "opened_at"),
        sa.Index("ix_page_openings_opened_at", "opened_at"),
    )


class NetworkSalt(Base):
    """The salt of a day's hashes of networks. That of yesterday goes at 00:15."""

    __tablename__ = "network_salts"

    day: Mapped[date] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column(sa.LargeBinary)


class Reporter(Base):
    """What an operator decided about a person who reports: named as trusted, or ended."""

    __tablename__ = "reporters"

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    named_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None]

    __table_args__ = (
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_with_reason"),
    )


class VouchKind(StrEnum):
    """What others say of a look that saw slots."""

    SHARED = "shared"  # a check, or another, trusted person, saw them too
    DISPROVED = "disproved"  # checks before and after proved that there were none
    DENIED = "denied"  # two looks denied what it told to all, and nobody else saw it
    DENIED_WIDELY = "denied_widely"  # so did five people who were told, at once


class Vouch(Base):
    """What others say of a look of a person; `voucher_id`: another, trusted person who saw the same.

    `opening_id` keeps one opening from counting twice, and goes when person and report part: what is left says neither
    desk nor hour.
    """

    __tablename__ = "vouches"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    voucher_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    vouched_on: Mapped[date]
    opening_id: Mapped[UUID | None]
    kind: Mapped[VouchKind] = word_column(VouchKind.SHARED, "kind")

    __table_args__ = (
        sa.UniqueConstraint("user_id", "opening_id"),
        sa.Index("ix_vouches_voucher_id", "voucher_id"),
        sa.Index("ix_vouches_vouched_on", "vouched_on"),
    )


def list_salt_days(now: datetime) -> Iterator[date]:
    """Yield the days whose salts are kept."""
    here = now.astimezone(zone_of(HOME_ZONE))
    yield here.date()
    if here.time() < SALT_ENDS:
        yield here.date() - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trust:
    """How far a person's reports are believed."""

    looks: int  # at openings that others saw too
    last_on: date | None  # of them, or the day on which an operator named the person
    is_named: bool  # by an operator
    ended_because: str | None
    is_operator: bool

    @property
    def is_trusted(self) -> bool:
        """Whether a report of this person alone is announced to all subscribers of the desk."""
        is_fresh = self.last_on is not None and self.last_on > (clock() - TRUST_LASTS).date()
        has_earned = is_fresh and (self.is_named or self.looks >= TRUSTED_LOOKS)
        return self.ended_because is None and (self.is_operator or has_earned)


class WeighedLook(NamedTuple):
    """What others say of a look; `is_unreadable`: at a desk that no script reads, where another person vouches."""

    kind: VouchKind
    on: date
    is_unreadable: bool


def weigh_looks(looks: Sequence[WeighedLook], today: date) -> tuple[int, date | None]:
    """Return how many looks give trust, and the day of the last of them; the oldest first.

    They are those that others shared, among the newest four that were shared or disproved within TRUST_LASTS; of desks
    that a script reads, one at most. None are left while two openings that nobody else saw were denied widely within
    _SUSPENDED.
    """
    denied = [each for each in looks if each.kind is VouchKind.DENIED_WIDELY and each.on > today - _SUSPENDED]
    judged = [each for each in looks if each.kind in (VouchKind.SHARED, VouchKind.DISPROVED)]
    fresh = [each for each in judged if each.on > today - TRUST_LASTS][-_JUDGED:]
    shared = [each for each in fresh if each.kind is VouchKind.SHARED]
    unreadable = sum(each.is_unreadable for each in shared)
    counted = unreadable + min(len(shared) - unreadable, TRUSTED_LOOKS - _UNREADABLE)
    return (0 if len(denied) >= _DENIED_OFTEN else counted), max((each.on for each in shared), default=None)


def read_trust(session: Session, user_ids: Collection[UUID]) -> dict[UUID, Trust]:
    """Return by id how far people are trusted."""
    today = clock().date()
    lately = sa.and_(Vouch.user_id == User.id, Vouch.vouched_on > today - TRUST_LASTS)
    query = (
        sa.select(
            User.id, User.role, Reporter.named_at, Reporter.ended_because,
            sa.func.array_agg(aggregate_order_by(Vouch.kind, Vouch.vouched_on, Vouch.id)),
            sa.func.array_agg(aggregate_order_by(Vouch.vouched_on, Vouch.vouched_on, Vouch.id)),
            sa.func.array_agg(aggregate_order_by(Vouch.voucher_id.is_not(None), Vouch.vouched_on, Vouch.id)),
        )
        .outerjoin(Reporter, Reporter.user_id == User.id)
        .outerjoin(Vouch, lately)
        .where(is_any_of(User.id, user_ids))
        .group_by(User.id, Reporter.user_id)
    )  # fmt: skip
    trust = {}
    for key, role, named_at, ended_because, *of_looks in session.execute(query):
        weighed = [WeighedLook(VouchKind(kind), *more) for kind, *more in zip(*of_looks, strict=True) if kind]
        looks, last = weigh_looks(weighed, today)
        days = [each for each in (last, named_at and named_at.date()) if each]
        named, is_operator = named_at is not None, role.is_operator
        trust[key] = Trust(looks, max(days, default=None), named, ended_because, is_operator)
    return trust


def ask_read_reports() -> None:
    """Have waiting reports read now; the loop finds them within a second where Redis is away."""
    try:
        if not redis().llen(_KEY):
            redis().rpush(_KEY, 1)
    except RedisError as error:
        log.warning("not nudged, the loop will", what="reports", because=type(error).__name__)


def wait_for_reports(client: Redis, seconds: float) -> None:
    """Return at the next nudge, or after so many seconds.

    Raises:
        redis.RedisError: Redis is away.
    """
    if client.blpop([_KEY], seconds):
        client.delete(_KEY)
