"""Database roles of the programs: who owns the tables, and the rights of each program, decided here alone.

A role has no login. Logins are members of one (api/migrations/logins.py). `rdvpriority_migrations` owns everything, so
that neither a program nor the login that migrates does, and functions that act for a program are no superuser's.

RIGHTS has them by table, as GRANT names them. A program that is not named has none. `SELECT (a, b)` is of these columns
only; columns are named where a program may see, or write, a part of what a person is. That of the backups reads all
tables besides (pg_read_all_data). docs/database-roles.md
"""

import re
from collections.abc import Iterable, Iterator
from typing import get_args

import sqlalchemy as sa

from configs.settings.common import DatabaseProgram, Program

OWNER = "rdvpriority_migrations"
PROGRAMS: tuple[DatabaseProgram, ...] = get_args(DatabaseProgram)
_GRANT = re.compile(r"(\w+)(?: \(([^)]*)\))?(?:, |$)")
_COLUMNS = sa.text("""
SELECT c.relname, array_agg(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attnum > 0 AND NOT a.attisdropped
GROUP BY c.relname ORDER BY c.relname
""")
_OWN = f"""
DO $$ DECLARE each text; BEGIN
  FOR each IN SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    AND c.relkind IN ('r', 'p') AND c.relowner <> '{OWNER}'::regrole
  LOOP EXECUTE format('ALTER TABLE %%s OWNER TO {OWNER}', each); END LOOP;
  FOR each IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    AND p.proowner <> '{OWNER}'::regrole
  LOOP EXECUTE format('ALTER FUNCTION %%s OWNER TO {OWNER}', each); END LOOP;
END $$
"""  # noqa: S608 -- the name is our own


def role_of(program: DatabaseProgram) -> str:
    """Return the name of a program's role."""
    return f"rdvpriority_{program}"


def list_rights(program: DatabaseProgram, table: str) -> dict[str, tuple[str, ...] | None]:
    """Return the declared rights on a table: `SELECT` and the like, each with its columns (None: all)."""
    declared = RIGHTS[table].get(program, "")
    return {
        right: tuple(re.split(r",\s*", columns)) if columns else None
        for right, columns in _GRANT.findall(declared)
    }


def grant_rights(connection: sa.Connection) -> None:
    """Make owners and rights in a database as declared, for the tables and columns that it has by now.

    A right that is declared no more is taken away.
    """
    existing = {table: set(columns) for table, columns in connection.execute(_COLUMNS)}
    statements = [_OWN, *(each for table, columns in existing.items() for each in _grants(table, columns))]
    connection.exec_driver_sql(";\n".join(statements))


def _grants(table: str, existing: set[str]) -> Iterator[str]:
    programs = [program for program in PROGRAMS if table in RIGHTS]
    yield f"REVOKE ALL ON {table} FROM {', '.join(role_of(program) for program in PROGRAMS)}"
    for program in programs:
        granted = [_grant(right, columns, existing) for right, columns in list_rights(program, table).items()]
        if rights := [each for each in granted if each]:
            yield f"GRANT {', '.join(rights)} ON {table} TO {role_of(program)}"


def _grant(right: str, columns: Iterable[str] | None, existing: set[str]) -> str:
    """Return a right as GRANT names it; nothing where none of its columns exists yet."""
    if columns is None:
        return right
    present = [column for column in columns if column in existing]
    return f"{right} ({', '.join(present)})" if present else ""


_READ = "SELECT"
_ADD = "SELECT, INSERT"
_CHANGE = "SELECT, INSERT, UPDATE"
_KEEP = "SELECT, UPDATE, DELETE"
_DROP = "SELECT, DELETE"
_ALL = "SELECT, INSERT, UPDATE, DELETE"

# What a message asks of its recipient, before anybody reads the address.
_RECIPIENT = "id, user_id, channel, verified_at, enabled, state"
# When a user's messages leave.
_MESSAGE_TIMES = (
    "time_zone, slot_rhythm, digest_at, quiet_from, quiet_until, quiet_slots, calls_from, calls_until"
)
_REPORT_WISHES = "told_in_doubt, may_be_asked"
# Who is told of what an organisation's people wait for.
_MEMBERSHIP = "id, organisation_id, user_id, role, told_from, told_until"
_HELP = (
    "user_id, organisation_id, reference, caseworker_id, told, invited_at, consented_at, stopped_at, ends_at"
)
# A message to write, without the address of somebody who has no account.
_NEW_MESSAGE = (
    "id, user_id, contact_id, channel, kind, language, priority, params, dedupe_key, state, attempts,"
    " unknown_attempts, created_at, next_attempt_at"
)

# A notice without its text.
_NOTICE = "id, user_id, kind, language, detection_id, dedupe_key, created_at, read_at, gone_at"

RIGHTS: dict[str, dict[Program, str]] = {
    # Every program looks at start whether the tables are as new as its code.
    "alembic_version": {
        "api": _READ, "background": _READ, "crawler": _READ, "notifier": _READ, "reader": _READ,
    },
    # Accounts
    "users": {
        "api": _ALL,
        "background": (  # it ends a second factor
            "SELECT, UPDATE (stripe_customer_id, wished_page, updated_at, totp_secret, totp_confirmed_at,"
            " totp_used_step, recovery_hashes, factor_ends_at), DELETE"
        ),
        "crawler": (
            "SELECT (id, role, language, time_zone, quiet_from, quiet_until, created_at, registered_from)"
        ),
        # a link's digest is of the hash
        "notifier": (
            f"SELECT (id, role, language, password_hash, factor_ends_at, suspended_at, {_REPORT_WISHES},"
            f" {_MESSAGE_TIMES}), UPDATE (updated_at)"  # to lock a row; it changes none
        ),
        "reader": (
            f"SELECT (id, role, language, wished_plan, outage_credit, last_used_at, created_at, updated_at,"
            f" {_REPORT_WISHES}, {_MESSAGE_TIMES})"
        ),
        "stream": "SELECT (id, role, token_version)",
    },
    "contacts": {
        "api": _ALL,
        "background": "SELECT, UPDATE (former_address, moved_at), DELETE",  # devices whose subscription ended
        "crawler": f"SELECT ({_RECIPIENT})",
        "notifier": "SELECT, UPDATE (state, consented_at)",
        "reader": f"SELECT ({_RECIPIENT}, created_at)",
    },
    "grants": {
        "api": _ALL, "background": _ALL, "crawler": "SELECT (user_id, plan, starts_at, ends_at)",
        "notifier": _READ, "reader": _READ,
    },
    "logins": {
        "api": _ALL, "background": _DROP, "stream": "SELECT (id, user_id, last_used_at, expires_at, ended_at)",
    },
    "identities": {"api": _ALL, "background": _DROP},
    "registrations": {"api": _ALL, "background": _DROP},
    "phone_codes": {"api": _ALL, "background": _DROP, "notifier": _READ},
    "telegram_links": {"api": _ALL, "background": _DROP},
    "support_requests": {
        "api": _ALL, "background": _DROP, "notifier": _READ, "reader": "SELECT (id, user_id, created_at)",
    },
    "exports": {"api": _ALL, "background": _ALL, "reader": "SELECT (id, requested_at, attempts, ready_at)"},
    "audit": {"api": _ADD, "background": "SELECT, INSERT, DELETE"},
    # Alerts
    "alerts": {
        "api": _ALL, "background": _ALL, "notifier": _READ, "reader": _READ,
        "crawler": "SELECT, UPDATE (awaits_watch, enabled, is_free, people_asked_at, watched_since, updated_at)",
    },
    "alert_targets": {
        "api": _ALL, "background": _ADD, "crawler": _READ, "notifier": _READ, "reader": _READ,
    },
    "appointments": {"api": _ALL, "background": _KEEP, "notifier": _READ},
    # What is watched
    "desks": {"api": _CHANGE, "background": _READ, "crawler": _CHANGE, "notifier": _READ, "reader": _READ},
    "hosts": {
        "api": _CHANGE, "background": _READ, "crawler": _CHANGE, "reader": _READ,
        "notifier": "SELECT (host, stopped_at)",
    },
    "desk_changes": {"api": _ADD, "background": _ADD, "crawler": _ALL, "reader": _READ},
    "outages": {"api": _READ, "background": _DROP, "crawler": _CHANGE, "reader": _READ},
    "publications": {"api": _READ, "background": _DROP, "crawler": _CHANGE, "reader": _READ},
    "incidents": {
        "api": _CHANGE, "background": _CHANGE, "crawler": _CHANGE, "notifier": _READ, "reader": _READ,
    },
    "checks": {"api": _READ, "background": _READ, "crawler": _ADD, "reader": _READ},
    "check_days": {"api": _READ, "background": _ALL, "reader": _READ},
    "slots": {
        "api": _READ, "background": _KEEP, "crawler": _CHANGE, "notifier": _READ,
        "reader": _READ,
    },
    "detections": {
        "api": _READ, "background": _READ, "crawler": _ADD,
        "notifier": "SELECT, UPDATE", "reader": _READ,
    },
    "detection_slots": {
        "api": _READ, "background": _READ, "crawler": _ADD, "notifier": _READ, "reader": _READ,
    },
    "candidates": {
        "api": _CHANGE,
        "background": "SELECT, UPDATE (user_id)",  # it forgets who gave one
        "crawler": _CHANGE,
        "notifier": "SELECT (id, prefecture_id, url, state)",
        "reader": _READ,
    },
    # What people report; `background` parts it from them
    "reports": {
        "api": _ADD, "background": "SELECT, UPDATE (user_id, networks), DELETE", "crawler": "SELECT, UPDATE",
        "notifier": "SELECT (id, user_id, desk_id, kind, seen_at, state, detection_id, corroborates_id)",
        "reader": _READ,
    },
    "page_openings": {"api": _ADD, "background": _DROP, "notifier": "SELECT (user_id, desk_id, opened_at)"},
    "network_salts": {"api": _ADD, "crawler": _DROP},
    "reporters": {"api": _CHANGE, "background": _READ, "crawler": _READ, "notifier": _READ, "reader": _READ},
    "vouches": {
        "api": _DROP, "background": "SELECT, UPDATE (opening_id), DELETE",
        "crawler": "SELECT, INSERT, UPDATE (kind)", "reader": _READ,
    },
    "discovery_runs": {"api": _READ, "crawler": _CHANGE, "reader": _READ},
    "desk_links": {"api": _READ, "background": _READ, "crawler": _ALL, "reader": _READ},
    "drifts": {"api": _READ, "background": _READ, "crawler": _CHANGE, "reader": _READ},
    # Organisations. Who is told, and of whom, the crawler and the notifier ask; names of people they do not see.
    "organisations": {
        "api": _CHANGE, "background": _KEEP, "crawler": "SELECT (id, granted_until, ends_at, ends_because)",
        "notifier": _READ,
        "reader": (  # without where it is
            "SELECT (id, name, kind, created_at, opened_at, granted_until, needs_second_factor, contract_version,"
            " contract_accepted_at, ends_at, ends_because, ended_at, billed_since, free_until, billed_until, pauses_at)"
        ),
    },
    "organisation_members": {
        "api": _ALL, "background": _DROP, "crawler": f"SELECT ({_MEMBERSHIP})", "notifier": f"SELECT ({_MEMBERSHIP})",
        "reader": f"SELECT ({_MEMBERSHIP}, created_at, joined_at)",
    },
    "beneficiaries": {
        "api": _ALL, "background": _KEEP, "crawler": f"SELECT ({_HELP})", "notifier": f"SELECT ({_HELP})",
        "reader": f"SELECT ({_HELP}, created_at)",
    },
    "watched_days": {"api": _CHANGE, "background": _ALL, "reader": _READ},
    "organisation_keys": {
        "api": _CHANGE, "background": _DROP,
        "reader": "SELECT (id, organisation_id, scopes, created_at, last_used_at, ended_at)",
    },
    "webhooks": {
        "api": _CHANGE, "background": _DROP, "notifier": "SELECT, UPDATE (ended_at, ended_because)",
        "reader": "SELECT (id, organisation_id, events, created_at, ended_at, ended_because)",
    },
    "webhook_deliveries": {
        "api": _ADD, "background": _DROP, "notifier": _CHANGE, "reader": _READ,
    },
    # Messages
    "matches": {
        "api": _READ, "background": _READ, "crawler": "SELECT (alert_id, detection_id, decided_at)",
        "notifier": "SELECT, INSERT, UPDATE (slots)",
        "reader": _READ,
    },
    "notifications": {
        "api": _ALL,
        "background": _ALL,  # it hands over order confirmations itself, and deletes accounts
        "crawler": f"SELECT ({_NEW_MESSAGE}, lease_until), INSERT ({_NEW_MESSAGE})",
        "notifier": _CHANGE,
        "reader": (  # without addresses and texts
            f"SELECT ({_NEW_MESSAGE}, seen_at, committed_at, matched_at, accepted_at, delivered_at, failed_at, reason,"
            " provider, cost, segments, receipt_due_at, lease_until, held_for, announcement_id)"
        ),
    },
    "notices": {
        "api": _ALL, "background": _ALL, "crawler": f"SELECT ({_NOTICE}), INSERT",
        "notifier": f"SELECT ({_NOTICE}), INSERT, UPDATE (title, body)",  # of what was in doubt
        "reader": f"SELECT ({_NOTICE})", "stream": "SELECT (id, user_id)",
    },
    "answers": {
        "api": _CHANGE, "background": _READ, "notifier": _READ, "reader": _READ,
    },
    "provider_events": {
        "api": _CHANGE, "background": _DROP, "notifier": _CHANGE, "reader": _READ,
    },
    "delivery_figures": {"api": _READ, "background": _ALL, "reader": _READ},
    # Money
    "payments": {
        "api": _CHANGE, "background": _CHANGE, "notifier": _READ,
        "reader": (  # without the client's name
            "SELECT (id, user_id, plan, amount_cents, currency, refunded_cents, lost_cents, status, created_at,"
            " paid_at, refunded_at, subscription_id, terms_version, consented_at, alert_id, synced_at, order_mail_at,"
            " organisation_id, used_from, used_until, due_at)"
        ),
    },
    "declarations": {
        "api": _CHANGE, "background": _CHANGE, "notifier": _READ,
        "reader": (
            "SELECT (id, kind, made_at, made_by, user_id, payment_id, subscription_id, language, wished_on,"
            " at_period_end, confirmed_at, takes_effect_at, applied_at, undone_at, refused_because, refund_cents)"
        ),
    },
    "invoices": {
        # A deletion empties the name; a file that the store lost is made again.
        "api": "SELECT, UPDATE (client_name, pdf_made_at)",
        "background": _CHANGE,
        "reader": (  # without the client's name
            "SELECT (id, kind, number, payment_id, transaction_id, corrects_id, amount_cents, issued_at, contents,"
            " pdf_key, pdf_made_at)"
        ),
    },
    "invoice_counters": {"background": _CHANGE, "reader": _READ},
    "invoice_gaps": {"background": _ALL, "reader": _READ},
    "payment_events": {"api": _ADD, "background": _ADD, "reader": _READ},
    "book_transactions": {"api": _ADD, "background": _ADD, "reader": _READ},
    "book_lines": {"api": _ADD, "background": _ADD, "reader": _READ},
    "payment_differences": {"api": _CHANGE, "background": _CHANGE, "reader": _READ},
    "plan_credits": {"api": _ADD, "background": _ADD, "notifier": _READ, "reader": _READ},
    "refunds": {"api": _CHANGE, "background": _CHANGE, "notifier": _READ, "reader": _READ},
    "stripe_events": {"api": _CHANGE, "background": _CHANGE, "reader": _READ},
    "stripe_commands": {"api": _CHANGE, "background": _ALL, "reader": _READ},
    "stripe_ids": {"api": _ADD, "background": _ADD, "reader": _READ},
    "subscriptions": {"api": _CHANGE, "background": _CHANGE, "notifier": _READ, "reader": _READ},
    "referrals": {"api": _ALL, "background": _ALL, "reader": _READ},
    "unwatched": {"api": _CHANGE, "background": _CHANGE, "reader": _READ},
    "watch_credits": {"api": _CHANGE, "background": _CHANGE, "notifier": _READ, "reader": _READ},
    "former_customers": {"api": _ADD, "background": _ALL},
    # The programs themselves
    "jobs": {"api": _READ, "background": _ALL, "reader": _READ},
    "announcements": {"api": _CHANGE, "background": _CHANGE, "notifier": _READ, "reader": _READ},
    "key_values": {
        "api": _CHANGE, "background": _CHANGE, "crawler": _CHANGE, "notifier": _CHANGE, "reader": _READ,
    },
    "backup_states": {"api": _READ, "background": _READ, "backup": _CHANGE, "reader": _READ},
}  # fmt: skip
