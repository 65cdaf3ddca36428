"""State of desks and hosts, outages, and changes for the planner. A desk's definition is its YAML file."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, word_column
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import host_rules


class DeskStatus(StrEnum):
    """What a subscriber may expect of a desk, best first."""

    ACTIVE = "ACTIVE"
    CAPTCHA = "CAPTCHA"
    PAUSED = "PAUSED"
    ERROR = "ERROR"


class DeskState(Base):
    """One row per desk that was ever scheduled or checked. Intervals are in seconds."""

    __tablename__ = "desks"

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[DeskStatus] = word_column(DeskStatus.PAUSED, "status")
    status_reason: Mapped[str] = mapped_column(default="not checked yet", server_default="not checked yet")
    # counts claims: a result with an older token changes no slot
    last_token: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    last_check_at: Mapped[datetime | None]
    last_outcome: Mapped[Outcome | None] = mapped_column(enum_column(Outcome, "last_outcome"))
    last_proven_at: Mapped[datetime | None]  # the last conclusive check
    # the one before, if its watch was not lost in between; of the first ever that one itself
    proven_before_at: Mapped[datetime | None]
    last_slot_at: Mapped[datetime | None]
    # inconclusive checks in a row
    inconclusive: Mapped[int] = mapped_column(default=0, server_default="0")
    wished_seconds: Mapped[float | None]
    # interval that the host's budget allows while all its desks show slots, which takes more requests: the promise
    feasible_seconds: Mapped[float | None]
    # interval that the host's budget allows by the recent cost of visits: the schedule
    share_seconds: Mapped[float | None]
    achieved_seconds: Mapped[float | None]
    slowest_seconds: Mapped[float | None]  # the promise once all desks of the host are waited for
    fast_since: Mapped[datetime | None]  # since when it wishes to be asked more often than at the heartbeat
    check_requested_at: Mapped[datetime | None]
    order_check_at: Mapped[datetime | None]  # when the page of an order last requested one
    refused_at: Mapped[datetime | None]  # the last plain 403 of its page alone
    # the instant since which all its places were covered at least once (crawler/recording/desk_state_update.py)
    whole_at: Mapped[datetime | None]
    coverage: Mapped[dict[str, Any] | None]  # covered windows by place; null where one check covers all
    visit_requests: Mapped[float | None]  # recent cost of a visit, in requests
    open_requests: Mapped[float | None]  # recent cost of a visit that saw slots
    releases_at: Mapped[datetime | None]  # when its page announces more slots
    # its booking system's queue, by HTTP or by browser; null where it is not scheduled
    due_queue: Mapped[str | None]
    paused_at: Mapped[datetime | None]  # since when an operator has it not checked
    pause_reason: Mapped[str | None]  # the operator's
    # Of stale addresses: the last probe, days on which one proved the page, the last of them, probes in a row that
    # found it gone, since when it is checked like others, and the titles of its pages.
    probed_at: Mapped[datetime | None]
    proven_days: Mapped[int] = mapped_column(default=0, server_default="0")
    proven_on: Mapped[date | None]
    gone_probes: Mapped[int] = mapped_column(default=0, server_default="0")
    tried_at: Mapped[datetime | None]
    page_title: Mapped[str | None]
    forbidden_at: Mapped[datetime | None]  # since when its host's robots.txt forbids its page

    __table_args__ = (
        sa.CheckConstraint("inconclusive >= 0", name="inconclusive"),
        sa.CheckConstraint("(paused_at IS NULL) = (pause_reason IS NULL)", name="pause"),
        sa.Index(
            "ix_desks_check_requested_at",
            "check_requested_at",
            postgresql_where=sa.text("check_requested_at IS NOT NULL"),
        ),
    )


class HostState(Base):
    """A host's blocks and rests, kept here because Redis may be emptied. A host is a name and a port.

    `rests_in_a_row` counts rests until they are forgotten. `budget_share` is the part of its budget in use.
    `calm_since` is the first conclusive answer after its last rest (null: none yet). `stopped_at` is the operator's
    kill switch. `robots_text` is robots.txt as it was read last, whole, at `robots_read_at` (null: never); it is empty
    where there is none. `robots_error` is why the last attempt, at `robots_asked_at`, did not read it.
    """

    __tablename__ = "hosts"

    host: Mapped[str] = mapped_column(primary_key=True)
    rests_until: Mapped[datetime | None]
    rest_reason: Mapped[str | None]
    rests_in_a_row: Mapped[int] = mapped_column(default=0, server_default="0")
    budget_share: Mapped[float] = mapped_column(default=1.0, server_default="1")
    calm_since: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str | None]
    robots_asked_at: Mapped[datetime | None]
    robots_read_at: Mapped[datetime | None]
    robots_text: Mapped[str | None] = mapped_column(deferred=True)
    robots_error: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    __table_args__ = (
        sa.CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name="stop"),
        sa.CheckConstraint("budget_share > 0 AND budget_share <= 1", name="budget_share"),
        sa.CheckConstraint("rests_in_a_row >= 0", name="rests_in_a_row"),
    )


class OutageReason(StrEnum):
    """Why a desk was not watched; `unreachable` and `unreadable` from the pause on.

    `stopped`: an operator stopped its host or paused the desk.
    """

    CAPTCHA = "captcha"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    STOPPED = "stopped"


class Outage(Base):
    """A time in which a desk was not watched. It ends with the first conclusive check, or when the host is resumed.

    A desk has at most one open outage. When the reason changes, one ends and the next begins at the same instant.
    """

    __tablename__ = "outages"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str] = mapped_column(sa.ForeignKey("desks.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    reason: Mapped[OutageReason] = mapped_column(enum_column(OutageReason, "reason"))

    __table_args__ = (
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
        sa.Index("uq_outages_open", "desk_id", unique=True, postgresql_where=sa.text("ends_at IS NULL")),
        sa.Index("ix_outages_desk_id_starts_at", "desk_id", "starts_at"),
        sa.Index("ix_outages_ends_at", "ends_at"),
    )


class Source(StrEnum):
    """Where a slot, a detection or a release was seen: by a check, or in what people report."""

    CHECK = "check"
    REPORT = "report"


class Publication(Base):
    """A release of slots that a desk's page names, past or to come, and the days of its slots. Nothing of a person."""

    __tablename__ = "publications"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str] = mapped_column(sa.ForeignKey("desks.id"))
    released_at: Mapped[datetime]
    first_day: Mapped[date]
    last_day: Mapped[date]
    source: Mapped[Source] = mapped_column(enum_column(Source, "source"), default=Source.CHECK)
    seen_at: Mapped[datetime]  # for the first time
    seen_last_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("last_day >= first_day AND seen_last_at >= seen_at", name="order"),
        sa.UniqueConstraint("desk_id", "released_at", "first_day"),
        sa.Index("ix_publications_released_at", "released_at"),
    )


def is_current() -> sa.ColumnElement[bool]:
    """Return the condition that no later check of a publication's desk proved something without naming it."""
    return sa.or_(DeskState.last_proven_at.is_(None), Publication.seen_last_at >= DeskState.last_proven_at)


def is_forbidden(desk: Desk, forbidden_at: datetime | None) -> bool:
    """Return whether a robots.txt that forbids a desk since then counts: nobody allowed its host on a later day."""
    rule = host_rules().get(desk.host)
    return forbidden_at is not None and not (rule and rule.allows_after(forbidden_at.date()))


class DeskChange(Base):
    """A line for the planner: this desk needs a new plan. It is written in the transaction of the change."""

    __tablename__ = "desk_changes"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
