"""The tables, their rules and triggers, the roles of the programs.

Roles belong to the cluster, not to this database: each is made where it is missing, also while another migration
makes it, and a downgrade leaves it without any right here. env.py grants what api/migrations/rights.py declares.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from api.migrations.retries import MigrationFailed

revision: str = "0083"
down_revision: str | None = None
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
_TIME = sa.DateTime(timezone=True)
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
  EXECUTE format('SELECT c.desk_id FROM (SELECT desk_id, count(*) AS number FROM public.%I GROUP BY 1) c'
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
  UPDATE payments p SET status = CASE WHEN e.went_back OR e.lost > 0 AND e.lost >= p.amount_cents THEN 'REFUNDED' ELSE e.status END, paid_at = e.paid_at,
    lost_cents = e.lost, refunded_at = CASE WHEN e.went_back OR e.lost > 0 AND e.lost >= p.amount_cents THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN bool_or(kind = 'paid') THEN 'COMPLETED'
        WHEN bool_or(kind IN ('failed', 'expired')) THEN 'FAILED'
        ELSE 'PENDING' END AS status,
      count(*) FILTER (WHERE kind = 'refunded') > count(*) FILTER (WHERE kind = 'refund_undone') AS went_back,
      coalesce(sum((details->>'amount')::int) FILTER (WHERE kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events won WHERE won.payment_id = payment_events.payment_id
            AND won.kind = 'dispute_won' AND won.subject = payment_events.subject AND won.id > payment_events.id)), 0) AS lost,
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
    _make_roles()
    _make_tables()
    for statement in (*_FUNCTIONS, *_TRIGGERS):
        op.execute(sa.text(statement.replace(":", "\\:")))
    for when, tables in _KEPT:
        for table in tables:
            op.execute(_KEEP_ROWS.format(when, table))
    for table in _NEVER_TRUNCATED:
        op.execute(_KEEP_TABLE.format(table))
    for function in _OF_BACKGROUND:
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO rdvpriority_background")
    op.execute(_FIRST_DAYS)


def _make_roles() -> None:
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


def _make_tables() -> None:  # noqa: PLR0915 # one statement for each table and index
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("actor_kind", sa.String(24), nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject_type", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("changes", postgresql.JSONB, server_default="{}", nullable=False),
        sa.CheckConstraint("(actor_id IS NULL) = (actor_kind = 'command')", name="actor"),
        sa.CheckConstraint("actor_kind IN ('support', 'admin', 'command')", name="actor_kind"),
    )
    op.create_index("ix_audit_action_id", "audit", ["action", "id"])
    op.create_index("ix_audit_actor_id_id", "audit", ["actor_id", "id"])
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_subject_id_id", "audit", ["subject_id", "id"])
    op.create_table(
        "backup_states",
        sa.Column("part", sa.String(24), primary_key=True),
        sa.Column("name", sa.Text),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("previous_bytes", sa.BigInteger),
        sa.Column("trouble", sa.Text),
        sa.Column("trouble_since", _TIME),
        sa.Column("request", sa.Uuid),
        sa.Column("answer", sa.Uuid),
        sa.CheckConstraint("part IN ('base', 'dump', 'migration', 'proofs', 'wal', 'store')", name="part"),
        sa.CheckConstraint("(trouble IS NULL) = (trouble_since IS NULL)", name="trouble_with_time"),
    )
    op.create_table(
        "book_transactions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('paid', 'upgraded', 'revived', 'borne', 'unwatched', 'ended', 'owed', 'refunded', "
            "'returned', 'dispute_opened', 'dispute_won', 'dispute_lost', 'dispute_closed')",
            name="kind",
        ),
        sa.UniqueConstraint("cause", name="uq_book_transactions_cause"),
    )
    op.create_table(
        "check_days",
        sa.Column("desk_id", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("proven", sa.Integer, nullable=False),
        sa.Column("outcomes", postgresql.JSONB, nullable=False),
        sa.Column("achieved_seconds", sa.Double),
        sa.Column("promised_seconds", sa.Double),
        sa.Column("openings", sa.Integer, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("alerts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("found", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("too_late", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("nothing_there", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("stopped", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("checks >= proven AND proven >= 0 AND openings >= 0", name="counts"),
        sa.PrimaryKeyConstraint("desk_id", "day"),
    )
    op.create_index("ix_check_days_day", "check_days", ["day"])
    op.create_table(
        "checks",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("desk_id", sa.Text, nullable=False),
        sa.Column("token", sa.BigInteger),
        sa.Column("outcome", sa.String(24), nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("milliseconds", sa.Integer, nullable=False),
        sa.Column("requests", sa.SmallInteger, nullable=False),
        sa.Column("slots_seen", sa.Integer, nullable=False),
        sa.Column("covered", postgresql.JSONB, nullable=False),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("proof_key", sa.Text),
        sa.CheckConstraint(
            "outcome IN ('slots', 'no_slots', 'captcha', 'blocked', 'rate_limited', 'overloaded', "
            "'maintenance', 'closed', 'unreachable', 'unreadable')",
            name="outcome",
        ),
        sa.CheckConstraint("milliseconds >= 0 AND requests >= 0 AND slots_seen >= 0", name="counts"),
        sa.PrimaryKeyConstraint("id", "started_at"),
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index(
        "ix_checks_desk_id_started_at", "checks", ["desk_id", sa.literal_column("started_at DESC")]
    )
    op.create_index("ix_checks_started_at", "checks", ["started_at"])
    op.create_table(
        "delivery_figures",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("channel", sa.String(24), nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("prefecture_id", sa.Text, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("bounced", sa.Integer, nullable=False),
        sa.Column("no_receipt", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("expired", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("unsure", sa.Integer, nullable=False),
        sa.Column("tracked", sa.Integer, nullable=False),
        sa.Column("confirmed", sa.Integer, nullable=False),
        sa.Column("seen_to_committed", postgresql.ARRAY(sa.Double)),
        sa.Column("committed_to_matched", postgresql.ARRAY(sa.Double)),
        sa.Column("matched_to_accepted", postgresql.ARRAY(sa.Double)),
        sa.Column("accepted_to_delivered", postgresql.ARRAY(sa.Double)),
        sa.Column("seen_to_accepted", postgresql.ARRAY(sa.Double)),
        sa.Column("seen_to_delivered", postgresql.ARRAY(sa.Double)),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.CheckConstraint("channel IN ('email', 'sms', 'telegram', 'voice', 'push')", name="channel"),
        sa.CheckConstraint("confirmed <= tracked AND tracked <= sent", name="counts"),
        sa.PrimaryKeyConstraint("day", "channel", "provider", "prefecture_id"),
    )
    op.create_table(
        "desk_changes",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("desk_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
    )
    op.create_table(
        "desk_links",
        sa.Column("desk_id", sa.Text, nullable=False),
        sa.Column("page_url", sa.Text, nullable=False),
        sa.Column("first_seen_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("desk_id", "page_url"),
    )
    op.create_table(
        "desks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("status", sa.String(24), server_default="PAUSED", nullable=False),
        sa.Column("status_reason", sa.Text, server_default="not checked yet", nullable=False),
        sa.Column("last_token", sa.BigInteger, server_default="0", nullable=False),
        sa.Column("last_check_at", _TIME),
        sa.Column("last_proven_at", _TIME),
        sa.Column("last_slot_at", _TIME),
        sa.Column("inconclusive", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("wished_seconds", sa.Double),
        sa.Column("feasible_seconds", sa.Double),
        sa.Column("achieved_seconds", sa.Double),
        sa.Column("check_requested_at", _TIME),
        sa.Column("refused_at", _TIME),
        sa.Column("whole_at", _TIME),
        sa.Column("coverage", postgresql.JSONB),
        sa.Column("last_outcome", sa.String(24)),
        sa.Column("visit_requests", sa.Double),
        sa.Column("releases_at", _TIME),
        sa.Column("share_seconds", sa.Double),
        sa.Column("open_requests", sa.Double),
        sa.Column("due_queue", sa.Text),
        sa.Column("paused_at", _TIME),
        sa.Column("pause_reason", sa.Text),
        sa.CheckConstraint(
            "last_outcome IN ('slots', 'no_slots', 'captcha', 'blocked', 'rate_limited', 'overloaded', "
            "'maintenance', 'closed', 'unreachable', 'unreadable')",
            name="last_outcome",
        ),
        sa.CheckConstraint("status IN ('ACTIVE', 'CAPTCHA', 'PAUSED', 'ERROR')", name="status"),
        sa.CheckConstraint("(paused_at IS NULL) = (pause_reason IS NULL)", name="pause"),
        sa.CheckConstraint("inconclusive >= 0", name="inconclusive"),
    )
    op.create_index(
        "ix_desks_check_requested_at",
        "desks",
        ["check_requested_at"],
        postgresql_where="(check_requested_at IS NOT NULL)",
    )
    op.create_table(
        "discovery_runs",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("cut", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("pages", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("found", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("ended_at >= started_at", name="order"),
    )
    op.create_index("ix_discovery_runs_started_at", "discovery_runs", ["started_at"])
    op.create_index(
        "uq_discovery_runs_open",
        "discovery_runs",
        [sa.literal_column("(true)")],
        unique=True,
        postgresql_where="(ended_at IS NULL)",
    )
    op.create_table(
        "drifts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("desk_id", sa.Text, nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME),
        sa.CheckConstraint("reason IN ('unlinked', 'silent')", name="reason"),
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
    )
    op.create_index(
        "uq_drifts_open", "drifts", ["desk_id"], unique=True, postgresql_where="(ends_at IS NULL)"
    )
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text, primary_key=True),
        sa.Column("rests_until", _TIME),
        sa.Column("rest_reason", sa.Text),
        sa.Column("rests_in_a_row", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("budget_share", sa.Double, server_default="1", nullable=False),
        sa.Column("updated_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("stopped_at", _TIME),
        sa.Column("stop_reason", sa.Text),
        sa.Column("calm_since", _TIME),
        sa.CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name="stop"),
        sa.CheckConstraint("budget_share > 0 AND budget_share <= 1", name="budget_share"),
        sa.CheckConstraint("rests_in_a_row >= 0", name="rests_in_a_row"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME),
        sa.Column("told_at", _TIME),
        sa.Column("over_at", _TIME),
        sa.Column("alarm_kind", sa.Text),
        sa.Column("alarm_params", postgresql.JSONB),
        sa.Column("repeated_at", _TIME),
        sa.Column("acknowledged_at", _TIME),
        sa.CheckConstraint(
            "reason IN ('captcha', 'blocked', 'rate_limited', 'overloaded', 'maintenance', 'closed', "
            "'unreachable', 'unreadable', 'unlinked', 'silent', 'horizon', 'provider_down', 'old_queue', "
            "'quota', 'sms_ceiling', 'mail_ceiling', 'failures_rising', 'fraud_warning', 'false_alarms', "
            "'self_check', 'part_down', 'part_degraded', 'low_delivery', 'spam_reports', 'dead_letters')",
            name="reason",
        ),
        sa.CheckConstraint("(alarm_kind IS NULL) = (alarm_params IS NULL)", name="alarm"),
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
    )
    op.create_index("ix_incidents_ends_at", "incidents", ["ends_at"], postgresql_where="(over_at IS NULL)")
    op.create_index(
        "ix_incidents_unanswered",
        "incidents",
        ["told_at"],
        postgresql_where="((alarm_kind IS NOT NULL) AND (repeated_at IS NULL) AND (acknowledged_at IS NULL))",
    )
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["subject", "reason"],
        unique=True,
        postgresql_where="(ends_at IS NULL)",
    )
    op.create_table(
        "invoice_counters",
        sa.Column("year", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.Column("last_issued_at", _TIME, nullable=False),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        sa.CheckConstraint("last_number > 0", name="last_number"),
        sa.PrimaryKeyConstraint("year", "kind"),
    )
    op.create_table(
        "jobs",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("turn_ends_at", _TIME),
        sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("failed_at", _TIME),
        sa.Column("error", sa.Text),
        sa.Column("counts", postgresql.JSONB),
        sa.Column("done_for", _TIME),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
    )
    op.create_table(
        "stripe_commands",
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("key_number", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("error", sa.Text),
        sa.CheckConstraint("kind IN ('refund', 'credit', 'end')", name="kind"),
        sa.PrimaryKeyConstraint("kind", "subject_id"),
    )
    op.create_index("ix_stripe_commands_next_attempt_at", "stripe_commands", ["next_attempt_at"])
    op.create_table(
        "stripe_events",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("api_version", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("object_type", sa.Text),
        sa.Column("object_id", sa.Text),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("applied_at", _TIME),
        sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("error", sa.Text),
        sa.Column("flag", sa.String(24)),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("lease_until", _TIME),
        sa.CheckConstraint("flag IN ('unknown_type', 'unknown_owner', 'gave_up')", name="flag"),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name="lease"),
        sa.CheckConstraint("applied_at IS NULL OR next_attempt_at IS NULL", name="applied_once"),
        sa.CheckConstraint("length(id) <= 255 AND length(type) <= 255", name="length"),
    )
    op.create_index(
        "ix_stripe_events_next_attempt_at",
        "stripe_events",
        ["next_attempt_at"],
        postgresql_where="(next_attempt_at IS NOT NULL)",
    )
    op.create_index("ix_stripe_events_object_id", "stripe_events", ["object_id"])
    op.create_index("ix_stripe_events_received_at_id", "stripe_events", ["received_at", "id"])
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("role", sa.String(24), server_default="user", nullable=False),
        sa.Column("language", sa.Text, server_default="fr", nullable=False),
        sa.Column("time_zone", sa.Text, server_default="Europe/Paris", nullable=False),
        sa.Column("token_version", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("wished_plan", sa.String(24)),
        sa.Column("stripe_customer_id", sa.Text),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("updated_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("totp_secret", sa.Text),
        sa.Column("totp_confirmed_at", _TIME),
        sa.Column("totp_used_step", sa.BigInteger),
        sa.Column(
            "outage_credit",
            sa.String(24),
            server_default="credit",
            nullable=False,
        ),
        sa.Column("last_used_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column(
            "slot_rhythm",
            sa.String(24),
            server_default="at_once",
            nullable=False,
        ),
        sa.Column(
            "digest_at",
            postgresql.TIME(),
            server_default="07:00:00",
            nullable=False,
        ),
        sa.Column("quiet_from", postgresql.TIME()),
        sa.Column("quiet_until", postgresql.TIME()),
        sa.Column("quiet_slots", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("email_folded", sa.Text, nullable=False),
        sa.Column("factor_ends_at", _TIME),
        sa.Column(
            "calls_from",
            postgresql.TIME(),
            server_default="08:00:00",
            nullable=False,
        ),
        sa.Column(
            "calls_until",
            postgresql.TIME(),
            server_default="22:00:00",
            nullable=False,
        ),
        sa.CheckConstraint("outage_credit IN ('credit', 'refund')", name="outage_credit"),
        sa.CheckConstraint("role IN ('user', 'support', 'admin')", name="role"),
        sa.CheckConstraint("slot_rhythm IN ('at_once', 'hourly', 'daily')", name="slot_rhythm"),
        sa.CheckConstraint(
            "wished_plan IN ('NONE', 'URGENCE_24H', 'URGENCE_7J', 'URGENCE_TOTAL')", name="wished_plan"
        ),
        sa.CheckConstraint(
            "(quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from <> quiet_until", name="quiet_hours"
        ),
        sa.CheckConstraint("(totp_confirmed_at IS NULL) = (totp_secret IS NULL)", name="second_factor"),
        sa.CheckConstraint("calls_from <> calls_until", name="call_hours"),
        sa.CheckConstraint("factor_ends_at IS NULL OR totp_secret IS NOT NULL", name="factor_end"),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.UniqueConstraint("email_folded", name="uq_users_email_folded"),
        sa.UniqueConstraint("stripe_customer_id", name="uq_users_stripe_customer_id"),
    )
    op.create_index(
        "ix_users_factor_ends_at",
        "users",
        ["factor_ends_at"],
        postgresql_where="(factor_ends_at IS NOT NULL)",
    )
    op.create_index("ix_users_last_used_at", "users", ["last_used_at"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("language", sa.Text),
        sa.Column("enabled", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("limits_version", sa.Integer, server_default=sa.text("1"), nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("closed_at", _TIME),
        sa.Column("closed_because", sa.String(24)),
        sa.Column("awaits_watch", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("updated_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("watched_since", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("consent", postgresql.JSONB),
        sa.Column("consented_at", _TIME),
        sa.Column("voice_enabled", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("closed_because IN ('deleted', 'stopped', 'found')", name="closed_because"),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_because IS NULL)", name="closed_with_reason"),
        sa.CheckConstraint("NOT (awaits_watch AND enabled)", name="awaits_paused"),
    )
    op.create_index(
        "ix_alerts_awaits_watch", "alerts", ["id"], postgresql_where="(awaits_watch AND (closed_at IS NULL))"
    )
    op.create_index(
        "ix_alerts_open", "alerts", ["user_id"], postgresql_where="((closed_at IS NULL) AND enabled)"
    )
    op.create_index("ix_alerts_user_id_created_at", "alerts", ["user_id", "created_at"])
    op.create_index(
        "ix_alerts_user_id_id", "alerts", ["user_id", "id"], postgresql_where="(closed_at IS NULL)"
    )
    op.create_index(
        "ix_alerts_voice",
        "alerts",
        ["id"],
        postgresql_where="(voice_enabled AND enabled AND (closed_at IS NULL))",
        postgresql_include=["user_id"],
    )
    op.create_index(
        "ix_alerts_waiting",
        "alerts",
        ["id"],
        postgresql_where="((closed_at IS NULL) AND enabled)",
        postgresql_include=["user_id", "limits_version", "language"],
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("channel", sa.String(24), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("verified_at", _TIME),
        sa.Column("enabled", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.String(24), server_default="ok", nullable=False),
        sa.Column("consent", postgresql.JSONB),
        sa.Column("consented_at", _TIME),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("new_address", sa.Text),
        sa.Column(
            "stopped_groups",
            postgresql.ARRAY(sa.Text),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("summary_since", _TIME),
        sa.Column("number", sa.SmallInteger, server_default="0", nullable=False),
        sa.Column("device_name", sa.Text),
        sa.Column("former_address", sa.Text),
        sa.Column("moved_at", _TIME),
        sa.CheckConstraint(
            "(channel = 'push') = (device_name IS NOT NULL) AND starts_with(device_name, 'gAAAAA')",
            name="device_name",
        ),
        sa.CheckConstraint(
            "(former_address IS NULL) = (moved_at IS NULL) AND (former_address IS NULL OR channel = 'email')",
            name="former_address",
        ),
        sa.CheckConstraint(
            "CASE channel WHEN 'email' THEN POSITION(('@') IN (address)) > 0 ELSE starts_with(address, "
            "'gAAAAA') END",
            name="address_protected",
        ),
        sa.CheckConstraint(
            "CASE channel WHEN 'email' THEN POSITION(('@') IN (new_address)) > 0 ELSE "
            "starts_with(new_address, 'gAAAAA') END",
            name="new_address_protected",
        ),
        sa.CheckConstraint("channel IN ('email', 'sms', 'telegram', 'voice', 'push')", name="channel"),
        sa.CheckConstraint(
            "length(address) >= 1 AND length(address) <= CASE channel WHEN 'push' THEN 2048 ELSE 254 END",
            name="address_length",
        ),
        sa.CheckConstraint(
            "number >= 0 AND number <= CASE channel WHEN 'push' THEN 4 ELSE 0 END",
            name="number",
        ),
        sa.CheckConstraint("state IN ('ok', 'bounced', 'blocked', 'unsubscribed')", name="state"),
        sa.CheckConstraint("length(new_address) BETWEEN 1 AND 254", name="new_address_length"),
        sa.UniqueConstraint("user_id", "channel", "number", name="uq_contacts_user_id_channel_number"),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_contacts_channel_address", "contacts", ["channel", "address"])
    op.create_index(
        "ix_contacts_summary", "contacts", ["user_id"], postgresql_where="(summary_since IS NOT NULL)"
    )
    op.create_index(
        "ix_contacts_unverified", "contacts", ["created_at"], postgresql_where="(verified_at IS NULL)"
    )
    op.create_table(
        "detections",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("desk_id", sa.Text, sa.ForeignKey("desks.id"), nullable=False),
        sa.Column("prefecture_id", sa.Text, nullable=False),
        sa.Column("procedures", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("source", sa.String(24), nullable=False),
        sa.Column("booking_url", sa.Text, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("committed_at", _TIME, nullable=False),
        sa.Column("matched_at", _TIME),
        sa.Column("next_nudge_at", _TIME),
        sa.Column("nudges", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("proof_key", sa.Text),
        sa.CheckConstraint("source IN ('check', 'report')", name="source"),
        sa.CheckConstraint("cardinality(procedures) > 0", name="procedures"),
    )
    op.create_index(
        "ix_detections_desk_id_seen_at", "detections", ["desk_id", sa.literal_column("seen_at DESC")]
    )
    op.create_index(
        "ix_detections_prefecture_id_seen_at",
        "detections",
        ["prefecture_id", sa.literal_column("seen_at DESC")],
    )
    op.create_index("ix_detections_seen_at", "detections", ["seen_at"], postgresql_include=["prefecture_id"])
    op.create_index(
        "ix_detections_unmatched", "detections", ["committed_at"], postgresql_where="(matched_at IS NULL)"
    )
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("next_attempt_at", _TIME),
        sa.Column("ready_at", _TIME),
        sa.Column("expires_at", _TIME),
        sa.Column("file_key", sa.Text),
        sa.Column("size_bytes", sa.BigInteger),
        sa.CheckConstraint("starts_with(file_key, 'gAAAAA')", name="encrypted"),
        sa.CheckConstraint(
            "(num_nulls(ready_at, expires_at, file_key, size_bytes) = ANY (ARRAY[0, 4])) AND (ready_at IS "
            "NULL) = (next_attempt_at IS NOT NULL)",
            name="ready",
        ),
        sa.UniqueConstraint("user_id", name="uq_exports_user_id"),
    )
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"])
    op.create_index("ix_exports_next_attempt_at", "exports", ["next_attempt_at"])
    op.create_table(
        "logins",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("browser", sa.Text, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("previous_hash", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("last_used_at", _TIME, nullable=False),
        sa.Column("rotated_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("proven_at", _TIME, nullable=False),
        sa.Column("ended_at", _TIME),
        sa.Column("ended_because", sa.String(24)),
        sa.CheckConstraint(
            "ended_because IN ('logged_out', 'ended_by_user', 'new_password', 'token_reused', "
            "'address_confirmed', 'idle')",
            name="ended_because",
        ),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_with_reason"),
    )
    op.create_index("ix_logins_ended_at", "logins", ["ended_at"])
    op.create_index("ix_logins_expires_at", "logins", ["expires_at"])
    op.create_index("ix_logins_user_id_created_at", "logins", ["user_id", "created_at"])
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", name="fk_notices_user_id_users", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("link", sa.Text),
        sa.Column("detection_id", sa.Uuid),
        sa.Column("dedupe_key", sa.Text),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("read_at", _TIME),
        sa.Column("gone_at", _TIME),
    )
    op.create_index("ix_notices_user_id_id", "notices", ["user_id", "id"])
    op.create_index(
        "uq_notices_user_id_dedupe_key",
        "notices",
        ["user_id", "dedupe_key"],
        unique=True,
        postgresql_where="(dedupe_key IS NOT NULL)",
    )
    op.create_table(
        "outages",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("desk_id", sa.Text, sa.ForeignKey("desks.id"), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.CheckConstraint(
            "reason IN ('captcha', 'blocked', 'rate_limited', 'maintenance', 'closed', 'unreachable', "
            "'unreadable', 'stopped')",
            name="reason",
        ),
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
    )
    op.create_index("ix_outages_desk_id_starts_at", "outages", ["desk_id", "starts_at"])
    op.create_index("ix_outages_ends_at", "outages", ["ends_at"])
    op.create_index(
        "uq_outages_open", "outages", ["desk_id"], unique=True, postgresql_where="(ends_at IS NULL)"
    )
    op.create_table(
        "phone_codes",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("number_hash", sa.LargeBinary, nullable=False),
        sa.Column("network_hash", sa.LargeBinary, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("wrong_tries", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
    )
    op.create_index("ix_phone_codes_created_at", "phone_codes", ["created_at"])
    op.create_index("ix_phone_codes_user_id", "phone_codes", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("code_hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "code_hash"),
    )
    op.create_table(
        "registrations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("wished_plan", sa.String(24)),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("language", sa.Text, server_default="fr", nullable=False),
        sa.Column("phone", sa.Text),
        sa.Column("alert_wish", postgresql.JSONB),
        sa.CheckConstraint("starts_with(phone, 'gAAAAA')", name="phone_encrypted"),
        sa.CheckConstraint(
            "wished_plan IN ('NONE', 'URGENCE_24H', 'URGENCE_7J', 'URGENCE_TOTAL')", name="wished_plan"
        ),
    )
    op.create_index("ix_registrations_created_at", "registrations", ["created_at"])
    op.create_index("ix_registrations_user_id_created_at", "registrations", ["user_id", "created_at"])
    op.create_table(
        "slots",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("desk_id", sa.Text, sa.ForeignKey("desks.id"), nullable=False),
        sa.Column("place_key", sa.Text, nullable=False),
        sa.Column("place_label", sa.Text),
        sa.Column("moment", sa.Text, nullable=False),
        sa.Column("starts_at", _TIME),
        sa.Column("seats", sa.Integer),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.Column("gone_at", _TIME),
        sa.Column("gone_reason", sa.String(24)),
        sa.Column("gone_told_at", _TIME),
        sa.CheckConstraint("gone_reason IN ('taken', 'past', 'lapsed', 'superseded')", name="gone_reason"),
        sa.CheckConstraint("moment = 'open' OR moment ~ '^\\d{4}-\\d\\d-\\d\\d'", name="moment"),
        sa.CheckConstraint("(gone_at IS NULL) = (gone_reason IS NULL)", name="gone_with_reason"),
        sa.CheckConstraint("seen_at >= opened_at", name="seen_after_opened"),
    )
    op.create_index(
        "ix_slots_desk_id_gone_at", "slots", ["desk_id", "gone_at"], postgresql_where="(gone_at IS NOT NULL)"
    )
    op.create_index("ix_slots_desk_id_opened_at", "slots", ["desk_id", "opened_at"])
    op.create_index("ix_slots_desk_id_place_key_moment", "slots", ["desk_id", "place_key", "moment"])
    op.create_index(
        "ix_slots_gone_untold",
        "slots",
        ["gone_at"],
        postgresql_where="((gone_reason IN ('taken', 'past')) AND (gone_told_at IS NULL))",
    )
    op.create_index("ix_slots_seen_at", "slots", ["seen_at"], postgresql_where="(gone_at IS NULL)")
    op.create_index(
        "uq_slots_open",
        "slots",
        ["desk_id", "place_key", "moment"],
        unique=True,
        postgresql_where="(gone_at IS NULL)",
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", name="fk_subscriptions_user_id_users", ondelete="SET NULL"),
        ),
        sa.Column("plan", sa.String(24), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("period_starts_at", _TIME),
        sa.Column("period_ends_at", _TIME),
        sa.Column("cancel_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("cancel_wanted_at", _TIME),
        sa.Column("synced_at", _TIME),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("plan <> 'NONE'", name="real_plan"),
        sa.CheckConstraint("plan IN ('NONE', 'URGENCE_24H', 'URGENCE_7J', 'URGENCE_TOTAL')", name="plan"),
    )
    op.create_index("ix_subscriptions_user_id", "subscriptions", ["user_id"])
    op.create_table(
        "support_requests",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint("length(message) BETWEEN 1 AND 5000", name="message_length"),
    )
    op.create_index("ix_support_requests_created_at", "support_requests", ["created_at"])
    op.create_index(
        "ix_support_requests_email_created_at",
        "support_requests",
        [sa.literal_column("lower(email)"), "created_at"],
    )
    op.create_index("ix_support_requests_user_id", "support_requests", ["user_id"])
    op.create_table(
        "telegram_links",
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("chat_id", sa.Text),
        sa.Column("chat_name", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "starts_with(chat_id, 'gAAAAA') AND starts_with(chat_name, 'gAAAAA')",
            name="encrypted",
        ),
        sa.CheckConstraint("(chat_id IS NULL) = (chat_name IS NULL)", name="chat"),
        sa.UniqueConstraint("code_hash", name="uq_telegram_links_code_hash"),
    )
    op.create_table(
        "alert_targets",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("alert_id", sa.Uuid, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("prefecture_id", sa.Text),
        sa.Column("procedure", sa.String(24)),
        sa.Column("desk_id", sa.Text),
        sa.Column("date_from", sa.Date),
        sa.Column("date_to", sa.Date),
        sa.Column("weekdays", postgresql.ARRAY(sa.SmallInteger)),
        sa.Column("hour_from", postgresql.TIME()),
        sa.Column("hour_to", postgresql.TIME()),
        sa.Column("sites", postgresql.ARRAY(sa.Text)),
        sa.CheckConstraint(
            "procedure IN ('TITRE_SEJOUR', 'NATURALISATION', 'VISA', 'CARTE_IDENTITE', 'PASSEPORT', "
            "'PERMIS_CONDUIRE', 'CARTE_GRISE', 'AUTRE')",
            name="procedure",
        ),
        sa.CheckConstraint("date_from <= date_to", name="dates_in_order"),
        sa.CheckConstraint(
            "desk_id IS NOT NULL AND prefecture_id IS NULL AND procedure IS NULL OR desk_id IS NULL AND "
            "prefecture_id IS NOT NULL AND procedure IS NOT NULL",
            name="desk_or_procedure",
        ),
        sa.CheckConstraint("hour_from < hour_to", name="hours_in_order"),
        sa.CheckConstraint(
            "weekdays <@ ARRAY[1::smallint, 2::smallint, 3::smallint, 4::smallint, 5::smallint, "
            "6::smallint, 7::smallint] AND cardinality(weekdays) > 0",
            name="iso_weekdays",
        ),
    )
    op.create_index("ix_alert_targets_alert_id", "alert_targets", ["alert_id"])
    op.create_index(
        "ix_alert_targets_desk_id",
        "alert_targets",
        ["desk_id"],
        postgresql_where="(desk_id IS NOT NULL)",
        postgresql_include=["alert_id", "id"],
    )
    op.create_index(
        "ix_alert_targets_prefecture_id_procedure",
        "alert_targets",
        ["prefecture_id", "procedure"],
        postgresql_where="(desk_id IS NULL)",
        postgresql_include=["alert_id", "id"],
    )
    op.create_table(
        "appointments",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("alert_id", sa.Uuid, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", _TIME),
        sa.Column("place", sa.Text),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("dropped_at", _TIME, nullable=False),
        sa.Column("first_reminder_at", _TIME),
        sa.Column("last_reminder_at", _TIME),
        sa.Column("may_ask", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("asked_at", _TIME),
        sa.Column("answered_at", _TIME),
        sa.Column("went_well", sa.Boolean),
        sa.CheckConstraint("(answered_at IS NULL) = (went_well IS NULL)", name="answer"),
        sa.CheckConstraint("at IS NOT NULL OR place IS NOT NULL OR may_ask", name="something"),
        sa.CheckConstraint("length(place) BETWEEN 1 AND 200", name="place_length"),
        sa.UniqueConstraint("alert_id", name="uq_appointments_alert_id"),
    )
    op.create_index("ix_appointments_dropped_at", "appointments", ["dropped_at"])
    op.create_index(
        "ix_appointments_first_reminder_at",
        "appointments",
        ["first_reminder_at"],
        postgresql_where="(first_reminder_at IS NOT NULL)",
    )
    op.create_index(
        "ix_appointments_last_reminder_at",
        "appointments",
        ["last_reminder_at"],
        postgresql_where="(last_reminder_at IS NOT NULL)",
    )
    op.create_table(
        "contact_lookups",
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("contact_id", sa.Uuid, sa.ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False),
    )
    op.create_index("ix_contact_lookups_contact_id", "contact_lookups", ["contact_id"])
    op.create_table(
        "detection_slots",
        sa.Column(
            "detection_id", sa.Uuid, sa.ForeignKey("detections.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("slot_id", sa.BigInteger, sa.ForeignKey("slots.id", ondelete="CASCADE"), nullable=False),
        sa.PrimaryKeyConstraint("detection_id", "slot_id"),
    )
    op.create_index("ix_detection_slots_slot_id", "detection_slots", ["slot_id"])
    op.create_table(
        "match_parts",
        sa.Column(
            "detection_id", sa.Uuid, sa.ForeignKey("detections.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("alert_ids", postgresql.ARRAY(sa.Uuid), nullable=False),
        sa.CheckConstraint("cardinality(alert_ids) > 0", name="alert_ids"),
        sa.PrimaryKeyConstraint("detection_id", "number"),
    )
    op.create_table(
        "matches",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("alert_id", sa.Uuid, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "detection_id", sa.Uuid, sa.ForeignKey("detections.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("limits_version", sa.Integer, nullable=False),
        sa.Column("decided_at", _TIME, nullable=False),
        sa.Column("announcement_id", sa.Uuid, nullable=False),
        sa.Column("slots", postgresql.INT8MULTIRANGE(), nullable=False),
    )
    op.create_index("ix_matches_alert_id_decided_at", "matches", ["alert_id", "decided_at"])
    op.create_index("ix_matches_alert_id_detection_id", "matches", ["alert_id", "detection_id"])
    op.create_index("ix_matches_announcement_id", "matches", ["announcement_id"])
    op.create_index("ix_matches_detection_id", "matches", ["detection_id"])
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
        sa.Column("contact_id", sa.Uuid, sa.ForeignKey("contacts.id", ondelete="SET NULL")),
        sa.Column("channel", sa.String(24), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("language", sa.Text, server_default="fr", nullable=False),
        sa.Column("params", postgresql.JSONB, server_default="{}", nullable=False),
        sa.Column("priority", sa.String(24), nullable=False),
        sa.Column("dedupe_key", sa.Text, nullable=False),
        sa.Column("state", sa.String(24), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("lease_until", _TIME),
        sa.Column("next_attempt_at", _TIME, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("provider_id", sa.Text),
        sa.Column("cost", sa.NUMERIC(precision=8, scale=5)),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("seen_at", _TIME),
        sa.Column("committed_at", _TIME),
        sa.Column("matched_at", _TIME),
        sa.Column("accepted_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.Column("failed_at", _TIME),
        sa.Column("unknown_attempts", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("receipt_due_at", _TIME),
        sa.Column("segments", sa.SmallInteger),
        sa.Column("held_for", sa.String(24)),
        sa.Column("title", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("announcement_id", sa.Uuid),
        sa.CheckConstraint(
            "(state NOT IN ('failed', 'expired', 'skipped', 'bounced')) OR reason IS NOT NULL", name="reason"
        ),
        sa.CheckConstraint(
            "(state NOT IN ('failed', 'expired', 'skipped')) OR failed_at IS NOT NULL", name="ended"
        ),
        sa.CheckConstraint(
            "(state NOT IN ('sent', 'delivered', 'no_receipt')) OR accepted_at IS NOT NULL", name="accepted"
        ),
        sa.CheckConstraint(
            "(state = 'sending') = (lease_token IS NOT NULL AND lease_until IS NOT NULL)",
            name="lease",
        ),
        sa.CheckConstraint("channel IN ('email', 'sms', 'telegram', 'voice', 'push')", name="channel"),
        sa.CheckConstraint("held_for IN ('quiet_hours', 'digest', 'hourly_cap', 'slots')", name="held_for"),
        sa.CheckConstraint("priority IN ('critical', 'immediate', 'scheduled', 'bulk')", name="priority"),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'delivered', 'bounced', 'failed', 'expired', "
            "'skipped', 'no_receipt')",
            name="state",
        ),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
        sa.CheckConstraint("segments >= 0", name="segments"),
        sa.CheckConstraint("user_id IS NOT NULL OR address IS NOT NULL", name="recipient"),
        sa.UniqueConstraint("dedupe_key", name="uq_notifications_dedupe_key"),
    )
    op.create_index(
        "ix_notifications_address",
        "notifications",
        ["id"],
        postgresql_where="((user_id IS NULL) AND (address <> ''))",
    )
    op.create_index(
        "ix_notifications_announcement_id",
        "notifications",
        ["announcement_id"],
        postgresql_where="(announcement_id IS NOT NULL)",
    )
    op.create_index("ix_notifications_contact_id_state", "notifications", ["contact_id", "state"])
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["next_attempt_at"],
        postgresql_where="(state IN ('pending', 'sending'))",
    )
    op.create_index(
        "ix_notifications_failed",
        "notifications",
        ["failed_at"],
        postgresql_where="(state = 'failed')",
    )
    op.create_index(
        "ix_notifications_paid_accepted_at",
        "notifications",
        ["accepted_at"],
        postgresql_where="((channel IN ('sms', 'voice')) AND (accepted_at IS NOT NULL))",
        postgresql_include=["cost"],
    )
    op.create_index(
        "ix_notifications_provider_id",
        "notifications",
        ["provider", "provider_id"],
        postgresql_where="(provider_id IS NOT NULL)",
    )
    op.create_index(
        "ix_notifications_receipt_due_at",
        "notifications",
        ["receipt_due_at"],
        postgresql_where="((state = 'sent') AND (receipt_due_at IS NOT NULL))",
    )
    op.create_index(
        "ix_notifications_user_id_accepted_at",
        "notifications",
        ["user_id", "accepted_at"],
        postgresql_where="((kind = 'slot_detected') AND (accepted_at IS NOT NULL))",
    )
    op.create_index("ix_notifications_user_id_created_at", "notifications", ["user_id", "created_at"])
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", name="fk_payments_user_id_users", ondelete="SET NULL"),
        ),
        sa.Column("plan", sa.String(24), nullable=False),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("currency", sa.Text, server_default="eur", nullable=False),
        sa.Column("refunded_cents", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.String(24), server_default="PENDING", nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("paid_at", _TIME),
        sa.Column("refunded_at", _TIME),
        sa.Column(
            "subscription_id",
            sa.Uuid,
            sa.ForeignKey("subscriptions.id", name="fk_payments_subscription_id_subscriptions"),
        ),
        sa.Column("terms_version", sa.Text),
        sa.Column("consent", postgresql.JSONB),
        sa.Column("consent_text", sa.Text),
        sa.Column("consented_at", _TIME),
        sa.Column("alert_wish", postgresql.JSONB),
        sa.Column(
            "alert_id",
            sa.Uuid,
            sa.ForeignKey("alerts.id", name="fk_payments_alert_id_alerts", ondelete="SET NULL"),
        ),
        sa.Column("synced_at", _TIME),
        sa.Column("order_number", sa.Text),
        sa.Column("order_mail_at", _TIME),
        sa.Column("client_name", sa.Text),
        sa.Column("lost_cents", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("stripe_customer_id", sa.Text),
        sa.Column("measured_at", _TIME),
        sa.CheckConstraint("currency = 'eur'", name="currency"),
        sa.CheckConstraint("order_number ~ '^[2-9A-HJ-NP-Z]{10}$'", name="order_number"),
        sa.CheckConstraint("plan <> 'NONE'", name="real_plan"),
        sa.CheckConstraint("plan IN ('NONE', 'URGENCE_24H', 'URGENCE_7J', 'URGENCE_TOTAL')", name="plan"),
        sa.CheckConstraint("status IN ('PENDING', 'COMPLETED', 'FAILED', 'REFUNDED')", name="status"),
        sa.CheckConstraint("(consent IS NULL) = (consented_at IS NULL)", name="consent"),
        sa.CheckConstraint("amount_cents >= 0", name="amount"),
        sa.CheckConstraint("refunded_cents >= 0 AND refunded_cents <= amount_cents", name="refunded"),
        sa.UniqueConstraint("order_number", name="uq_payments_order_number"),
    )
    op.create_index("ix_payments_alert_id", "payments", ["alert_id"])
    op.create_index("ix_payments_status_id", "payments", ["status", "id"])
    op.create_index("ix_payments_subscription_id", "payments", ["subscription_id"])
    op.create_index(
        "ix_payments_unmailed",
        "payments",
        ["id"],
        postgresql_where="((order_mail_at IS NULL) AND (paid_at IS NOT NULL) AND (consented_at IS NOT NULL))",
    )
    op.create_index("ix_payments_user_id_id", "payments", ["user_id", "id"])
    op.create_table(
        "provider_events",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text),
        sa.Column("notification_ids", postgresql.ARRAY(sa.Uuid), nullable=False),
        sa.Column("contact_id", sa.Uuid, sa.ForeignKey("contacts.id", ondelete="CASCADE")),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("applied_at", _TIME),
        sa.Column("next_attempt_at", _TIME),
        sa.CheckConstraint(
            "kind IN ('delivered', 'refused', 'bounced', 'complained', 'stopped')", name="kind"
        ),
        sa.CheckConstraint("(applied_at IS NULL) = (next_attempt_at IS NOT NULL)", name="applied"),
        sa.CheckConstraint(
            "length(event_id) BETWEEN 1 AND 255 AND length(message_id) <= 255 AND length(code) <= 80",
            name="length",
        ),
        sa.UniqueConstraint("provider", "event_id", name="uq_provider_events_provider_event_id"),
    )
    op.create_index(
        "ix_provider_events_contact_id",
        "provider_events",
        ["contact_id"],
        postgresql_where="(contact_id IS NOT NULL)",
    )
    op.create_index(
        "ix_provider_events_next_attempt_at",
        "provider_events",
        ["next_attempt_at"],
        postgresql_where="(next_attempt_at IS NOT NULL)",
    )
    op.create_index("ix_provider_events_received_at", "provider_events", ["received_at"])
    op.create_table(
        "answers",
        sa.Column(
            "match_id",
            sa.Uuid,
            sa.ForeignKey("matches.id", name="fk_answers_match_id_matches", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("value", sa.String(24), nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME),
        sa.Column("via", sa.String(24), nullable=False),
        sa.CheckConstraint("value IN ('found', 'too_late', 'nothing_there', 'stopped')", name="value"),
        sa.CheckConstraint("via IN ('email', 'telegram', 'api')", name="via"),
        sa.CheckConstraint("changed_at >= answered_at", name="changed_after"),
    )
    op.create_index("ix_answers_answered_at", "answers", ["answered_at"])
    op.create_index(
        "ix_answers_nothing_there",
        "answers",
        ["answered_at"],
        postgresql_where="(value = 'nothing_there')",
    )
    op.create_table(
        "book_lines",
        sa.Column(
            "transaction_id",
            sa.Uuid,
            sa.ForeignKey("book_transactions.id", name="fk_book_lines_transaction_id_book_transactions"),
            nullable=False,
        ),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_book_lines_payment_id_payments"),
            nullable=False,
        ),
        sa.Column("account", sa.String(24), nullable=False),
        sa.Column("cents", sa.Integer, nullable=False),
        sa.CheckConstraint(
            "account IN ('cash', 'unearned', 'earned', 'owed', 'disputed', 'lost')", name="account"
        ),
        sa.CheckConstraint("cents <> 0", name="cents"),
        sa.PrimaryKeyConstraint("transaction_id", "payment_id", "account"),
    )
    op.create_index("ix_book_lines_payment_id", "book_lines", ["payment_id"])
    op.create_table(
        "declarations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("made_by", sa.String(24), nullable=False),
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", name="fk_declarations_user_id_users", ondelete="SET NULL"),
        ),
        sa.Column(
            "payment_id", sa.Uuid, sa.ForeignKey("payments.id", name="fk_declarations_payment_id_payments")
        ),
        sa.Column(
            "subscription_id",
            sa.Uuid,
            sa.ForeignKey("subscriptions.id", name="fk_declarations_subscription_id_subscriptions"),
        ),
        sa.Column("name", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("language", sa.Text, server_default="fr", nullable=False),
        sa.Column("wished_on", sa.Date),
        sa.Column("at_period_end", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("confirmed_at", _TIME),
        sa.Column("takes_effect_at", _TIME),
        sa.Column("applied_at", _TIME),
        sa.Column("undone_at", _TIME),
        sa.Column("refused_because", sa.Text),
        sa.Column("refund_cents", sa.Integer),
        sa.CheckConstraint("kind IN ('withdrawal', 'cancellation')", name="kind"),
        sa.CheckConstraint("made_by IN ('account', 'link', 'form')", name="made_by"),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint("length(name) <= 200", name="name_length"),
        sa.CheckConstraint("length(reference) <= 100", name="reference_length"),
        sa.CheckConstraint("num_nonnulls(applied_at, undone_at, refused_because) <= 1", name="one_end"),
        sa.CheckConstraint("refund_cents IS NULL OR applied_at IS NOT NULL", name="refund"),
    )
    op.create_index(
        "ix_declarations_due",
        "declarations",
        ["takes_effect_at"],
        postgresql_where="((applied_at IS NULL) AND (undone_at IS NULL) AND (refused_because IS NULL))",
    )
    op.create_index(
        "ix_declarations_email_made_at", "declarations", [sa.literal_column("lower(email)"), "made_at"]
    )
    op.create_index("ix_declarations_payment_id", "declarations", ["payment_id"])
    op.create_index("ix_declarations_subscription_id", "declarations", ["subscription_id"])
    op.create_index("ix_declarations_user_id", "declarations", ["user_id"])
    op.create_index(
        "uq_declarations_withdrawal",
        "declarations",
        ["payment_id"],
        unique=True,
        postgresql_where="((kind = 'withdrawal') AND (made_by <> 'form') AND (refused_because IS NULL))",
    )
    op.create_table(
        "former_customers",
        sa.Column("payment_id", sa.Uuid, sa.ForeignKey("payments.id"), primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        sa.Column("dropped_at", _TIME, nullable=False),
        sa.CheckConstraint("length(customer) <= 255", name="length"),
    )
    op.create_index("ix_former_customers_customer", "former_customers", ["customer"])
    op.create_table(
        "grants",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("plan", sa.String(24), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("payment_id", sa.Uuid, sa.ForeignKey("payments.id", name="fk_grants_payment_id_payments")),
        sa.CheckConstraint("plan <> 'NONE'", name="real_plan"),
        sa.CheckConstraint("plan IN ('NONE', 'URGENCE_24H', 'URGENCE_7J', 'URGENCE_TOTAL')", name="plan"),
        sa.CheckConstraint("ends_at > starts_at", name="order"),
    )
    op.create_index("ix_grants_ends_at", "grants", ["ends_at"])
    op.create_index("ix_grants_payment_id", "grants", ["payment_id"])
    op.create_index("ix_grants_starts_at", "grants", ["starts_at"])
    op.create_index("ix_grants_user_id_ends_at", "grants", ["user_id", "ends_at"])
    op.create_index(
        "uq_grants_payment_id_source",
        "grants",
        ["payment_id", "source"],
        unique=True,
        postgresql_where="(source = ANY (ARRAY['payment', 'grace']))",
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_invoices_payment_id_payments"),
            nullable=False,
        ),
        sa.Column(
            "corrects_id", sa.Uuid, sa.ForeignKey("invoices.id", name="fk_invoices_corrects_id_invoices")
        ),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("issued_at", _TIME, nullable=False),
        sa.Column("contents", postgresql.JSONB, nullable=False),
        sa.Column("client_name", sa.Text),
        sa.Column("pdf_key", sa.Text),
        sa.Column("pdf_made_at", _TIME),
        sa.Column(
            "transaction_id",
            sa.Uuid,
            sa.ForeignKey("book_transactions.id", name="fk_invoices_transaction_id_book_transactions"),
            nullable=False,
        ),
        sa.CheckConstraint("kind = 'invoice' OR corrects_id IS NOT NULL", name="credit_note"),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name="kind"),
        sa.CheckConstraint("amount_cents > 0", name="amount"),
        sa.CheckConstraint("pdf_made_at IS NULL OR pdf_key IS NOT NULL", name="pdf"),
        sa.UniqueConstraint("number", name="uq_invoices_number"),
        sa.UniqueConstraint("transaction_id", name="uq_invoices_transaction_id"),
    )
    op.create_index("ix_invoices_corrects_id", "invoices", ["corrects_id"])
    op.create_index("ix_invoices_issued_at", "invoices", ["issued_at"])
    op.create_index("ix_invoices_payment_id", "invoices", ["payment_id"])
    op.create_index("ix_invoices_without_pdf", "invoices", ["id"], postgresql_where="(pdf_made_at IS NULL)")
    op.create_index(
        "uq_invoices_payment_id",
        "invoices",
        ["payment_id"],
        unique=True,
        postgresql_where="(corrects_id IS NULL)",
    )
    op.create_table(
        "payment_differences",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("found_at", _TIME, nullable=False),
        sa.Column("object_id", sa.Text, nullable=False),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_payment_differences_payment_id_payments"),
        ),
        sa.Column("ours", postgresql.JSONB, nullable=False),
        sa.Column("stripe", postgresql.JSONB, nullable=False),
        sa.Column("repaired", sa.Boolean, nullable=False),
        sa.UniqueConstraint("object_id", "found_at", name="uq_payment_differences_object_id_found_at"),
    )
    op.create_index("ix_payment_differences_found_at", "payment_differences", ["found_at"])
    op.create_index("ix_payment_differences_payment_id", "payment_differences", ["payment_id"])
    op.create_table(
        "payment_events",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_payment_events_payment_id_payments"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject", sa.Text, server_default="", nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.Column("details", postgresql.JSONB, server_default="{}", nullable=False),
        sa.CheckConstraint(
            "kind IN ('paid', 'failed', 'expired', 'refunded', 'refund_undone', 'dispute_opened', "
            "'dispute_won', 'dispute_lost', 'fraud_warning', 'plan_ended', 'withdrawn', 'dispute_closed')",
            name="kind",
        ),
        sa.UniqueConstraint(
            "payment_id", "kind", "subject", name="uq_payment_events_payment_id_kind_subject"
        ),
    )
    op.create_table(
        "plan_credits",
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_plan_credits_payment_id_payments"),
            nullable=False,
        ),
        sa.Column(
            "credited_payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_plan_credits_credited_payment_id_payments"),
            nullable=False,
        ),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.CheckConstraint("amount_cents >= 0 AND seconds > 0", name="amounts"),
        sa.CheckConstraint("payment_id <> credited_payment_id", name="two_payments"),
        sa.PrimaryKeyConstraint("payment_id", "credited_payment_id"),
    )
    op.create_index("ix_plan_credits_credited_payment_id", "plan_credits", ["credited_payment_id"])
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_refunds_payment_id_payments"),
            nullable=False,
        ),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("status", sa.String(24), server_default="planned", nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.Column("settled_at", _TIME),
        sa.Column("error", sa.Text),
        sa.CheckConstraint(
            "reason IN ('operator', 'withdrawal', 'not_watched', 'outage', 'cancelled', 'no_account', "
            "'external', 'duplicate')",
            name="reason",
        ),
        sa.CheckConstraint("status IN ('planned', 'pending', 'succeeded', 'failed')", name="status"),
        sa.CheckConstraint("amount_cents > 0", name="amount"),
    )
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_table(
        "unwatched",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_unwatched_payment_id_payments"),
            nullable=False,
        ),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("least_seconds", sa.Integer, nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name="order"),
    )
    op.create_index("ix_unwatched_payment_id_starts_at", "unwatched", ["payment_id", "starts_at"])
    op.create_table(
        "stripe_ids",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column(
            "payment_id", sa.Uuid, sa.ForeignKey("payments.id", name="fk_stripe_ids_payment_id_payments")
        ),
        sa.Column(
            "subscription_id",
            sa.Uuid,
            sa.ForeignKey("subscriptions.id", name="fk_stripe_ids_subscription_id_subscriptions"),
        ),
        sa.Column("refund_id", sa.Uuid, sa.ForeignKey("refunds.id", name="fk_stripe_ids_refund_id_refunds")),
        sa.Column("created_at", _TIME, server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(id) <= 255", name="length"),
        sa.CheckConstraint("num_nonnulls(payment_id, subscription_id, refund_id) = 1", name="owner"),
        sa.UniqueConstraint("payment_id", "kind", name="uq_stripe_ids_payment_id_kind"),
        sa.UniqueConstraint("refund_id", "kind", name="uq_stripe_ids_refund_id_kind"),
        sa.UniqueConstraint("subscription_id", "kind", name="uq_stripe_ids_subscription_id_kind"),
    )
    op.create_table(
        "watch_credits",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "payment_id",
            sa.Uuid,
            sa.ForeignKey("payments.id", name="fk_watch_credits_payment_id_payments"),
            nullable=False,
        ),
        sa.Column("form", sa.String(24), nullable=False),
        sa.Column("amount_cents", sa.Integer, nullable=False),
        sa.Column(
            "refund_id", sa.Uuid, sa.ForeignKey("refunds.id", name="fk_watch_credits_refund_id_refunds")
        ),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column(
            "borne_by_id", sa.Uuid, sa.ForeignKey("payments.id", name="fk_watch_credits_borne_by_id_payments")
        ),
        sa.Column("seconds", sa.Integer, nullable=False),
        sa.CheckConstraint("form IN ('time', 'invoice', 'refund')", name="form"),
        sa.CheckConstraint("amount_cents >= 0 AND seconds >= 0", name="amounts"),
    )
    op.create_index("ix_watch_credits_borne_by_id", "watch_credits", ["borne_by_id"])
    op.create_index("ix_watch_credits_payment_id", "watch_credits", ["payment_id"])
    op.create_index("ix_watch_credits_refund_id", "watch_credits", ["refund_id"])
    # https://www.postgresql.org/docs/18/storage-hot.html
    op.execute("ALTER TABLE contacts SET (fillfactor = 70)")


def downgrade() -> None:
    op.execute(_HAND_BACK)
    inspector = sa.inspect(op.get_bind())
    for table in inspector.get_table_names():
        if table != "alembic_version":
            op.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function.split()[2].split('(')[0]}")
    roles = ", ".join((_OWNER, *_PROGRAMS))
    op.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {roles}")
    op.execute(f"REVOKE ALL ON SCHEMA public FROM {_OWNER}")
