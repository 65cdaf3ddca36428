"""The rule of retention of each table: what takes its rows away, or why they stay.

A new table without a rule fails a test. `apply_rules` deletes by these rules each night (docs/privacy.md).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from api.auth.mailbox_claims import drop_former_addresses
from api.ground.separate_parts import do_each
from api.models.alert import Alert
from api.models.all import RECORDS
from api.models.appointment import Appointment
from api.models.audit import AuditEntry
from api.models.base import Base, first_id_at, session, write_once
from api.models.check import CheckDay
from api.models.contact_lookup import PhoneCode, TelegramLink
from api.models.desk import Outage, Publication
from api.models.login import Login, PendingRegistration
from api.models.notification import Notice
from api.models.organisation import NOTICE_PERIOD, Member, Organisation, WatchedDay
from api.models.organisation_access import OrganisationKey, Webhook, WebhookDelivery
from api.models.payment import Payment, Referral, Subscription
from api.models.provider_event import ProviderEvent
from api.models.report import PageOpening, Report
from api.models.support import SupportRequest
from api.models.user import Channel, Contact, Grant, Role, User
from api.privacy.retention_batches import (
    change_in_batches,
    drop_gone_slots,
    erase_declarations,
    forget_givers,
    forget_wishes,
)
from api.reports.service import drop_lapsed_trust, part_reports
from api.users.push_devices import drop_ended_devices
from configs.ground.clock import clock
from configs.ground.signing import LINK_SECONDS
from configs.world.retention import (
    UNVERIFIED_KEPT_FOR,
    login_kept_for,
    messages_kept_for,
    receipts_kept_for,
    support_kept_for,
)

_YEARS = 10  # from the end of the year, as the books (article L.123-22 of the Code de commerce)
_AUDIT_KEPT_FOR = sa.text("interval '3 years'")  # by the server's clock, as its trigger
_YEAR, _DAY = timedelta(days=365), timedelta(days=1)
_LINKS_WORK_FOR = timedelta(seconds=LINK_SECONDS)
Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows go each night once they are old."""

    is_old: Callable[[datetime], Condition]  # of a row, by now


@dataclass(frozen=True, slots=True)
class DroppedBy:
    """A function that each night takes the rows, or what is old in them; or another job or program that does."""

    how: Callable[[], int] | str


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Rows go with a row of another table, by their foreign key."""

    table: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows stay for the reason given; the table grows with what it names, or has a row for each."""

    because: str


Rule = Dropped | DroppedBy | OwnedBy | Kept


def _was_never_confirmed(now: datetime) -> Condition:
    """Return the condition of an account no address of which was confirmed within UNVERIFIED_KEPT_FOR.

    Another registration of the address begins the time anew. An account that ever had a plan or an order stays.
    """
    oldest, confirmed = now - UNVERIFIED_KEPT_FOR, aliased(Contact)
    waiting = sa.select(Contact.user_id).where(
        Contact.channel == Channel.EMAIL, Contact.verified_at.is_(None), Contact.created_at < oldest
    )
    kept_by = (
        sa.select(confirmed.id).where(confirmed.user_id == User.id, confirmed.verified_at.is_not(None)),
        # by name: its password hashes are none of this program's
        sa.select(PendingRegistration.id).where(
            PendingRegistration.user_id == User.id, PendingRegistration.created_at >= oldest
        ),
        *(sa.select(each.id).where(each.user_id == User.id) for each in (Payment, Subscription, Grant)),
    )
    never = (User.id.in_(waiting), User.role == Role.USER, *(~reason.exists() for reason in kept_by))
    return sa.and_(*never)


def _ended_long_ago(now: datetime) -> Condition:
    """Return the condition that a login has been over for LOGIN_KEPT_FOR."""
    oldest = now - login_kept_for()
    return sa.or_(Login.expires_at < oldest, Login.ended_at < oldest)


def find_books_begin(now: datetime) -> datetime:
    """Return the first instant of the oldest year whose books are still kept."""
    return datetime(now.year - _YEARS, 1, 1, tzinfo=UTC)


def _drop_check_days() -> int:
    """Delete totals of days as old as no books are; day by day: a row for each desk, so that a transaction is small."""
    before, dropped = find_books_begin(clock()).date(), 0
    while True:
        with session() as s:
            oldest = s.scalar(sa.select(sa.func.min(CheckDay.day)))
            if oldest is None or oldest >= before:
                return dropped
            gone = cast("sa.CursorResult[Any]", s.execute(sa.delete(CheckDay).where(CheckDay.day == oldest)))
            dropped += gone.rowcount


def _drop_watched_days() -> int:
    """Delete the hours that organisations used two years ago: their sums are on invoices."""
    old = sa.delete(WatchedDay).where(WatchedDay.day < (clock() - 2 * _YEAR).date())
    with session() as s:
        return cast("sa.CursorResult[Any]", s.execute(old)).rowcount


_BOOKS = Kept("the books of payments are kept for ten years from the end of their year: C. com. L.123-22")
_FIGURES = Kept("a few rows for each day or month: sums that name nobody")
_TROUBLES = Kept("a few rows a day: the history of troubles")
_STATE = Kept("a row for each desk, host, job or part: the next state replaces it")

RULES: dict[str, Rule] = {
    # Accounts
    "users": Dropped(_was_never_confirmed),  # and by end_unused_accounts
    "contacts": DroppedBy(partial(write_once, drop_ended_devices)),  # the others with their users
    "contacts.former_address": DroppedBy(partial(write_once, drop_former_addresses)),
    "grants": OwnedBy("users"),
    "identities": OwnedBy("users"),
    "logins": Dropped(_ended_long_ago),
    "registrations": Dropped(lambda now: PendingRegistration.created_at < now - 2 * _LINKS_WORK_FOR),
    # No daily limit counts them any more
    "phone_codes": Dropped(lambda now: PhoneCode.created_at <= now - _DAY),
    "telegram_links": Dropped(lambda now: TelegramLink.expires_at <= now),
    "support_requests": Dropped(lambda now: SupportRequest.created_at < now - support_kept_for()),
    "exports": DroppedBy("drop_exports"),
    "audit": Dropped(lambda now: AuditEntry.at < sa.func.least(now, sa.func.now()) - _AUDIT_KEPT_FOR),
    # Alerts
    # closed a year ago; those of an order stay with its books
    "alerts": Dropped(
        lambda now: (Alert.closed_at < now - _YEAR) & ~sa.exists().where(Payment.alert_id == Alert.id)
    ),
    "alert_targets": OwnedBy("alerts"),
    "appointments": Dropped(lambda now: Appointment.dropped_at <= now),
    # What is watched
    "desks": _STATE,
    "hosts": _STATE,
    "desk_changes": DroppedBy("planner"),
    "outages": Dropped(lambda now: Outage.ends_at < find_books_begin(now)),
    # The seasons of three years
    "publications": Dropped(lambda now: Publication.released_at < now - 3 * _YEAR),
    "incidents": _TROUBLES,
    "checks": DroppedBy("keep_partitions"),
    "check_days": DroppedBy(_drop_check_days),
    "slots": DroppedBy(drop_gone_slots),
    "detections": Kept("one for each opening: the openings of a desk, and what alerts were matched with"),
    "detection_slots": OwnedBy("slots"),
    "candidates": Kept(
        "a row for each booking page; who gave one is forgotten with the account, or a year after"
    ),
    "candidates.user_id": DroppedBy(forget_givers),
    "reports": Dropped(lambda now: Report.seen_at < now - _YEAR),
    "reports.user_id": DroppedBy(partial(write_once, part_reports)),
    "page_openings": Dropped(lambda now: PageOpening.opened_at < now - _DAY),
    "network_salts": DroppedBy("planner"),
    "reporters": OwnedBy("users"),
    "vouches": DroppedBy(partial(write_once, drop_lapsed_trust)),
    "discovery_runs": Kept("one a day"),
    "desk_links": Kept("the links to each desk's page, as the last walks saw them"),
    "drifts": _TROUBLES,
    # Organisations
    "organisations": Dropped(lambda now: Organisation.ended_at < now - 5 * _YEAR),  # as claims
    "watched_days": DroppedBy(_drop_watched_days),
    # an invitation ends with its link, an accepted one with the membership
    "organisation_members": Dropped(
        lambda now: Member.user_id.is_(None) & (Member.created_at <= now - NOTICE_PERIOD)
    ),
    "beneficiaries": OwnedBy("users"),
    "organisation_keys": Dropped(lambda now: OrganisationKey.ended_at < now - _YEAR),
    "webhooks": Dropped(lambda now: Webhook.ended_at < now - _YEAR),
    "webhook_deliveries": Dropped(lambda now: WebhookDelivery.created_at < now - 30 * _DAY),
    # Messages
    "matches": OwnedBy("alerts"),
    "notifications": Kept(
        "one for each message until its account is deleted; apply_retention takes the texts"
    ),
    "announcements": Kept("a few a year: what was announced to many, and to how many"),
    "notices": Dropped(lambda now: Notice.id < first_id_at(now - messages_kept_for())),
    "answers": OwnedBy("matches"),
    "provider_events": Dropped(lambda now: ProviderEvent.received_at < now - receipts_kept_for()),
    "delivery_figures": _FIGURES,
    # Money
    "payments": _BOOKS,
    "payments.alert_wish": DroppedBy(forget_wishes),  # of orders that were not paid; made, it goes at once
    "declarations": DroppedBy(erase_declarations),  # the words; the rest is of the books
    "invoices": _BOOKS,
    "invoice_counters": _FIGURES,
    "invoice_gaps": _BOOKS,
    "payment_events": _BOOKS,
    "book_transactions": _BOOKS,
    "book_lines": _BOOKS,
    "payment_differences": _BOOKS,
    "plan_credits": _BOOKS,
    "refunds": _BOOKS,
    "stripe_events": _BOOKS,
    "stripe_commands": Kept("what Stripe is to do, until it has answered"),
    "stripe_ids": _BOOKS,
    "subscriptions": _BOOKS,
    "unwatched": _BOOKS,
    "watch_credits": _BOOKS,
    # The year that bounds them is over
    "referrals": Dropped(lambda now: Referral.created_at < now - 2 * _YEAR),
    "former_customers": DroppedBy("drop_former_customers"),
    # The programs themselves
    "jobs": _STATE,
    "backup_states": _STATE,
    "alembic_version": _STATE,
    "key_values": _STATE,
}
_TABLES: dict[str, type[Base]] = {each.__tablename__: each for each in RECORDS}


def apply_rules() -> dict[str, int]:
    """Take what is old; return how many rows by table, those without any left out, and how many rules failed."""
    counts: dict[str, int] = {}

    def apply(part: tuple[str, Callable[[], int]]) -> None:
        name, drop = part
        if dropped := drop():
            counts[name] = dropped

    _done, failed = do_each("apply_retention", _list_drops(), apply)
    return counts | {"failed": failed}


def _list_drops() -> Iterator[tuple[str, Callable[[], int]]]:
    now = clock()
    for name, rule in RULES.items():
        if isinstance(rule, Dropped):
            (key,) = sa.inspect(_TABLES[name]).mapper.primary_key
            column = _TABLES[name].__mapper__.get_property_by_column(key).class_attribute
            yield name, partial(change_in_batches, sa.delete(_TABLES[name]), column, rule.is_old(now))
        elif isinstance(rule, DroppedBy) and callable(rule.how):
            yield name, rule.how
