"""A day of `checks` is dropped only once it is summed up; the background program analyses tables; growth alarms."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0048"
down_revision: str | None = "0047"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new check allows more reasons: rows of the release before pass"

_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "gone", "home", "retitled", "silent",
    "provider_down", "old_queue", "quota", "sms_ceiling", "failures_rising", "fraud_warning", "false_alarms",
    "prometheus_alarm",
)  # fmt: skip
_NEW = "table_growth"
_REASON = "ck_incidents_reason"

_DROP_DAY = """
CREATE OR REPLACE FUNCTION drop_oldest_check_day(before date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE day_table text; oldest date;{declare}
BEGIN
  IF before > (now() AT TIME ZONE 'UTC')::date - 30 THEN RAISE 'checks of 30 days are kept'; END IF;
  SELECT c.relname INTO day_table FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.checks'::regclass AND c.relname ~ '^checks_[0-9]{{8}}$' ORDER BY c.relname LIMIT 1;
  oldest := to_date(right(day_table, 8), 'YYYYMMDD');
  IF oldest IS NULL OR oldest >= before THEN RETURN NULL; END IF;{guard}
  EXECUTE format('DROP TABLE public.%I', day_table);
  RETURN oldest;
END $$
"""
# The sums are the proof of what was watched: without them the checks themselves are it.
_GUARD = """
  EXECUTE format('SELECT c.desk_id FROM (SELECT desk_id, count(*) AS number FROM public.%I GROUP BY 1) c'
    ' LEFT JOIN public.check_days d ON d.desk_id = c.desk_id AND d.day = $1'
    ' WHERE coalesce(d.checks, 0) < c.number LIMIT 1', day_table) INTO missing USING oldest;
  IF missing IS NOT NULL THEN RAISE 'checks of % are not summed up (%)', oldest, missing; END IF;"""
# ANALYZE takes the owner of a table. Of a partitioned one PostgreSQL 18 can leave the partitions out.
_ANALYZE = """
CREATE FUNCTION analyze_table(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE kind "char";
BEGIN
  SELECT relkind INTO kind FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname = name AND relkind IN ('r', 'p');
  IF kind IS NULL THEN RAISE 'there is no table %', name; END IF;
  IF kind = 'p' AND current_setting('server_version_num')::integer >= 180000 THEN
    EXECUTE format('ANALYZE ONLY public.%I', name);
  ELSE
    EXECUTE format('ANALYZE public.%I', name);
  END IF;
END $$
"""


def upgrade() -> None:
    _limit_reasons((*_REASONS, _NEW))
    op.execute(_DROP_DAY.format(declare=" missing text;", guard=_GUARD))
    op.execute(_ANALYZE)
    op.execute("REVOKE ALL ON FUNCTION analyze_table(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION analyze_table(text) TO rdvpriority_background")


def downgrade() -> None:
    op.execute("DROP FUNCTION analyze_table(text)")
    op.execute(_DROP_DAY.format(declare="", guard=""))
    op.execute(sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason") == _NEW))
    _limit_reasons(_REASONS)


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
