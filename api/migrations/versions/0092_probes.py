"""Probes of stale addresses, what they prove of a desk, and robots.txt of hosts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0092"
down_revision: str | None = "0091"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)
_REASONS = (  # the new one in brackets
    "captcha blocked rate_limited overloaded maintenance closed unreachable unreadable unlinked silent horizon"
    " [forbidden]"
    " part_down part_degraded provider_down old_queue quota low_delivery spam_reports dead_letters"
    " held_bounces sms_ceiling mail_ceiling failures_rising fraud_warning refund_blocked false_alarms self_check"
)
# A probe is in no total of a day: {} is the condition.
_DROP_DAY = r"""
CREATE OR REPLACE FUNCTION drop_oldest_check_day(before date) RETURNS date LANGUAGE plpgsql SECURITY DEFINER
 SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE day_table text; oldest date; missing text;
BEGIN
  IF before > (now() AT TIME ZONE 'UTC')::date - 30 THEN RAISE 'checks of 30 days are kept'; END IF;
  SELECT c.relname INTO day_table FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.checks'::regclass AND c.relname ~ '^checks_[0-9]{{8}}$' ORDER BY c.relname LIMIT 1;
  oldest := to_date(right(day_table, 8), 'YYYYMMDD');
  IF oldest IS NULL OR oldest >= before THEN RETURN NULL; END IF;
  EXECUTE format('SELECT c.desk_id FROM (SELECT desk_id, count(*) AS number FROM public.%I{} GROUP BY 1) c'
    ' LEFT JOIN public.check_days d ON d.desk_id = c.desk_id AND d.day = $1'
    ' WHERE coalesce(d.checks, 0) < c.number LIMIT 1', day_table) INTO missing USING oldest;
  IF missing IS NOT NULL THEN RAISE 'checks of % are not summed up (%)', oldest, missing; END IF;
  EXECUTE format('DROP TABLE public.%I', day_table);
  RETURN oldest;
END $$
"""


def _columns() -> dict[str, list[sa.Column[object]]]:
    return {
        "checks": [sa.Column("probe", sa.Boolean(), server_default=sa.false(), nullable=False)],
        "desks": [
            sa.Column("probed_at", _INSTANT),
            sa.Column("proven_days", sa.Integer(), server_default="0", nullable=False),
            sa.Column("proven_on", sa.Date()),
            sa.Column("gone_probes", sa.Integer(), server_default="0", nullable=False),
            sa.Column("tried_at", _INSTANT),
            sa.Column("page_title", sa.Text()),
            sa.Column("vouched_at", _INSTANT),
            sa.Column("forbidden_at", _INSTANT),
        ],
        "hosts": [
            sa.Column("robots_asked_at", _INSTANT),
            sa.Column("robots_read_at", _INSTANT),
            sa.Column("robots_text", sa.Text()),
            sa.Column("robots_error", sa.Text()),
        ],
    }


def upgrade() -> None:
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.execute(_DROP_DAY.format("'\n    ' WHERE NOT probe"))
    _allow([each.strip("[]") for each in _REASONS.split()])


def downgrade() -> None:
    _allow([each for each in _REASONS.split() if not each.startswith("[")])
    op.execute(_DROP_DAY.format(""))
    for table, columns in _columns().items():
        for column in columns:
            op.drop_column(table, column.name)


def _allow(reasons: Sequence[str]) -> None:
    name = op.f("ck_incidents_reason")
    op.drop_constraint(name, "incidents", type_="check")
    op.create_check_constraint(name, "incidents", sa.column("reason", sa.String).in_(reasons))
