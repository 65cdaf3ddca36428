"""The tables of a new database: as the records say, with their functions and triggers, roles and rights.

An empty database is made at the newest revision in one step, and runs none:
https://alembic.sqlalchemy.org/en/latest/cookbook.html#building-an-up-to-date-database-from-scratch
So a change of a table, a function or a trigger stands twice: here or in the records, and in a revision for the
databases that exist. Tests compare both ways.

Roles belong to the cluster, not to this database: each is made where it is missing, also while another migration
makes it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from api.migrations.retries import MigrationFailed
from api.migrations.roles import OWNER, PROGRAMS, grant_rights, role_of
from api.models.all import RECORDS
from api.models.check import is_partition


def _is_compared(_item: Any, name: str | None, kind: str, reflected: bool, compared_to: Any) -> bool:
    """Leave daily partitions out of the comparison: a background job makes them."""
    return not (kind == "table" and reflected and compared_to is None and is_partition(name or ""))


METADATA = RECORDS[0].metadata
# How a database is compared with the records
COMPARISON: dict[str, Any] = {
    "include_object": _is_compared,
    "compare_type": True,
    "compare_server_default": True,
}
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
_FUNCTIONS = (
    # ANALYZE takes the owner of a table. Of a partitioned one PostgreSQL 18 can leave the partitions out.
    r"""
CREATE FUNCTION analyze_table(name text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
 SET search_path TO pg_catalog, pg_temp
AS $$
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
""",
    r"""
CREATE FUNCTION balance_book() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  IF (SELECT sum(cents) FROM book_lines WHERE transaction_id = NEW.transaction_id) <> 0 THEN
    RAISE EXCEPTION 'the lines of transaction % do not sum to 0', NEW.transaction_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$
""",
    # One day in a call: its transaction keeps writers waiting for as long as it lasts. The sums are the proof of
    # what was watched: without them the checks themselves are it.
    r"""
CREATE FUNCTION drop_oldest_check_day(before date) RETURNS date LANGUAGE plpgsql SECURITY DEFINER
 SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE day_table text; oldest date; missing text;
BEGIN
  IF before > (now() AT TIME ZONE 'UTC')::date - 30 THEN RAISE 'checks of 30 days are kept'; END IF;
  SELECT c.relname INTO day_table FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.checks'::regclass AND c.relname ~ '^checks_[0-9]{8}$' ORDER BY c.relname LIMIT 1;
  oldest := to_date(right(day_table, 8), 'YYYYMMDD');
  IF oldest IS NULL OR oldest >= before THEN RETURN NULL; END IF;
  EXECUTE format('SELECT c.desk_id FROM (SELECT desk_id, count(*) AS number FROM public.%I'
    ' WHERE NOT probe GROUP BY 1) c'
    ' LEFT JOIN public.check_days d ON d.desk_id = c.desk_id AND d.day = $1'
    ' WHERE coalesce(d.checks, 0) < c.number LIMIT 1', day_table) INTO missing USING oldest;
  IF missing IS NOT NULL THEN RAISE 'checks of % are not summed up (%)', oldest, missing; END IF;
  EXECUTE format('DROP TABLE public.%I', day_table);
  RETURN oldest;
END $$
""",
    r"""
CREATE FUNCTION follow_payment_events() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  UPDATE payments p SET status = CASE WHEN p.due_at IS NOT NULL AND e.is_due_again THEN 'PENDING'
      WHEN e.went_back OR p.due_at IS NULL AND e.lost > 0 AND e.lost >= p.amount_cents THEN 'REFUNDED' ELSE e.status END, paid_at = e.paid_at,
    lost_cents = e.lost, refunded_at = CASE
      WHEN e.went_back OR p.due_at IS NULL AND e.lost > 0 AND e.lost >= p.amount_cents THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN bool_or(kind = 'paid') THEN 'COMPLETED'
        WHEN bool_or(kind IN ('failed', 'expired')) THEN 'FAILED'
        ELSE 'PENDING' END AS status,
      count(*) FILTER (WHERE kind = 'refunded') > count(*) FILTER (WHERE kind = 'refund_undone') AS went_back,
      coalesce(sum((details->>'amount')::int) FILTER (WHERE kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events won WHERE won.payment_id = payment_events.payment_id
            AND won.kind = 'dispute_won' AND won.subject = payment_events.subject AND won.id > payment_events.id)), 0) AS lost,
      coalesce(bool_or(kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events later WHERE later.payment_id = payment_events.payment_id AND later.id > payment_events.id
            AND (later.kind = 'paid' OR later.kind = 'dispute_won' AND later.subject = payment_events.subject))), false) AS is_due_again,
      min(at) FILTER (WHERE kind = 'paid') AS paid_at,
      max(at) FILTER (WHERE kind IN ('refunded', 'dispute_lost')) AS refunded_at
    FROM payment_events WHERE payment_id = NEW.payment_id
  ) e WHERE p.id = NEW.payment_id;
  RETURN NULL;
END $$
""",  # noqa: E501 # as it was made first
    r"""
CREATE FUNCTION follow_refunds() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE payments SET refunded_cents = refunded_cents
    + CASE WHEN NEW.status <> 'failed' THEN NEW.amount_cents ELSE 0 END
    - CASE WHEN TG_OP = 'UPDATE' AND OLD.status <> 'failed' THEN OLD.amount_cents ELSE 0 END
  WHERE id = NEW.payment_id;
  RETURN NULL;
END $$
""",
    r"""
CREATE FUNCTION keep_invoice() RETURNS trigger LANGUAGE plpgsql
AS $$
DECLARE wanted invoices := NEW;
BEGIN
  wanted.pdf_key := OLD.pdf_key;
  wanted.pdf_made_at := OLD.pdf_made_at;
  IF wanted.client_name IS NULL THEN wanted.client_name := OLD.client_name; END IF;
  IF wanted IS DISTINCT FROM OLD THEN
    RAISE EXCEPTION 'an invoice is never changed: a correction is a new document'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
""",
    r"""
CREATE FUNCTION keep_payment() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  IF pg_trigger_depth() < 2 AND (NEW.status, NEW.paid_at, NEW.refunded_at, NEW.refunded_cents, NEW.lost_cents)
    IS DISTINCT FROM (OLD.status, OLD.paid_at, OLD.refunded_at, OLD.refunded_cents, OLD.lost_cents) THEN
    RAISE EXCEPTION 'status and refunds of a payment follow from payment_events and refunds: add a row there'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
""",
    # They act with their owner's rights, so they name every object and take nothing but days.
    # CREATE TABLE … PARTITION OF would wait for every reader of `checks`; ATTACH PARTITION does not.
    r"""
CREATE FUNCTION make_check_days(first date, last date) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
 SET search_path TO pg_catalog, pg_temp
AS $$
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
""",
    r"""
CREATE FUNCTION make_order_number() RETURNS text LANGUAGE plpgsql
 SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE bytes bytea := uuid_send(gen_random_uuid()); made text := ''; place integer;
BEGIN
  FOREACH place IN ARRAY ARRAY[0, 1, 2, 3, 4, 5, 7, 9, 10, 11] LOOP
    made := made || substr(
      '23456789ABCDEFGHJKLMNPQRSTUVWXYZ', (get_byte(bytes, place) & 31) + 1, 1);  -- pragma: allowlist secret
  END LOOP;
  RETURN made;
END $$
""",
    r"""
CREATE FUNCTION number_order() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  IF NEW.consented_at IS NOT NULL AND NEW.order_number IS NULL THEN
    NEW.order_number := make_order_number();
  END IF;
  RETURN NEW;
END $$
""",
    r"""
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.at < now() - interval '3 years' THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION 'rows of audit are kept unchanged for three years' USING ERRCODE = 'restrict_violation';
END $$
""",
    r"""
CREATE FUNCTION refuse_change_of_row() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
""",
)
# What the background program may call; the rest is called by triggers.
_OF_BACKGROUND = (
    "analyze_table(text)",
    "drop_oldest_check_day(date)",
    "make_check_days(date, date)",
)
# What a row may never suffer, by table; and tables that are never emptied.
_KEPT = (
    ("DELETE OR UPDATE", ("book_lines", "book_transactions", "payment_events", "stripe_ids")),
    ("DELETE", ("invoices", "refunds")),
)
_NEVER_TRUNCATED = (
    "book_lines",
    "book_transactions",
    "invoices",
    "payment_events",
)
_KEEP_ROWS = (
    "CREATE TRIGGER rows_are_kept BEFORE {} ON {} FOR EACH ROW EXECUTE FUNCTION refuse_change_of_row()"
)
_KEEP_TABLE = (
    "CREATE TRIGGER rows_are_not_truncated BEFORE TRUNCATE ON {} FOR EACH STATEMENT"
    " EXECUTE FUNCTION refuse_change_of_row()"
)
_TRIGGERS = (
    (
        "CREATE TRIGGER audit_is_kept BEFORE DELETE OR UPDATE ON audit"
        " FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()"
    ),
    (
        "CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()"
    ),
    (
        "CREATE CONSTRAINT TRIGGER book_is_balanced AFTER INSERT ON book_lines DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION balance_book()"
    ),
    "CREATE TRIGGER contents_are_kept BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION keep_invoice()",
    (
        "CREATE TRIGGER status_follows AFTER INSERT ON payment_events"
        " FOR EACH ROW EXECUTE FUNCTION follow_payment_events()"
    ),
    "CREATE TRIGGER derived_is_kept BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION keep_payment()",
    "CREATE TRIGGER order_is_numbered BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION number_order()",
    (
        "CREATE TRIGGER refunded_follows AFTER INSERT OR UPDATE ON refunds"
        " FOR EACH ROW EXECUTE FUNCTION follow_refunds()"
    ),
)
_FIRST_DAYS = """
SELECT make_check_days((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 14)
"""


def upgrade_tables(config: Config, engine: sa.Engine) -> None:
    """Make the tables of an empty database, or run the revisions that it lacks. Then they are as the records say.

    Raises:
        MigrationFailed: the login may not make roles; the text says what to do.
    """
    config.attributes["engine"] = engine
    with engine.begin() as connection:
        if is_new := not MigrationContext.configure(connection).get_current_heads():
            _make_tables(connection)
            MigrationContext.configure(connection).stamp(ScriptDirectory.from_config(config), "head")
            grant_rights(connection)
    if not is_new:
        command.upgrade(config, "head")


def _make_tables(connection: sa.Connection) -> None:
    _make_roles(connection)
    METADATA.create_all(connection, checkfirst=False)
    for statement in (*_FUNCTIONS, *_TRIGGERS):
        connection.execute(sa.text(statement.replace(":", "\\:")))
    for when, tables in _KEPT:
        for table in tables:
            connection.exec_driver_sql(_KEEP_ROWS.format(when, table))
    for table in _NEVER_TRUNCATED:
        connection.exec_driver_sql(_KEEP_TABLE.format(table))
    for function in _OF_BACKGROUND:
        connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {function} TO {role_of('background')}")
    connection.exec_driver_sql(_FIRST_DAYS)


def _make_roles(connection: sa.Connection) -> None:
    if not connection.scalar(_MAY):
        raise MigrationFailed(
            "the login of DATABASE_URL may not make roles: as a superuser, alter role … createrole replication;"
            " grant pg_read_all_data to … with admin option"
        )
    for role in (OWNER, *map(role_of, PROGRAMS)):
        connection.exec_driver_sql(_CREATE.format(role=role))
    backup = role_of("backup")
    connection.exec_driver_sql(_JOIN.format(role=OWNER, name="current_user", member="CURRENT_USER"))
    connection.exec_driver_sql(_JOIN.format(role="pg_read_all_data", name=f"'{backup}'", member=backup))
    connection.exec_driver_sql(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER}")
