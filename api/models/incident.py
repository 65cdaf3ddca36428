"""Incidents: a host, a desk or our own operations in trouble, from its beginning to its end."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.discovery import DriftReason

# A trouble that returns within this time is the same one and is notified once
INCIDENT_QUIET_SECONDS = 600

# An alarm that may have to go out once more.
UNANSWERED = "alarm_kind IS NOT NULL AND repeated_at IS NULL AND acknowledged_at IS NULL"


class IncidentReason(StrEnum):
    """Reasons of incidents: outcomes, the reasons of a drift (api/models/discovery.py), then those of operations."""

    CAPTCHA = "captcha"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    UNLINKED = "unlinked"
    SILENT = "silent"
    HORIZON = "horizon"  # the last check saw moments that lie beyond the desk's horizon
    FORBIDDEN = "forbidden"  # robots.txt forbids pages that we ask for
    PART_DOWN = "part_down"  # of health
    PART_DEGRADED = "part_degraded"
    PROVIDER_DOWN = "provider_down"
    OLD_QUEUE = "old_queue"
    QUOTA = "quota"
    LOW_DELIVERY = "low_delivery"
    SPAM_REPORTS = "spam_reports"
    DEAD_LETTERS = "dead_letters"
    HELD_BOUNCES = "held_bounces"
    SMS_CEILING = "sms_ceiling"
    MAIL_CEILING = "mail_ceiling"  # half of STRANGER_MAILS_A_DAY left
    FAILURES_RISING = "failures_rising"
    FRAUD_WARNING = "fraud_warning"
    REFUND_BLOCKED = "refund_blocked"  # Stripe does not know what it shall refund: account or key is wrong
    FALSE_ALARMS = "false_alarms"  # that people reported of a desk
    SELF_CHECK = "self_check"  # a query of the night that must give no row gave some

    @property
    def of_desk(self) -> bool:
        """Whether it concerns one page and not its host: that page no longer takes bookings."""
        return self is IncidentReason.CLOSED or self.value in set(DriftReason)

    @property
    def of_operations(self) -> bool:
        """Whether it concerns our own operations, no site: api/admin/health finds and ends it."""
        return self in _OF_OPERATIONS

    @property
    def of_moment(self) -> bool:
        """Whether it happens at one moment and does not last: its acknowledgement ends it."""
        return self in _OF_MOMENT


_OF_MOMENT = frozenset(
    {
        IncidentReason.SMS_CEILING,
        IncidentReason.MAIL_CEILING,
        IncidentReason.FAILURES_RISING,
        IncidentReason.FRAUD_WARNING,
        IncidentReason.REFUND_BLOCKED,
        IncidentReason.FALSE_ALARMS,
        IncidentReason.SELF_CHECK,
    }
)
OF_HEALTH = frozenset(  # found by the list of health checks
    {
        IncidentReason.PART_DOWN,
        IncidentReason.PART_DEGRADED,
        IncidentReason.PROVIDER_DOWN,
        IncidentReason.OLD_QUEUE,
        IncidentReason.QUOTA,
        IncidentReason.LOW_DELIVERY,
        IncidentReason.SPAM_REPORTS,
        IncidentReason.DEAD_LETTERS,
        IncidentReason.HELD_BOUNCES,
        IncidentReason.SMS_CEILING,
        IncidentReason.MAIL_CEILING,
    }
)
_OF_OPERATIONS = _OF_MOMENT | OF_HEALTH


class Incident(Base):
    """One trouble of one subject: a host (`name:port`), whose desks share it, a desk, a provider, a queue, a payment.

    `seen_at`: when it was last true. It ends there after it has not returned for a while, so that flapping is one
    incident. `told_at`: operators were notified. `over_at`: subscribers who knew of an unwatched desk were notified
    that it is watched again.
    Its alarm asks for acknowledgement: `alarm_kind` and `alarm_params` are the kind and the values of its messages,
    `repeated_at` is when it went out once more, `acknowledged_at` when the first operator acknowledged it.
    """

    __tablename__ = "incidents"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    subject: Mapped[str]
    reason: Mapped[IncidentReason] = mapped_column(enum_column(IncidentReason, "reason"))
    starts_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    over_at: Mapped[datetime | None]
    alarm_kind: Mapped[str | None]
    alarm_params: Mapped[dict[str, Any] | None]
    repeated_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
        sa.Index(
            "uq_incidents_open", "subject", "reason", unique=True, postgresql_where=sa.text("ends_at IS NULL")
        ),
        sa.CheckConstraint("(alarm_kind IS NULL) = (alarm_params IS NULL)", name="alarm"),
        sa.Index("ix_incidents_ends_at", "ends_at", postgresql_where=sa.text("over_at IS NULL")),
        sa.Index("ix_incidents_unanswered", "told_at", postgresql_where=sa.text(UNANSWERED)),
    )
