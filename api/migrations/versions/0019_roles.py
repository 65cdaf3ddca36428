"""Roles of the programs, and functions by which the background program makes and drops days of `checks`.

A role belongs to the cluster, not to this database. Each is made where it is missing, also while another migration
makes it, and a downgrade leaves it without any right here. env.py grants what api/migrations/rights.py declares.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from api.migrations.retries import MigrationFailed

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OWNER = "rdvpriority_migrations"
_PROGRAMS = (
    "rdvpriority_api",
    "rdvpriority_background",
    "rdvpriority_backup",
    "rdvpriority_crawler",
    "rdvpriority_notifier",
    "rdvpriority_reader",
    "rdvpriority_stream",
)
_MAY = sa.text("""
SELECT rolsuper OR rolcreaterole AND EXISTS (
  SELECT FROM pg_auth_members WHERE member = r.oid AND roleid = 'pg_read_all_data'::regrole AND admin_option)
FROM pg_roles r WHERE rolname = current_user
""")
_CREATE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another migration has just made it
END $$
"""
_JOIN = """
DO $$ BEGIN
  IF NOT pg_has_role({name}, '{role}', 'USAGE') THEN GRANT {role} TO {member} WITH INHERIT TRUE, SET TRUE; END IF;
EXCEPTION WHEN unique_violation THEN NULL; -- another migration has just done so
END $$
"""
# They act with their owner's rights, so they name every object and take nothing but days.
# CREATE TABLE … PARTITION OF would wait for every reader of `checks`; ATTACH PARTITION does not.
_MAKE_DAYS = """
CREATE FUNCTION make_check_days(first date, last date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE each date := first; day_table text; made integer := 0;
BEGIN
  IF last - first > 400 THEN RAISE 'no more than 400 days are made at once'; END IF;
  PERFORM pg_advisory_xact_lock(1919186545); -- two at once would make the same day
  WHILE each <= last LOOP
    day_table := 'checks_' || to_char(each, 'YYYYMMDD');
    IF NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'public.checks'::regclass AND c.relname = day_table)
    THEN
      EXECUTE format('CREATE TABLE IF NOT EXISTS public.%I'
        ' (LIKE public.checks INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', day_table);
      EXECUTE format('ALTER TABLE public.checks ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        day_table, to_char(each, 'YYYY-MM-DD 00:00+00'), to_char(each + 1, 'YYYY-MM-DD 00:00+00'));
      made := made + 1;
    END IF;
    each := each + 1;
  END LOOP;
  RETURN made;
END $$
"""
# One day in a call: its transaction keeps writers waiting for as long as it lasts.
_DROP_DAY = """
CREATE FUNCTION drop_oldest_check_day(before date) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE day_table text; oldest date;
BEGIN
  IF before > (now() AT TIME ZONE 'UTC')::date - 30 THEN RAISE 'checks of 30 days are kept'; END IF;
  SELECT c.relname INTO day_table FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.checks'::regclass AND c.relname ~ '^checks_[0-9]{8}$' ORDER BY c.relname LIMIT 1;
  oldest := to_date(right(day_table, 8), 'YYYYMMDD');
  IF oldest IS NULL OR oldest >= before THEN RETURN NULL; END IF;
  EXECUTE format('DROP TABLE public.%I', day_table);
  RETURN oldest;
END $$
"""
_FUNCTIONS = ("make_check_days(date, date)", "drop_oldest_check_day(date)")
_FIRST_DAYS = """
SELECT make_check_days((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 14)
"""
_HAND_BACK = """
DO $$ DECLARE each text; BEGIN
  FOR each IN SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  LOOP EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', each); END LOOP;
  FOR each IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
  LOOP EXECUTE format('ALTER FUNCTION %s OWNER TO CURRENT_USER', each); END LOOP;
END $$
"""


def upgrade() -> None:
    if not op.get_bind().scalar(_MAY):
        raise MigrationFailed(
            "the login of DATABASE_URL may not make roles: as a superuser, alter role … createrole replication;"
            " grant pg_read_all_data to … with admin option"
        )
    for role in (_OWNER, *_PROGRAMS):
        op.execute(_CREATE.format(role=role))
    op.execute(_JOIN.format(role=_OWNER, name="current_user", member="CURRENT_USER"))
    op.execute(
        _JOIN.format(role="pg_read_all_data", name="'rdvpriority_backup'", member="rdvpriority_backup")
    )
    op.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {_OWNER}")
    op.execute(_MAKE_DAYS)
    op.execute(_DROP_DAY)
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO rdvpriority_background")
    op.execute(_FIRST_DAYS)


def downgrade() -> None:
    op.execute(_HAND_BACK)
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
    roles = ", ".join((_OWNER, *_PROGRAMS))
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {roles}")
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {_OWNER}")
