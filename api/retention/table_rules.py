"""The rule of retention of each table: what takes its rows away, or why they stay.

A new table without a rule fails a test. A table of the database that is not here is reported to the operators, and so
is one that holds what its rule does not allow (api/retention/table_growth.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.models.appointment import Appointment
from api.models.audit import AuditEntry
from api.models.check import Check
from api.models.check_day import CheckDay
from api.models.contact_linking import PhoneCode, TelegramLink
from api.models.desk import DeskChange, DeskState, Outage
from api.models.export import Export
from api.models.former_customer import FormerCustomer
from api.models.login import Login, PendingRegistration
from api.models.notice import Notice
from api.models.provider_event import ProviderEvent
from api.models.slot import SlotRow
from api.models.support import SupportRequest
from api.paging import first_id_at
from api.retention.watch_records import CLOSED_KEPT_FOR, was_closed_before
from configs.ground.signed_links import LINK_SECONDS
from configs.world.retention import (
    CHECKS_KEPT_FOR,
    LOGIN_KEPT_FOR,
    MESSAGES_KEPT_FOR,
    RECEIPTS_KEPT_FOR,
    SLOTS_KEPT_FOR,
    SUPPORT_KEPT_FOR,
)

_TEN_YEARS = timedelta(days=11 * 366)  # from the end of the year
_YEAR, _DAY = timedelta(days=365), timedelta(days=1)
PLANNER = "planner"


@dataclass(frozen=True, slots=True)
class DroppedByAge:
    """Rows go by a job once they are old."""

    job: str  # of the schedule, or PLANNER
    get_kept_for: Callable[[], timedelta]
    is_older: Callable[[datetime], sa.ColumnElement[bool]]  # the condition of a row from before an instant


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Rows go with a row of another table, by their foreign key."""

    table: str


@dataclass(frozen=True, slots=True)
class AtMost:
    """Rows are replaced or end soon: their number is bounded by what there is one for."""

    rows: int
    because: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows stay for the reason given; the table grows with what it names."""

    because: str


Rule = DroppedByAge | OwnedBy | AtMost | Kept


def _has_older_slot(limit: datetime) -> sa.ColumnElement[bool]:
    """Look at the oldest gone slot of each desk: their index is in the order of desks."""
    oldest = sa.select(SlotRow.id).where(SlotRow.desk_id == DeskState.id, SlotRow.gone_at.is_not(None))
    each = oldest.order_by(SlotRow.gone_at).limit(1).correlate(DeskState).lateral()
    ids = sa.select(each.c.id).select_from(DeskState).join(each, sa.true())
    return sa.and_(SlotRow.id.in_(ids), SlotRow.gone_at < limit)


_BOOKS = Kept("the books of payments are kept for ten years from the end of their year: C. com. L.123-22")
_FIGURES = Kept("a few rows for each day or month: sums that name nobody")
_TROUBLES = Kept("a few rows a day: the history of troubles")

TABLE_RULES: dict[str, Rule] = {
    # Accounts
    "users": Kept("one for each account; drop_unverified_accounts and end_unused_accounts delete the others"),
    "contacts": OwnedBy("users"),
    "contact_lookups": OwnedBy("contacts"),
    "grants": OwnedBy("users"),
    "logins": DroppedByAge(
        "drop_old_logins",
        LOGIN_KEPT_FOR,
        lambda limit: sa.or_(Login.expires_at < limit, Login.ended_at < limit),
    ),
    "registrations": DroppedByAge(
        "drop_old_logins",
        lambda: timedelta(seconds=2 * LINK_SECONDS),
        lambda limit: PendingRegistration.created_at < limit,
    ),
    "recovery_codes": OwnedBy("users"),
    "phone_codes": DroppedByAge("drop_old_codes", lambda: _DAY, lambda limit: PhoneCode.created_at < limit),
    "telegram_links": DroppedByAge(
        "drop_old_codes", timedelta, lambda limit: TelegramLink.expires_at < limit
    ),
    "support_requests": DroppedByAge(
        "drop_support_requests",
        SUPPORT_KEPT_FOR,
        lambda limit: SupportRequest.created_at < limit,
    ),
    "exports": DroppedByAge("drop_exports", timedelta, lambda limit: Export.expires_at < limit),
    "audit": DroppedByAge("drop_audit", lambda: 3 * _YEAR + _DAY, lambda limit: AuditEntry.at < limit),
    # Alerts
    "alerts": DroppedByAge("drop_closed_alerts", lambda: CLOSED_KEPT_FOR, was_closed_before),
    "alert_targets": OwnedBy("alerts"),
    "appointments": DroppedByAge(
        "drop_appointments", timedelta, lambda limit: Appointment.dropped_at < limit
    ),
    # What is watched
    "desks": AtMost(50_000, "one for each desk of the files"),
    "hosts": AtMost(50_000, "one for each host of the files"),
    "desk_changes": DroppedByAge(PLANNER, lambda: _DAY, lambda limit: DeskChange.created_at < limit),
    "outages": DroppedByAge("drop_watch_records", lambda: _TEN_YEARS, lambda limit: Outage.ends_at < limit),
    "incidents": _TROUBLES,
    "checks": DroppedByAge("keep_partitions", CHECKS_KEPT_FOR, lambda limit: Check.started_at < limit),
    "check_days": DroppedByAge(
        "drop_watch_records", lambda: _TEN_YEARS, lambda limit: CheckDay.day < limit.date()
    ),
    "slots": DroppedByAge("drop_gone_slots", SLOTS_KEPT_FOR, _has_older_slot),
    "detections": Kept("one for each opening: the openings of a desk, and what alerts were matched with"),
    "detection_slots": OwnedBy("slots"),
    "discovery_runs": Kept("one a day"),
    "desk_links": AtMost(500_000, "the links to each desk's page, as the last walks saw them"),
    "drifts": _TROUBLES,
    # Messages
    "matches": OwnedBy("alerts"),
    "match_parts": AtMost(100_000, "a crowd's parts until they are matched"),
    "notifications": Kept(
        "one for each message until its account is deleted; erase_messages takes the texts"
    ),
    "notices": DroppedByAge("drop_notices", MESSAGES_KEPT_FOR, lambda limit: Notice.id < first_id_at(limit)),
    "answers": OwnedBy("matches"),
    "answer_figures": _FIGURES,
    "slot_lives": _FIGURES,
    "figure_cursors": AtMost(100, "one for each figure"),
    "provider_events": DroppedByAge(
        "drop_receipts", RECEIPTS_KEPT_FOR, lambda limit: ProviderEvent.received_at < limit
    ),
    "delivery_days": _FIGURES,
    "delivery_figures": _FIGURES,
    # Money
    "payments": _BOOKS,
    "declarations": _BOOKS,
    "invoices": _BOOKS,
    "invoice_counters": _FIGURES,
    "payment_events": _BOOKS,
    "book_transactions": _BOOKS,
    "book_lines": _BOOKS,
    "payment_differences": _BOOKS,
    "plan_credits": _BOOKS,
    "refunds": _BOOKS,
    "stripe_events": _BOOKS,
    "stripe_commands": AtMost(100_000, "what Stripe is to do, until it has answered"),
    "stripe_ids": _BOOKS,
    "subscriptions": _BOOKS,
    "unwatched": _BOOKS,
    "watch_credits": _BOOKS,
    "former_customers": DroppedByAge(
        "drop_former_customers", lambda: _YEAR, lambda limit: FormerCustomer.dropped_at < limit
    ),
    # The programs themselves
    "jobs": AtMost(100, "one for each job"),
    "backup_states": AtMost(100, "one for each part"),
    "alembic_version": AtMost(1, "the revision"),
}
