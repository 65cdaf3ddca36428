--
-- PostgreSQL database dump
--
-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
--
-- Name: analyze_table(text); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.analyze_table(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
END $$;
--
-- Name: balance_book(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.balance_book() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF (SELECT sum(cents) FROM book_lines WHERE transaction_id = NEW.transaction_id) <> 0 THEN
    RAISE EXCEPTION 'the lines of transaction % do not sum to 0', NEW.transaction_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
--
-- Name: drop_oldest_check_day(date); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.drop_oldest_check_day(before date) RETURNS date
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;
--
-- Name: follow_payment_events(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.follow_payment_events() RETURNS trigger
    LANGUAGE plpgsql
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
END $$;
--
-- Name: follow_refunds(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.follow_refunds() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE payments SET refunded_cents = refunded_cents
    + CASE WHEN NEW.status <> 'failed' THEN NEW.amount_cents ELSE 0 END
    - CASE WHEN TG_OP = 'UPDATE' AND OLD.status <> 'failed' THEN OLD.amount_cents ELSE 0 END
  WHERE id = NEW.payment_id;
  RETURN NULL;
END $$;
--
-- Name: keep_invoice(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.keep_invoice() RETURNS trigger
    LANGUAGE plpgsql
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
END $$;
--
-- Name: keep_payment(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.keep_payment() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF pg_trigger_depth() < 2 AND (NEW.status, NEW.paid_at, NEW.refunded_at, NEW.refunded_cents, NEW.lost_cents)
    IS DISTINCT FROM (OLD.status, OLD.paid_at, OLD.refunded_at, OLD.refunded_cents, OLD.lost_cents) THEN
    RAISE EXCEPTION 'status and refunds of a payment follow from payment_events and refunds: add a row there'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
--
-- Name: make_check_days(date, date); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.make_check_days(first date, last date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
END $$;
--
-- Name: make_order_number(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.make_order_number() RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE bytes bytea := uuid_send(gen_random_uuid()); made text := ''; place integer;
BEGIN
  FOREACH place IN ARRAY ARRAY[0, 1, 2, 3, 4, 5, 7, 9, 10, 11] LOOP
    made := made || substr(
      '23456789ABCDEFGHJKLMNPQRSTUVWXYZ', (get_byte(bytes, place) & 31) + 1, 1);  -- pragma: allowlist secret
  END LOOP;
  RETURN made;
END $$;
--
-- Name: number_order(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.number_order() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF NEW.consented_at IS NOT NULL AND NEW.order_number IS NULL THEN
    NEW.order_number := make_order_number();
  END IF;
  RETURN NEW;
END $$;
--
-- Name: refuse_audit_change(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.refuse_audit_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.at < now() - interval '3 years' THEN RETURN OLD; END IF;
  END IF;
  RAISE EXCEPTION 'rows of audit are kept unchanged for three years' USING ERRCODE = 'restrict_violation';
END $$;
--
-- Name: refuse_change_of_row(); Type: FUNCTION; Schema: public; Owner: -
--
CREATE FUNCTION public.refuse_change_of_row() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
--
-- Name: alert_targets; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.alert_targets (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    prefecture_id text,
    procedure character varying(24),
    desk_id text,
    date_from date,
    date_to date,
    weekdays smallint[],
    hour_from time without time zone,
    hour_to time without time zone,
    sites text[],
    CONSTRAINT ck_alert_targets_dates_in_order CHECK ((date_from <= date_to)),
    CONSTRAINT ck_alert_targets_desk_or_procedure CHECK ((((desk_id IS NOT NULL) AND (prefecture_id IS NULL) AND (procedure IS NULL)) OR ((desk_id IS NULL) AND (prefecture_id IS NOT NULL) AND (procedure IS NOT NULL)))),
    CONSTRAINT ck_alert_targets_hours_in_order CHECK ((hour_from < hour_to)),
    CONSTRAINT ck_alert_targets_iso_weekdays CHECK (((weekdays <@ ARRAY[(1)::smallint, (2)::smallint, (3)::smallint, (4)::smallint, (5)::smallint, (6)::smallint, (7)::smallint]) AND (cardinality(weekdays) > 0))),
    CONSTRAINT ck_alert_targets_procedure CHECK (((procedure)::text = ANY ((ARRAY['TITRE_SEJOUR'::character varying, 'NATURALISATION'::character varying, 'VISA'::character varying, 'CARTE_IDENTITE'::character varying, 'PASSEPORT'::character varying, 'PERMIS_CONDUIRE'::character varying, 'CARTE_GRISE'::character varying, 'AUTRE'::character varying])::text[])))
);
--
-- Name: alerts; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.alerts (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text,
    language text,
    enabled boolean DEFAULT true NOT NULL,
    awaits_watch boolean DEFAULT false NOT NULL,
    limits_version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    watched_since timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    voice_enabled boolean DEFAULT false NOT NULL,
    consent jsonb,
    consented_at timestamp with time zone,
    closed_at timestamp with time zone,
    closed_because character varying(24),
    CONSTRAINT ck_alerts_awaits_paused CHECK ((NOT (awaits_watch AND enabled))),
    CONSTRAINT ck_alerts_closed_because CHECK (((closed_because)::text = ANY ((ARRAY['deleted'::character varying, 'stopped'::character varying, 'found'::character varying])::text[]))),
    CONSTRAINT ck_alerts_closed_with_reason CHECK (((closed_at IS NULL) = (closed_because IS NULL)))
);
--
-- Name: answers; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.answers (
    match_id uuid NOT NULL,
    value character varying(24) NOT NULL,
    answered_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone,
    via character varying(24) NOT NULL,
    CONSTRAINT ck_answers_changed_after CHECK ((changed_at >= answered_at)),
    CONSTRAINT ck_answers_value CHECK (((value)::text = ANY ((ARRAY['found'::character varying, 'too_late'::character varying, 'nothing_there'::character varying, 'stopped'::character varying])::text[]))),
    CONSTRAINT ck_answers_via CHECK (((via)::text = ANY ((ARRAY['email'::character varying, 'telegram'::character varying, 'api'::character varying])::text[])))
);
--
-- Name: appointments; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.appointments (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    at timestamp with time zone,
    place text,
    first_reminder_at timestamp with time zone,
    last_reminder_at timestamp with time zone,
    may_ask boolean DEFAULT false NOT NULL,
    asked_at timestamp with time zone,
    answered_at timestamp with time zone,
    went_well boolean,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    dropped_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_appointments_answer CHECK (((answered_at IS NULL) = (went_well IS NULL))),
    CONSTRAINT ck_appointments_place_length CHECK (((length(place) >= 1) AND (length(place) <= 200))),
    CONSTRAINT ck_appointments_something CHECK (((at IS NOT NULL) OR (place IS NOT NULL) OR may_ask))
);
--
-- Name: audit; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.audit (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor_id uuid,
    actor_kind character varying(24) NOT NULL,
    action text NOT NULL,
    subject_type text NOT NULL,
    subject_id text,
    request_id text,
    changes jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT ck_audit_actor CHECK (((actor_id IS NULL) = ((actor_kind)::text = 'command'::text))),
    CONSTRAINT ck_audit_actor_kind CHECK (((actor_kind)::text = ANY ((ARRAY['support'::character varying, 'admin'::character varying, 'command'::character varying])::text[])))
);
--
-- Name: backup_states; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.backup_states (
    part character varying(24) NOT NULL,
    name text,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    bytes bigint,
    previous_bytes bigint,
    trouble text,
    trouble_since timestamp with time zone,
    request uuid,
    answer uuid,
    CONSTRAINT ck_backup_states_part CHECK (((part)::text = ANY ((ARRAY['base'::character varying, 'dump'::character varying, 'migration'::character varying, 'proofs'::character varying, 'wal'::character varying, 'store'::character varying])::text[]))),
    CONSTRAINT ck_backup_states_trouble_with_time CHECK (((trouble IS NULL) = (trouble_since IS NULL)))
);
--
-- Name: book_lines; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.book_lines (
    transaction_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    account character varying(24) NOT NULL,
    cents integer NOT NULL,
    CONSTRAINT ck_book_lines_account CHECK (((account)::text = ANY ((ARRAY['cash'::character varying, 'unearned'::character varying, 'earned'::character varying, 'owed'::character varying, 'disputed'::character varying, 'lost'::character varying])::text[]))),
    CONSTRAINT ck_book_lines_cents CHECK ((cents <> 0))
);
--
-- Name: book_transactions; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.book_transactions (
    id uuid NOT NULL,
    cause text NOT NULL,
    kind character varying(24) NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT ck_book_transactions_kind CHECK (((kind)::text = ANY ((ARRAY['paid'::character varying, 'upgraded'::character varying, 'revived'::character varying, 'borne'::character varying, 'unwatched'::character varying, 'ended'::character varying, 'owed'::character varying, 'refunded'::character varying, 'returned'::character varying, 'dispute_opened'::character varying, 'dispute_won'::character varying, 'dispute_lost'::character varying, 'dispute_closed'::character varying])::text[])))
);
--
-- Name: check_days; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.check_days (
    desk_id text NOT NULL,
    day date NOT NULL,
    checks integer NOT NULL,
    proven integer NOT NULL,
    outcomes jsonb NOT NULL,
    achieved_seconds double precision,
    promised_seconds double precision,
    openings integer NOT NULL,
    alerts integer DEFAULT 0 NOT NULL,
    found integer DEFAULT 0 NOT NULL,
    too_late integer DEFAULT 0 NOT NULL,
    nothing_there integer DEFAULT 0 NOT NULL,
    stopped integer DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_check_days_counts CHECK (((checks >= proven) AND (proven >= 0) AND (openings >= 0)))
);
--
-- Name: checks; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks (
    id bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    desk_id text NOT NULL,
    token bigint,
    outcome character varying(24) NOT NULL,
    evidence text NOT NULL,
    milliseconds integer NOT NULL,
    requests smallint NOT NULL,
    slots_seen integer NOT NULL,
    covered jsonb NOT NULL,
    process text NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
)
PARTITION BY RANGE (started_at);
--
-- Name: checks_20261126; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261126 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261127; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261127 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261128; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261128 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261129; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261129 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261130; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261130 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261201; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261201 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261202; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261202 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261203; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261203 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261204; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261204 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261205; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261205 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261206; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261206 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261207; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261207 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261208; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261208 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261209; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261209 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261210; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261210 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_20261211; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.checks_20261211 (
    id bigint CONSTRAINT checks_id_not_null NOT NULL,
    started_at timestamp with time zone CONSTRAINT checks_started_at_not_null NOT NULL,
    desk_id text CONSTRAINT checks_desk_id_not_null NOT NULL,
    token bigint,
    outcome character varying(24) CONSTRAINT checks_outcome_not_null NOT NULL,
    evidence text CONSTRAINT checks_evidence_not_null NOT NULL,
    milliseconds integer CONSTRAINT checks_milliseconds_not_null NOT NULL,
    requests smallint CONSTRAINT checks_requests_not_null NOT NULL,
    slots_seen integer CONSTRAINT checks_slots_seen_not_null NOT NULL,
    covered jsonb CONSTRAINT checks_covered_not_null NOT NULL,
    process text CONSTRAINT checks_process_not_null NOT NULL,
    error text,
    proof_key text,
    CONSTRAINT ck_checks_counts CHECK (((milliseconds >= 0) AND (requests >= 0) AND (slots_seen >= 0))),
    CONSTRAINT ck_checks_outcome CHECK (((outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[])))
);
--
-- Name: checks_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.checks ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.checks_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: contacts; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.contacts (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    channel character varying(24) NOT NULL,
    address text NOT NULL,
    lookup_hashes bytea[] DEFAULT '{}'::bytea[] NOT NULL,
    new_address text,
    former_address text,
    moved_at timestamp with time zone,
    number smallint DEFAULT '0'::smallint NOT NULL,
    device_name text,
    verified_at timestamp with time zone,
    enabled boolean DEFAULT false NOT NULL,
    state character varying(24) DEFAULT 'ok'::character varying NOT NULL,
    consent jsonb,
    consented_at timestamp with time zone,
    stopped_groups text[] DEFAULT '{}'::text[] NOT NULL,
    summary_since timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_contacts_address_length CHECK (((length(address) >= 1) AND (length(address) <=
CASE channel
    WHEN 'push'::text THEN 2048
    ELSE 254
END))),
    CONSTRAINT ck_contacts_address_protected CHECK (
CASE channel
    WHEN 'email'::text THEN (POSITION(('@'::text) IN (address)) > 0)
    ELSE starts_with(address, 'gAAAAA'::text)
END),
    CONSTRAINT ck_contacts_channel CHECK (((channel)::text = ANY ((ARRAY['email'::character varying, 'sms'::character varying, 'telegram'::character varying, 'voice'::character varying, 'push'::character varying])::text[]))),
    CONSTRAINT ck_contacts_device_name CHECK (((((channel)::text = 'push'::text) = (device_name IS NOT NULL)) AND starts_with(device_name, 'gAAAAA'::text))),
    CONSTRAINT ck_contacts_former_address CHECK ((((former_address IS NULL) = (moved_at IS NULL)) AND ((former_address IS NULL) OR ((channel)::text = 'email'::text)))),
    CONSTRAINT ck_contacts_new_address_length CHECK (((length(new_address) >= 1) AND (length(new_address) <= 254))),
    CONSTRAINT ck_contacts_new_address_protected CHECK (
CASE channel
    WHEN 'email'::text THEN (POSITION(('@'::text) IN (new_address)) > 0)
    ELSE starts_with(new_address, 'gAAAAA'::text)
END),
    CONSTRAINT ck_contacts_number CHECK (((number >= 0) AND (number <=
CASE channel
    WHEN 'push'::text THEN 4
    ELSE 0
END))),
    CONSTRAINT ck_contacts_state CHECK (((state)::text = ANY ((ARRAY['ok'::character varying, 'bounced'::character varying, 'blocked'::character varying, 'unsubscribed'::character varying])::text[])))
)
WITH (fillfactor='70');
--
-- Name: declarations; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.declarations (
    id uuid NOT NULL,
    kind character varying(24) NOT NULL,
    made_at timestamp with time zone NOT NULL,
    made_by character varying(24) NOT NULL,
    user_id uuid,
    payment_id uuid,
    subscription_id uuid,
    name text,
    email text,
    reference text,
    language text DEFAULT 'fr'::text NOT NULL,
    wished_on date,
    at_period_end boolean DEFAULT false NOT NULL,
    confirmed_at timestamp with time zone,
    takes_effect_at timestamp with time zone,
    applied_at timestamp with time zone,
    undone_at timestamp with time zone,
    refused_because text,
    refund_cents integer,
    CONSTRAINT ck_declarations_email_length CHECK ((length(email) <= 254)),
    CONSTRAINT ck_declarations_kind CHECK (((kind)::text = ANY ((ARRAY['withdrawal'::character varying, 'cancellation'::character varying])::text[]))),
    CONSTRAINT ck_declarations_made_by CHECK (((made_by)::text = ANY ((ARRAY['account'::character varying, 'link'::character varying, 'form'::character varying])::text[]))),
    CONSTRAINT ck_declarations_name_length CHECK ((length(name) <= 200)),
    CONSTRAINT ck_declarations_one_end CHECK ((num_nonnulls(applied_at, undone_at, refused_because) <= 1)),
    CONSTRAINT ck_declarations_reference_length CHECK ((length(reference) <= 100)),
    CONSTRAINT ck_declarations_refund CHECK (((refund_cents IS NULL) OR (applied_at IS NOT NULL)))
);
--
-- Name: delivery_figures; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.delivery_figures (
    day date NOT NULL,
    channel character varying(24) NOT NULL,
    provider text NOT NULL,
    prefecture_id text NOT NULL,
    messages integer NOT NULL,
    sent integer NOT NULL,
    delivered integer NOT NULL,
    bounced integer NOT NULL,
    no_receipt integer NOT NULL,
    failed integer NOT NULL,
    expired integer NOT NULL,
    skipped integer NOT NULL,
    unsure integer NOT NULL,
    missed integer NOT NULL,
    tracked integer NOT NULL,
    confirmed integer NOT NULL,
    seen_to_committed double precision[],
    committed_to_matched double precision[],
    matched_to_accepted double precision[],
    accepted_to_delivered double precision[],
    seen_to_accepted double precision[],
    seen_to_delivered double precision[],
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_delivery_figures_channel CHECK (((channel)::text = ANY ((ARRAY['email'::character varying, 'sms'::character varying, 'telegram'::character varying, 'voice'::character varying, 'push'::character varying])::text[]))),
    CONSTRAINT ck_delivery_figures_counts CHECK (((confirmed <= tracked) AND (tracked <= sent)))
);
--
-- Name: desk_changes; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.desk_changes (
    id bigint NOT NULL,
    desk_id text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
--
-- Name: desk_changes_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.desk_changes ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.desk_changes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: desk_links; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.desk_links (
    desk_id text NOT NULL,
    page_url text NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL
);
--
-- Name: desks; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.desks (
    id text NOT NULL,
    status character varying(24) DEFAULT 'PAUSED'::character varying NOT NULL,
    status_reason text DEFAULT 'not checked yet'::text NOT NULL,
    last_token bigint DEFAULT '0'::bigint NOT NULL,
    last_check_at timestamp with time zone,
    last_outcome character varying(24),
    last_proven_at timestamp with time zone,
    last_slot_at timestamp with time zone,
    inconclusive integer DEFAULT 0 NOT NULL,
    wished_seconds double precision,
    feasible_seconds double precision,
    share_seconds double precision,
    achieved_seconds double precision,
    check_requested_at timestamp with time zone,
    refused_at timestamp with time zone,
    whole_at timestamp with time zone,
    coverage jsonb,
    visit_requests double precision,
    open_requests double precision,
    releases_at timestamp with time zone,
    due_queue text,
    paused_at timestamp with time zone,
    pause_reason text,
    CONSTRAINT ck_desks_inconclusive CHECK ((inconclusive >= 0)),
    CONSTRAINT ck_desks_last_outcome CHECK (((last_outcome)::text = ANY ((ARRAY['slots'::character varying, 'no_slots'::character varying, 'captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying])::text[]))),
    CONSTRAINT ck_desks_pause CHECK (((paused_at IS NULL) = (pause_reason IS NULL))),
    CONSTRAINT ck_desks_status CHECK (((status)::text = ANY ((ARRAY['ACTIVE'::character varying, 'CAPTCHA'::character varying, 'PAUSED'::character varying, 'ERROR'::character varying])::text[])))
);
--
-- Name: detection_slots; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.detection_slots (
    detection_id uuid NOT NULL,
    slot_id bigint NOT NULL
);
--
-- Name: detections; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.detections (
    id uuid NOT NULL,
    desk_id text NOT NULL,
    prefecture_id text NOT NULL,
    procedures text[] NOT NULL,
    label text NOT NULL,
    site text,
    source character varying(24) NOT NULL,
    booking_url text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    committed_at timestamp with time zone NOT NULL,
    matched_at timestamp with time zone,
    next_nudge_at timestamp with time zone,
    nudges integer DEFAULT 0 NOT NULL,
    proof_key text,
    CONSTRAINT ck_detections_procedures CHECK ((cardinality(procedures) > 0)),
    CONSTRAINT ck_detections_source CHECK (((source)::text = ANY ((ARRAY['check'::character varying, 'report'::character varying])::text[])))
);
--
-- Name: discovery_runs; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.discovery_runs (
    id bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    cut boolean DEFAULT false NOT NULL,
    pages integer DEFAULT 0 NOT NULL,
    found integer DEFAULT 0 NOT NULL,
    CONSTRAINT ck_discovery_runs_order CHECK ((ended_at >= started_at))
);
--
-- Name: discovery_runs_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.discovery_runs ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.discovery_runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: drifts; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.drifts (
    id bigint NOT NULL,
    desk_id text NOT NULL,
    reason character varying(24) NOT NULL,
    detail text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    CONSTRAINT ck_drifts_order CHECK ((ends_at >= starts_at)),
    CONSTRAINT ck_drifts_reason CHECK (((reason)::text = ANY ((ARRAY['unlinked'::character varying, 'silent'::character varying])::text[])))
);
--
-- Name: drifts_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.drifts ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.drifts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: exports; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.exports (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone,
    ready_at timestamp with time zone,
    expires_at timestamp with time zone,
    file_key text,
    size_bytes bigint,
    CONSTRAINT ck_exports_encrypted CHECK (starts_with(file_key, 'gAAAAA'::text)),
    CONSTRAINT ck_exports_ready CHECK (((num_nulls(ready_at, expires_at, file_key, size_bytes) = ANY (ARRAY[0, 4])) AND ((ready_at IS NULL) = (next_attempt_at IS NOT NULL))))
);
--
-- Name: former_customers; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.former_customers (
    payment_id uuid NOT NULL,
    customer text NOT NULL,
    dropped_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_former_customers_length CHECK ((length(customer) <= 255))
);
--
-- Name: grants; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.grants (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    plan character varying(24) NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    source text NOT NULL,
    payment_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_grants_order CHECK ((ends_at > starts_at)),
    CONSTRAINT ck_grants_plan CHECK (((plan)::text = ANY ((ARRAY['NONE'::character varying, 'URGENCE_24H'::character varying, 'URGENCE_7J'::character varying, 'URGENCE_TOTAL'::character varying])::text[]))),
    CONSTRAINT ck_grants_real_plan CHECK (((plan)::text <> 'NONE'::text))
);
--
-- Name: hosts; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.hosts (
    host text NOT NULL,
    rests_until timestamp with time zone,
    rest_reason text,
    rests_in_a_row integer DEFAULT 0 NOT NULL,
    budget_share double precision DEFAULT '1'::double precision NOT NULL,
    calm_since timestamp with time zone,
    stopped_at timestamp with time zone,
    stop_reason text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_hosts_budget_share CHECK (((budget_share > (0)::double precision) AND (budget_share <= (1)::double precision))),
    CONSTRAINT ck_hosts_rests_in_a_row CHECK ((rests_in_a_row >= 0)),
    CONSTRAINT ck_hosts_stop CHECK (((stopped_at IS NULL) = (stop_reason IS NULL)))
);
--
-- Name: incidents; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.incidents (
    id bigint NOT NULL,
    subject text NOT NULL,
    reason character varying(24) NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    told_at timestamp with time zone,
    over_at timestamp with time zone,
    alarm_kind text,
    alarm_params jsonb,
    repeated_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    CONSTRAINT ck_incidents_alarm CHECK (((alarm_kind IS NULL) = (alarm_params IS NULL))),
    CONSTRAINT ck_incidents_order CHECK ((ends_at >= starts_at)),
    CONSTRAINT ck_incidents_reason CHECK (((reason)::text = ANY ((ARRAY['captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'overloaded'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying, 'unlinked'::character varying, 'silent'::character varying, 'horizon'::character varying, 'part_down'::character varying, 'part_degraded'::character varying, 'provider_down'::character varying, 'old_queue'::character varying, 'quota'::character varying, 'low_delivery'::character varying, 'spam_reports'::character varying, 'dead_letters'::character varying, 'sms_ceiling'::character varying, 'mail_ceiling'::character varying, 'failures_rising'::character varying, 'fraud_warning'::character varying, 'false_alarms'::character varying, 'self_check'::character varying])::text[])))
);
--
-- Name: incidents_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.incidents ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.incidents_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: invoice_counters; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.invoice_counters (
    year integer NOT NULL,
    kind character varying(24) NOT NULL,
    last_number integer NOT NULL,
    last_issued_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_invoice_counters_kind CHECK (((kind)::text = ANY ((ARRAY['invoice'::character varying, 'credit_note'::character varying])::text[]))),
    CONSTRAINT ck_invoice_counters_last_number CHECK ((last_number > 0))
);
--
-- Name: invoices; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.invoices (
    id uuid NOT NULL,
    kind character varying(24) NOT NULL,
    number text NOT NULL,
    payment_id uuid NOT NULL,
    transaction_id uuid NOT NULL,
    corrects_id uuid,
    amount_cents integer NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    contents jsonb NOT NULL,
    client_name text,
    pdf_key text,
    pdf_made_at timestamp with time zone,
    CONSTRAINT ck_invoices_amount CHECK ((amount_cents > 0)),
    CONSTRAINT ck_invoices_credit_note CHECK ((((kind)::text = 'invoice'::text) OR (corrects_id IS NOT NULL))),
    CONSTRAINT ck_invoices_kind CHECK (((kind)::text = ANY ((ARRAY['invoice'::character varying, 'credit_note'::character varying])::text[]))),
    CONSTRAINT ck_invoices_pdf CHECK (((pdf_made_at IS NULL) OR (pdf_key IS NOT NULL)))
);
--
-- Name: jobs; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.jobs (
    name text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    turn_ends_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    ended_at timestamp with time zone,
    failed_at timestamp with time zone,
    error text,
    counts jsonb,
    done_for timestamp with time zone,
    CONSTRAINT ck_jobs_attempts CHECK ((attempts >= 0))
);
--
-- Name: logins; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.logins (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    browser text NOT NULL,
    token_hash text NOT NULL,
    previous_hash text,
    created_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone NOT NULL,
    rotated_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    proven_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_because character varying(24),
    CONSTRAINT ck_logins_ended_because CHECK (((ended_because)::text = ANY ((ARRAY['logged_out'::character varying, 'ended_by_user'::character varying, 'new_password'::character varying, 'token_reused'::character varying, 'address_confirmed'::character varying, 'idle'::character varying])::text[]))),
    CONSTRAINT ck_logins_ended_with_reason CHECK (((ended_at IS NULL) = (ended_because IS NULL)))
);
--
-- Name: match_parts; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.match_parts (
    detection_id uuid NOT NULL,
    number integer NOT NULL,
    alert_ids uuid[] NOT NULL,
    CONSTRAINT ck_match_parts_alert_ids CHECK ((cardinality(alert_ids) > 0))
);
--
-- Name: matches; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.matches (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    detection_id uuid NOT NULL,
    limits_version integer NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    announcement_id uuid NOT NULL,
    slots int8multirange NOT NULL
);
--
-- Name: notices; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.notices (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    language text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    link text,
    detection_id uuid,
    dedupe_key text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    read_at timestamp with time zone,
    gone_at timestamp with time zone
);
--
-- Name: notifications; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.notifications (
    id uuid NOT NULL,
    user_id uuid,
    contact_id uuid,
    announcement_id uuid,
    address text,
    channel character varying(24) NOT NULL,
    kind text NOT NULL,
    language text DEFAULT 'fr'::text NOT NULL,
    params jsonb DEFAULT '{}'::jsonb NOT NULL,
    title text,
    text text,
    priority character varying(24) NOT NULL,
    dedupe_key text NOT NULL,
    state character varying(24) DEFAULT 'pending'::character varying NOT NULL,
    reason text,
    held_for character varying(24),
    attempts integer DEFAULT 0 NOT NULL,
    unknown_attempts integer DEFAULT 0 NOT NULL,
    lease_token uuid,
    lease_until timestamp with time zone,
    next_attempt_at timestamp with time zone NOT NULL,
    provider text,
    provider_id text,
    cost numeric(8,5),
    segments smallint,
    receipt_due_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone,
    committed_at timestamp with time zone,
    matched_at timestamp with time zone,
    accepted_at timestamp with time zone,
    delivered_at timestamp with time zone,
    failed_at timestamp with time zone,
    CONSTRAINT ck_notifications_accepted CHECK ((((state)::text <> ALL ((ARRAY['sent'::character varying, 'delivered'::character varying, 'no_receipt'::character varying])::text[])) OR (accepted_at IS NOT NULL))),
    CONSTRAINT ck_notifications_attempts CHECK ((attempts >= 0)),
    CONSTRAINT ck_notifications_channel CHECK (((channel)::text = ANY ((ARRAY['email'::character varying, 'sms'::character varying, 'telegram'::character varying, 'voice'::character varying, 'push'::character varying])::text[]))),
    CONSTRAINT ck_notifications_ended CHECK ((((state)::text <> ALL ((ARRAY['failed'::character varying, 'expired'::character varying, 'skipped'::character varying])::text[])) OR (failed_at IS NOT NULL))),
    CONSTRAINT ck_notifications_held_for CHECK (((held_for)::text = ANY ((ARRAY['quiet_hours'::character varying, 'digest'::character varying, 'hourly_cap'::character varying, 'slots'::character varying])::text[]))),
    CONSTRAINT ck_notifications_lease CHECK ((((state)::text = 'sending'::text) = ((lease_token IS NOT NULL) AND (lease_until IS NOT NULL)))),
    CONSTRAINT ck_notifications_priority CHECK (((priority)::text = ANY ((ARRAY['critical'::character varying, 'immediate'::character varying, 'scheduled'::character varying, 'bulk'::character varying])::text[]))),
    CONSTRAINT ck_notifications_reason CHECK ((((state)::text <> ALL ((ARRAY['failed'::character varying, 'expired'::character varying, 'skipped'::character varying, 'bounced'::character varying])::text[])) OR (reason IS NOT NULL))),
    CONSTRAINT ck_notifications_recipient CHECK (((user_id IS NOT NULL) OR (address IS NOT NULL))),
    CONSTRAINT ck_notifications_segments CHECK ((segments >= 0)),
    CONSTRAINT ck_notifications_state CHECK (((state)::text = ANY ((ARRAY['pending'::character varying, 'sending'::character varying, 'sent'::character varying, 'delivered'::character varying, 'no_receipt'::character varying, 'bounced'::character varying, 'failed'::character varying, 'expired'::character varying, 'skipped'::character varying])::text[])))
);
--
-- Name: outages; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.outages (
    id bigint NOT NULL,
    desk_id text NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone,
    reason character varying(24) NOT NULL,
    CONSTRAINT ck_outages_order CHECK ((ends_at >= starts_at)),
    CONSTRAINT ck_outages_reason CHECK (((reason)::text = ANY ((ARRAY['captcha'::character varying, 'blocked'::character varying, 'rate_limited'::character varying, 'maintenance'::character varying, 'closed'::character varying, 'unreachable'::character varying, 'unreadable'::character varying, 'stopped'::character varying])::text[])))
);
--
-- Name: outages_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.outages ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.outages_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: payment_differences; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.payment_differences (
    id uuid NOT NULL,
    found_at timestamp with time zone NOT NULL,
    object_id text NOT NULL,
    payment_id uuid,
    ours jsonb NOT NULL,
    stripe jsonb NOT NULL,
    repaired boolean NOT NULL
);
--
-- Name: payment_events; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.payment_events (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    kind character varying(24) NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT ck_payment_events_kind CHECK (((kind)::text = ANY ((ARRAY['paid'::character varying, 'failed'::character varying, 'expired'::character varying, 'refunded'::character varying, 'refund_undone'::character varying, 'dispute_opened'::character varying, 'dispute_won'::character varying, 'dispute_lost'::character varying, 'dispute_closed'::character varying, 'fraud_warning'::character varying, 'plan_ended'::character varying, 'withdrawn'::character varying])::text[])))
);
--
-- Name: payments; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.payments (
    id uuid NOT NULL,
    user_id uuid,
    plan character varying(24) NOT NULL,
    amount_cents integer NOT NULL,
    currency text DEFAULT 'eur'::text NOT NULL,
    refunded_cents integer DEFAULT 0 NOT NULL,
    lost_cents integer DEFAULT 0 NOT NULL,
    status character varying(24) DEFAULT 'PENDING'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    paid_at timestamp with time zone,
    refunded_at timestamp with time zone,
    subscription_id uuid,
    terms_version text,
    consent jsonb,
    consent_text text,
    consented_at timestamp with time zone,
    alert_wish jsonb,
    alert_id uuid,
    measured_at timestamp with time zone,
    synced_at timestamp with time zone,
    order_number text,
    order_mail_at timestamp with time zone,
    client_name text,
    stripe_customer_id text,
    CONSTRAINT ck_payments_amount CHECK ((amount_cents >= 0)),
    CONSTRAINT ck_payments_consent CHECK (((consent IS NULL) = (consented_at IS NULL))),
    CONSTRAINT ck_payments_currency CHECK ((currency = 'eur'::text)),
    CONSTRAINT ck_payments_order_number CHECK ((order_number ~ '^[2-9A-HJ-NP-Z]{10}$'::text)),
    CONSTRAINT ck_payments_plan CHECK (((plan)::text = ANY ((ARRAY['NONE'::character varying, 'URGENCE_24H'::character varying, 'URGENCE_7J'::character varying, 'URGENCE_TOTAL'::character varying])::text[]))),
    CONSTRAINT ck_payments_real_plan CHECK (((plan)::text <> 'NONE'::text)),
    CONSTRAINT ck_payments_refunded CHECK (((refunded_cents >= 0) AND (refunded_cents <= amount_cents))),
    CONSTRAINT ck_payments_status CHECK (((status)::text = ANY ((ARRAY['PENDING'::character varying, 'COMPLETED'::character varying, 'FAILED'::character varying, 'REFUNDED'::character varying])::text[])))
);
--
-- Name: phone_codes; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.phone_codes (
    id uuid NOT NULL,
    user_id uuid,
    number_hash bytea NOT NULL,
    network_hash bytea NOT NULL,
    code_hash bytea NOT NULL,
    wrong_tries integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);
--
-- Name: plan_credits; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.plan_credits (
    payment_id uuid NOT NULL,
    credited_payment_id uuid NOT NULL,
    amount_cents integer NOT NULL,
    seconds integer NOT NULL,
    CONSTRAINT ck_plan_credits_amounts CHECK (((amount_cents >= 0) AND (seconds > 0))),
    CONSTRAINT ck_plan_credits_two_payments CHECK ((payment_id <> credited_payment_id))
);
--
-- Name: provider_events; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.provider_events (
    id uuid NOT NULL,
    provider text NOT NULL,
    event_id text NOT NULL,
    message_id text,
    notification_ids uuid[] NOT NULL,
    contact_id uuid,
    kind character varying(24) NOT NULL,
    code text,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    applied_at timestamp with time zone,
    next_attempt_at timestamp with time zone,
    CONSTRAINT ck_provider_events_applied CHECK (((applied_at IS NULL) = (next_attempt_at IS NOT NULL))),
    CONSTRAINT ck_provider_events_kind CHECK (((kind)::text = ANY ((ARRAY['delivered'::character varying, 'refused'::character varying, 'bounced'::character varying, 'complained'::character varying, 'stopped'::character varying])::text[]))),
    CONSTRAINT ck_provider_events_length CHECK ((((length(event_id) >= 1) AND (length(event_id) <= 255)) AND (length(message_id) <= 255) AND (length(code) <= 80)))
);
--
-- Name: refunds; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.refunds (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_cents integer NOT NULL,
    reason character varying(24) NOT NULL,
    note text,
    status character varying(24) DEFAULT 'planned'::character varying NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    error text,
    CONSTRAINT ck_refunds_amount CHECK ((amount_cents > 0)),
    CONSTRAINT ck_refunds_reason CHECK (((reason)::text = ANY ((ARRAY['operator'::character varying, 'withdrawal'::character varying, 'not_watched'::character varying, 'outage'::character varying, 'cancelled'::character varying, 'no_account'::character varying, 'duplicate'::character varying, 'external'::character varying])::text[]))),
    CONSTRAINT ck_refunds_status CHECK (((status)::text = ANY ((ARRAY['planned'::character varying, 'pending'::character varying, 'succeeded'::character varying, 'failed'::character varying])::text[])))
);
--
-- Name: registrations; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.registrations (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    password_hash text,
    wished_plan character varying(24),
    language text DEFAULT 'fr'::text NOT NULL,
    phone text,
    alert_wish jsonb,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_registrations_phone_encrypted CHECK (starts_with(phone, 'gAAAAA'::text)),
    CONSTRAINT ck_registrations_wished_plan CHECK (((wished_plan)::text = ANY ((ARRAY['NONE'::character varying, 'URGENCE_24H'::character varying, 'URGENCE_7J'::character varying, 'URGENCE_TOTAL'::character varying])::text[])))
);
--
-- Name: slots; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.slots (
    id bigint NOT NULL,
    desk_id text NOT NULL,
    place_key text NOT NULL,
    place_label text,
    moment text NOT NULL,
    starts_at timestamp with time zone,
    seats integer,
    url text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    gone_at timestamp with time zone,
    gone_reason character varying(24),
    gone_told_at timestamp with time zone,
    CONSTRAINT ck_slots_gone_reason CHECK (((gone_reason)::text = ANY ((ARRAY['taken'::character varying, 'past'::character varying, 'lapsed'::character varying, 'superseded'::character varying])::text[]))),
    CONSTRAINT ck_slots_gone_with_reason CHECK (((gone_at IS NULL) = (gone_reason IS NULL))),
    CONSTRAINT ck_slots_moment CHECK (((moment = 'open'::text) OR (moment ~ '^\d{4}-\d\d-\d\d'::text))),
    CONSTRAINT ck_slots_seen_after_opened CHECK ((seen_at >= opened_at))
);
--
-- Name: slots_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.slots ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.slots_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: stripe_commands; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.stripe_commands (
    kind character varying(24) NOT NULL,
    subject_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    key_number integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone NOT NULL,
    error text,
    CONSTRAINT ck_stripe_commands_kind CHECK (((kind)::text = ANY ((ARRAY['refund'::character varying, 'credit'::character varying, 'end'::character varying])::text[])))
);
--
-- Name: stripe_events; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.stripe_events (
    id text NOT NULL,
    type text NOT NULL,
    api_version text,
    created_at timestamp with time zone NOT NULL,
    object_type text,
    object_id text,
    received_at timestamp with time zone NOT NULL,
    applied_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    next_attempt_at timestamp with time zone,
    error text,
    flag character varying(24),
    lease_token uuid,
    lease_until timestamp with time zone,
    CONSTRAINT ck_stripe_events_applied_once CHECK (((applied_at IS NULL) OR (next_attempt_at IS NULL))),
    CONSTRAINT ck_stripe_events_flag CHECK (((flag)::text = ANY ((ARRAY['unknown_type'::character varying, 'unknown_owner'::character varying, 'gave_up'::character varying])::text[]))),
    CONSTRAINT ck_stripe_events_lease CHECK (((lease_token IS NULL) = (lease_until IS NULL))),
    CONSTRAINT ck_stripe_events_length CHECK (((length(id) <= 255) AND (length(type) <= 255)))
);
--
-- Name: stripe_ids; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.stripe_ids (
    id text NOT NULL,
    kind text NOT NULL,
    payment_id uuid,
    subscription_id uuid,
    refund_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_stripe_ids_length CHECK ((length(id) <= 255)),
    CONSTRAINT ck_stripe_ids_owner CHECK ((num_nonnulls(payment_id, subscription_id, refund_id) = 1))
);
--
-- Name: subscriptions; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.subscriptions (
    id uuid NOT NULL,
    user_id uuid,
    plan character varying(24) NOT NULL,
    status text NOT NULL,
    period_starts_at timestamp with time zone,
    period_ends_at timestamp with time zone,
    cancel_at timestamp with time zone,
    ended_at timestamp with time zone,
    cancel_wanted_at timestamp with time zone,
    synced_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_subscriptions_plan CHECK (((plan)::text = ANY ((ARRAY['NONE'::character varying, 'URGENCE_24H'::character varying, 'URGENCE_7J'::character varying, 'URGENCE_TOTAL'::character varying])::text[]))),
    CONSTRAINT ck_subscriptions_real_plan CHECK (((plan)::text <> 'NONE'::text))
);
--
-- Name: support_requests; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.support_requests (
    id bigint NOT NULL,
    user_id uuid,
    email text NOT NULL,
    message text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_support_requests_email_length CHECK ((length(email) <= 254)),
    CONSTRAINT ck_support_requests_message_length CHECK (((length(message) >= 1) AND (length(message) <= 5000)))
);
--
-- Name: support_requests_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--
ALTER TABLE public.support_requests ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.support_requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
--
-- Name: telegram_links; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.telegram_links (
    user_id uuid NOT NULL,
    code_hash bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    chat_id text,
    chat_name text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_telegram_links_chat CHECK (((chat_id IS NULL) = (chat_name IS NULL))),
    CONSTRAINT ck_telegram_links_encrypted CHECK ((starts_with(chat_id, 'gAAAAA'::text) AND starts_with(chat_name, 'gAAAAA'::text)))
);
--
-- Name: unwatched; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.unwatched (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    starts_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    least_seconds integer NOT NULL,
    CONSTRAINT ck_unwatched_order CHECK ((ends_at > starts_at))
);
--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    email_folded text NOT NULL,
    password_hash text,
    role character varying(24) DEFAULT 'user'::character varying NOT NULL,
    language text DEFAULT 'fr'::text NOT NULL,
    time_zone text DEFAULT 'Europe/Paris'::text NOT NULL,
    token_version integer DEFAULT 0 NOT NULL,
    totp_secret text,
    totp_confirmed_at timestamp with time zone,
    totp_used_step bigint,
    recovery_hashes text[] DEFAULT '{}'::text[] NOT NULL,
    factor_ends_at timestamp with time zone,
    wished_plan character varying(24),
    stripe_customer_id text,
    outage_credit character varying(24) DEFAULT 'credit'::character varying NOT NULL,
    slot_rhythm character varying(24) DEFAULT 'at_once'::character varying NOT NULL,
    digest_at time without time zone DEFAULT '07:00:00'::time without time zone NOT NULL,
    quiet_from time without time zone,
    quiet_until time without time zone,
    quiet_slots boolean DEFAULT false NOT NULL,
    calls_from time without time zone DEFAULT '08:00:00'::time without time zone NOT NULL,
    calls_until time without time zone DEFAULT '22:00:00'::time without time zone NOT NULL,
    last_used_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_users_call_hours CHECK ((calls_from <> calls_until)),
    CONSTRAINT ck_users_email_length CHECK ((length(email) <= 254)),
    CONSTRAINT ck_users_factor_end CHECK (((factor_ends_at IS NULL) OR (totp_secret IS NOT NULL))),
    CONSTRAINT ck_users_outage_credit CHECK (((outage_credit)::text = ANY ((ARRAY['credit'::character varying, 'refund'::character varying])::text[]))),
    CONSTRAINT ck_users_quiet_hours CHECK ((((quiet_from IS NULL) = (quiet_until IS NULL)) AND (quiet_from <> quiet_until))),
    CONSTRAINT ck_users_role CHECK (((role)::text = ANY ((ARRAY['user'::character varying, 'support'::character varying, 'admin'::character varying])::text[]))),
    CONSTRAINT ck_users_second_factor CHECK (((totp_confirmed_at IS NULL) = (totp_secret IS NULL))),
    CONSTRAINT ck_users_slot_rhythm CHECK (((slot_rhythm)::text = ANY ((ARRAY['at_once'::character varying, 'hourly'::character varying, 'daily'::character varying])::text[]))),
    CONSTRAINT ck_users_wished_plan CHECK (((wished_plan)::text = ANY ((ARRAY['NONE'::character varying, 'URGENCE_24H'::character varying, 'URGENCE_7J'::character varying, 'URGENCE_TOTAL'::character varying])::text[])))
);
--
-- Name: watch_credits; Type: TABLE; Schema: public; Owner: -
--
CREATE TABLE public.watch_credits (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    seconds integer NOT NULL,
    form character varying(24) NOT NULL,
    amount_cents integer NOT NULL,
    refund_id uuid,
    borne_by_id uuid,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ck_watch_credits_amounts CHECK (((amount_cents >= 0) AND (seconds >= 0))),
    CONSTRAINT ck_watch_credits_form CHECK (((form)::text = ANY ((ARRAY['time'::character varying, 'invoice'::character varying, 'refund'::character varying])::text[])))
);
--
-- Name: checks_20261126; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261126 FOR VALUES FROM ('2026-11-26 00:00:00+00') TO ('2026-11-27 00:00:00+00');
--
-- Name: checks_20261127; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261127 FOR VALUES FROM ('2026-11-27 00:00:00+00') TO ('2026-11-28 00:00:00+00');
--
-- Name: checks_20261128; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261128 FOR VALUES FROM ('2026-11-28 00:00:00+00') TO ('2026-11-29 00:00:00+00');
--
-- Name: checks_20261129; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261129 FOR VALUES FROM ('2026-11-29 00:00:00+00') TO ('2026-11-30 00:00:00+00');
--
-- Name: checks_20261130; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261130 FOR VALUES FROM ('2026-11-30 00:00:00+00') TO ('2026-12-01 00:00:00+00');
--
-- Name: checks_20261201; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261201 FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2026-12-02 00:00:00+00');
--
-- Name: checks_20261202; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261202 FOR VALUES FROM ('2026-12-02 00:00:00+00') TO ('2026-12-03 00:00:00+00');
--
-- Name: checks_20261203; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261203 FOR VALUES FROM ('2026-12-03 00:00:00+00') TO ('2026-12-04 00:00:00+00');
--
-- Name: checks_20261204; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261204 FOR VALUES FROM ('2026-12-04 00:00:00+00') TO ('2026-12-05 00:00:00+00');
--
-- Name: checks_20261205; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261205 FOR VALUES FROM ('2026-12-05 00:00:00+00') TO ('2026-12-06 00:00:00+00');
--
-- Name: checks_20261206; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261206 FOR VALUES FROM ('2026-12-06 00:00:00+00') TO ('2026-12-07 00:00:00+00');
--
-- Name: checks_20261207; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261207 FOR VALUES FROM ('2026-12-07 00:00:00+00') TO ('2026-12-08 00:00:00+00');
--
-- Name: checks_20261208; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261208 FOR VALUES FROM ('2026-12-08 00:00:00+00') TO ('2026-12-09 00:00:00+00');
--
-- Name: checks_20261209; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261209 FOR VALUES FROM ('2026-12-09 00:00:00+00') TO ('2026-12-10 00:00:00+00');
--
-- Name: checks_20261210; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261210 FOR VALUES FROM ('2026-12-10 00:00:00+00') TO ('2026-12-11 00:00:00+00');
--
-- Name: checks_20261211; Type: TABLE ATTACH; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks ATTACH PARTITION public.checks_20261211 FOR VALUES FROM ('2026-12-11 00:00:00+00') TO ('2026-12-12 00:00:00+00');
--
-- Data for Name: alert_targets; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: alerts; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: answers; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: appointments; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: audit; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: backup_states; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: book_lines; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: book_transactions; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: check_days; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261126; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261127; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261128; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261129; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261130; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261201; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261202; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261203; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261204; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261205; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261206; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261207; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261208; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261209; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261210; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: checks_20261211; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: contacts; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: declarations; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: delivery_figures; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: desk_changes; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: desk_links; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: desks; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: detection_slots; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: detections; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: discovery_runs; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: drifts; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: exports; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: former_customers; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: grants; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: hosts; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: incidents; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: invoice_counters; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: invoices; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: jobs; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: logins; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: match_parts; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: matches; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: notices; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: notifications; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: outages; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: payment_differences; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: payment_events; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: payments; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: phone_codes; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: plan_credits; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: provider_events; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: refunds; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: registrations; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: slots; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: stripe_commands; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: stripe_events; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: stripe_ids; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: subscriptions; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: support_requests; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: telegram_links; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: unwatched; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Data for Name: watch_credits; Type: TABLE DATA; Schema: public; Owner: -
--
--
-- Name: checks_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.checks_id_seq', 1, false);
--
-- Name: desk_changes_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.desk_changes_id_seq', 1, false);
--
-- Name: discovery_runs_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.discovery_runs_id_seq', 1, false);
--
-- Name: drifts_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.drifts_id_seq', 1, false);
--
-- Name: incidents_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.incidents_id_seq', 1, false);
--
-- Name: outages_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.outages_id_seq', 1, false);
--
-- Name: slots_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.slots_id_seq', 1, false);
--
-- Name: support_requests_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--
SELECT pg_catalog.setval('public.support_requests_id_seq', 1, false);
--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
--
-- Name: checks pk_checks; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks
    ADD CONSTRAINT pk_checks PRIMARY KEY (id, started_at);
--
-- Name: checks_20261126 checks_20261126_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261126
    ADD CONSTRAINT checks_20261126_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261127 checks_20261127_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261127
    ADD CONSTRAINT checks_20261127_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261128 checks_20261128_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261128
    ADD CONSTRAINT checks_20261128_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261129 checks_20261129_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261129
    ADD CONSTRAINT checks_20261129_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261130 checks_20261130_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261130
    ADD CONSTRAINT checks_20261130_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261201 checks_20261201_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261201
    ADD CONSTRAINT checks_20261201_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261202 checks_20261202_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261202
    ADD CONSTRAINT checks_20261202_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261203 checks_20261203_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261203
    ADD CONSTRAINT checks_20261203_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261204 checks_20261204_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261204
    ADD CONSTRAINT checks_20261204_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261205 checks_20261205_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261205
    ADD CONSTRAINT checks_20261205_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261206 checks_20261206_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261206
    ADD CONSTRAINT checks_20261206_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261207 checks_20261207_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261207
    ADD CONSTRAINT checks_20261207_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261208 checks_20261208_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261208
    ADD CONSTRAINT checks_20261208_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261209 checks_20261209_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261209
    ADD CONSTRAINT checks_20261209_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261210 checks_20261210_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261210
    ADD CONSTRAINT checks_20261210_pkey PRIMARY KEY (id, started_at);
--
-- Name: checks_20261211 checks_20261211_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.checks_20261211
    ADD CONSTRAINT checks_20261211_pkey PRIMARY KEY (id, started_at);
--
-- Name: alert_targets pk_alert_targets; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.alert_targets
    ADD CONSTRAINT pk_alert_targets PRIMARY KEY (id);
--
-- Name: alerts pk_alerts; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT pk_alerts PRIMARY KEY (id);
--
-- Name: answers pk_answers; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT pk_answers PRIMARY KEY (match_id);
--
-- Name: appointments pk_appointments; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT pk_appointments PRIMARY KEY (id);
--
-- Name: audit pk_audit; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (id);
--
-- Name: backup_states pk_backup_states; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.backup_states
    ADD CONSTRAINT pk_backup_states PRIMARY KEY (part);
--
-- Name: book_lines pk_book_lines; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.book_lines
    ADD CONSTRAINT pk_book_lines PRIMARY KEY (transaction_id, payment_id, account);
--
-- Name: book_transactions pk_book_transactions; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.book_transactions
    ADD CONSTRAINT pk_book_transactions PRIMARY KEY (id);
--
-- Name: check_days pk_check_days; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.check_days
    ADD CONSTRAINT pk_check_days PRIMARY KEY (desk_id, day);
--
-- Name: contacts pk_contacts; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT pk_contacts PRIMARY KEY (id);
--
-- Name: declarations pk_declarations; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.declarations
    ADD CONSTRAINT pk_declarations PRIMARY KEY (id);
--
-- Name: delivery_figures pk_delivery_figures; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.delivery_figures
    ADD CONSTRAINT pk_delivery_figures PRIMARY KEY (day, channel, provider, prefecture_id);
--
-- Name: desk_changes pk_desk_changes; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.desk_changes
    ADD CONSTRAINT pk_desk_changes PRIMARY KEY (id);
--
-- Name: desk_links pk_desk_links; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.desk_links
    ADD CONSTRAINT pk_desk_links PRIMARY KEY (desk_id, page_url);
--
-- Name: desks pk_desks; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.desks
    ADD CONSTRAINT pk_desks PRIMARY KEY (id);
--
-- Name: detection_slots pk_detection_slots; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.detection_slots
    ADD CONSTRAINT pk_detection_slots PRIMARY KEY (detection_id, slot_id);
--
-- Name: detections pk_detections; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.detections
    ADD CONSTRAINT pk_detections PRIMARY KEY (id);
--
-- Name: discovery_runs pk_discovery_runs; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.discovery_runs
    ADD CONSTRAINT pk_discovery_runs PRIMARY KEY (id);
--
-- Name: drifts pk_drifts; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.drifts
    ADD CONSTRAINT pk_drifts PRIMARY KEY (id);
--
-- Name: exports pk_exports; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.exports
    ADD CONSTRAINT pk_exports PRIMARY KEY (id);
--
-- Name: former_customers pk_former_customers; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.former_customers
    ADD CONSTRAINT pk_former_customers PRIMARY KEY (payment_id);
--
-- Name: grants pk_grants; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT pk_grants PRIMARY KEY (id);
--
-- Name: hosts pk_hosts; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.hosts
    ADD CONSTRAINT pk_hosts PRIMARY KEY (host);
--
-- Name: incidents pk_incidents; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.incidents
    ADD CONSTRAINT pk_incidents PRIMARY KEY (id);
--
-- Name: invoice_counters pk_invoice_counters; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoice_counters
    ADD CONSTRAINT pk_invoice_counters PRIMARY KEY (year, kind);
--
-- Name: invoices pk_invoices; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT pk_invoices PRIMARY KEY (id);
--
-- Name: jobs pk_jobs; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT pk_jobs PRIMARY KEY (name);
--
-- Name: logins pk_logins; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT pk_logins PRIMARY KEY (id);
--
-- Name: match_parts pk_match_parts; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.match_parts
    ADD CONSTRAINT pk_match_parts PRIMARY KEY (detection_id, number);
--
-- Name: matches pk_matches; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.matches
    ADD CONSTRAINT pk_matches PRIMARY KEY (id);
--
-- Name: notices pk_notices; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT pk_notices PRIMARY KEY (id);
--
-- Name: notifications pk_notifications; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT pk_notifications PRIMARY KEY (id);
--
-- Name: outages pk_outages; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.outages
    ADD CONSTRAINT pk_outages PRIMARY KEY (id);
--
-- Name: payment_differences pk_payment_differences; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payment_differences
    ADD CONSTRAINT pk_payment_differences PRIMARY KEY (id);
--
-- Name: payment_events pk_payment_events; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT pk_payment_events PRIMARY KEY (id);
--
-- Name: payments pk_payments; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payments
    ADD CONSTRAINT pk_payments PRIMARY KEY (id);
--
-- Name: phone_codes pk_phone_codes; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.phone_codes
    ADD CONSTRAINT pk_phone_codes PRIMARY KEY (id);
--
-- Name: plan_credits pk_plan_credits; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.plan_credits
    ADD CONSTRAINT pk_plan_credits PRIMARY KEY (payment_id, credited_payment_id);
--
-- Name: provider_events pk_provider_events; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.provider_events
    ADD CONSTRAINT pk_provider_events PRIMARY KEY (id);
--
-- Name: refunds pk_refunds; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.refunds
    ADD CONSTRAINT pk_refunds PRIMARY KEY (id);
--
-- Name: registrations pk_registrations; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT pk_registrations PRIMARY KEY (id);
--
-- Name: slots pk_slots; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.slots
    ADD CONSTRAINT pk_slots PRIMARY KEY (id);
--
-- Name: stripe_commands pk_stripe_commands; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_commands
    ADD CONSTRAINT pk_stripe_commands PRIMARY KEY (kind, subject_id);
--
-- Name: stripe_events pk_stripe_events; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_events
    ADD CONSTRAINT pk_stripe_events PRIMARY KEY (id);
--
-- Name: stripe_ids pk_stripe_ids; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT pk_stripe_ids PRIMARY KEY (id);
--
-- Name: subscriptions pk_subscriptions; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT pk_subscriptions PRIMARY KEY (id);
--
-- Name: support_requests pk_support_requests; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.support_requests
    ADD CONSTRAINT pk_support_requests PRIMARY KEY (id);
--
-- Name: telegram_links pk_telegram_links; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.telegram_links
    ADD CONSTRAINT pk_telegram_links PRIMARY KEY (user_id);
--
-- Name: unwatched pk_unwatched; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.unwatched
    ADD CONSTRAINT pk_unwatched PRIMARY KEY (id);
--
-- Name: users pk_users; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);
--
-- Name: watch_credits pk_watch_credits; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.watch_credits
    ADD CONSTRAINT pk_watch_credits PRIMARY KEY (id);
--
-- Name: appointments uq_appointments_alert_id; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT uq_appointments_alert_id UNIQUE (alert_id);
--
-- Name: book_transactions uq_book_transactions_cause; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.book_transactions
    ADD CONSTRAINT uq_book_transactions_cause UNIQUE (cause);
--
-- Name: contacts uq_contacts_user_id_channel_number; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT uq_contacts_user_id_channel_number UNIQUE (user_id, channel, number);
--
-- Name: exports uq_exports_user_id; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.exports
    ADD CONSTRAINT uq_exports_user_id UNIQUE (user_id);
--
-- Name: invoices uq_invoices_number; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT uq_invoices_number UNIQUE (number);
--
-- Name: invoices uq_invoices_transaction_id; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT uq_invoices_transaction_id UNIQUE (transaction_id);
--
-- Name: notifications uq_notifications_dedupe_key; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT uq_notifications_dedupe_key UNIQUE (dedupe_key);
--
-- Name: payment_differences uq_payment_differences_object_id_found_at; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payment_differences
    ADD CONSTRAINT uq_payment_differences_object_id_found_at UNIQUE (object_id, found_at);
--
-- Name: payment_events uq_payment_events_payment_id_kind_subject; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT uq_payment_events_payment_id_kind_subject UNIQUE (payment_id, kind, subject);
--
-- Name: payments uq_payments_order_number; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payments
    ADD CONSTRAINT uq_payments_order_number UNIQUE (order_number);
--
-- Name: provider_events uq_provider_events_provider_event_id; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.provider_events
    ADD CONSTRAINT uq_provider_events_provider_event_id UNIQUE (provider, event_id);
--
-- Name: stripe_ids uq_stripe_ids_payment_id_kind; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT uq_stripe_ids_payment_id_kind UNIQUE (payment_id, kind);
--
-- Name: stripe_ids uq_stripe_ids_refund_id_kind; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT uq_stripe_ids_refund_id_kind UNIQUE (refund_id, kind);
--
-- Name: stripe_ids uq_stripe_ids_subscription_id_kind; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT uq_stripe_ids_subscription_id_kind UNIQUE (subscription_id, kind);
--
-- Name: telegram_links uq_telegram_links_code_hash; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.telegram_links
    ADD CONSTRAINT uq_telegram_links_code_hash UNIQUE (code_hash);
--
-- Name: users uq_users_email_folded; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_email_folded UNIQUE (email_folded);
--
-- Name: users uq_users_stripe_customer_id; Type: CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_stripe_customer_id UNIQUE (stripe_customer_id);
--
-- Name: ix_checks_desk_id_started_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_checks_desk_id_started_at ON ONLY public.checks USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261126_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261126_desk_id_started_at_idx ON public.checks_20261126 USING btree (desk_id, started_at DESC);
--
-- Name: ix_checks_started_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_checks_started_at ON ONLY public.checks USING btree (started_at);
--
-- Name: checks_20261126_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261126_started_at_idx ON public.checks_20261126 USING btree (started_at);
--
-- Name: checks_20261127_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261127_desk_id_started_at_idx ON public.checks_20261127 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261127_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261127_started_at_idx ON public.checks_20261127 USING btree (started_at);
--
-- Name: checks_20261128_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261128_desk_id_started_at_idx ON public.checks_20261128 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261128_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261128_started_at_idx ON public.checks_20261128 USING btree (started_at);
--
-- Name: checks_20261129_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261129_desk_id_started_at_idx ON public.checks_20261129 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261129_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261129_started_at_idx ON public.checks_20261129 USING btree (started_at);
--
-- Name: checks_20261130_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261130_desk_id_started_at_idx ON public.checks_20261130 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261130_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261130_started_at_idx ON public.checks_20261130 USING btree (started_at);
--
-- Name: checks_20261201_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261201_desk_id_started_at_idx ON public.checks_20261201 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261201_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261201_started_at_idx ON public.checks_20261201 USING btree (started_at);
--
-- Name: checks_20261202_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261202_desk_id_started_at_idx ON public.checks_20261202 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261202_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261202_started_at_idx ON public.checks_20261202 USING btree (started_at);
--
-- Name: checks_20261203_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261203_desk_id_started_at_idx ON public.checks_20261203 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261203_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261203_started_at_idx ON public.checks_20261203 USING btree (started_at);
--
-- Name: checks_20261204_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261204_desk_id_started_at_idx ON public.checks_20261204 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261204_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261204_started_at_idx ON public.checks_20261204 USING btree (started_at);
--
-- Name: checks_20261205_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261205_desk_id_started_at_idx ON public.checks_20261205 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261205_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261205_started_at_idx ON public.checks_20261205 USING btree (started_at);
--
-- Name: checks_20261206_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261206_desk_id_started_at_idx ON public.checks_20261206 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261206_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261206_started_at_idx ON public.checks_20261206 USING btree (started_at);
--
-- Name: checks_20261207_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261207_desk_id_started_at_idx ON public.checks_20261207 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261207_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261207_started_at_idx ON public.checks_20261207 USING btree (started_at);
--
-- Name: checks_20261208_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261208_desk_id_started_at_idx ON public.checks_20261208 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261208_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261208_started_at_idx ON public.checks_20261208 USING btree (started_at);
--
-- Name: checks_20261209_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261209_desk_id_started_at_idx ON public.checks_20261209 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261209_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261209_started_at_idx ON public.checks_20261209 USING btree (started_at);
--
-- Name: checks_20261210_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261210_desk_id_started_at_idx ON public.checks_20261210 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261210_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261210_started_at_idx ON public.checks_20261210 USING btree (started_at);
--
-- Name: checks_20261211_desk_id_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261211_desk_id_started_at_idx ON public.checks_20261211 USING btree (desk_id, started_at DESC);
--
-- Name: checks_20261211_started_at_idx; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX checks_20261211_started_at_idx ON public.checks_20261211 USING btree (started_at);
--
-- Name: ix_alert_targets_alert_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alert_targets_alert_id ON public.alert_targets USING btree (alert_id);
--
-- Name: ix_alert_targets_desk_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alert_targets_desk_id ON public.alert_targets USING btree (desk_id) INCLUDE (alert_id, id) WHERE (desk_id IS NOT NULL);
--
-- Name: ix_alert_targets_prefecture_id_procedure; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alert_targets_prefecture_id_procedure ON public.alert_targets USING btree (prefecture_id, procedure) INCLUDE (alert_id, id) WHERE (desk_id IS NULL);
--
-- Name: ix_alerts_awaits_watch; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alerts_awaits_watch ON public.alerts USING btree (id) WHERE (awaits_watch AND (closed_at IS NULL));
--
-- Name: ix_alerts_open; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alerts_open ON public.alerts USING btree (user_id) WHERE ((closed_at IS NULL) AND enabled);
--
-- Name: ix_alerts_user_id_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alerts_user_id_created_at ON public.alerts USING btree (user_id, created_at);
--
-- Name: ix_alerts_user_id_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alerts_user_id_id ON public.alerts USING btree (user_id, id) WHERE (closed_at IS NULL);
--
-- Name: ix_alerts_voice; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alerts_voice ON public.alerts USING btree (id) INCLUDE (user_id) WHERE (voice_enabled AND enabled AND (closed_at IS NULL));
--
-- Name: ix_alerts_waiting; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_alerts_waiting ON public.alerts USING btree (id) INCLUDE (user_id, limits_version, language) WHERE ((closed_at IS NULL) AND enabled);
--
-- Name: ix_answers_answered_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_answers_answered_at ON public.answers USING btree (answered_at);
--
-- Name: ix_answers_nothing_there; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_answers_nothing_there ON public.answers USING btree (answered_at) WHERE ((value)::text = 'nothing_there'::text);
--
-- Name: ix_appointments_dropped_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_appointments_dropped_at ON public.appointments USING btree (dropped_at);
--
-- Name: ix_appointments_first_reminder_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_appointments_first_reminder_at ON public.appointments USING btree (first_reminder_at) WHERE (first_reminder_at IS NOT NULL);
--
-- Name: ix_appointments_last_reminder_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_appointments_last_reminder_at ON public.appointments USING btree (last_reminder_at) WHERE (last_reminder_at IS NOT NULL);
--
-- Name: ix_audit_action_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_audit_action_id ON public.audit USING btree (action, id);
--
-- Name: ix_audit_actor_id_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_audit_actor_id_id ON public.audit USING btree (actor_id, id);
--
-- Name: ix_audit_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_audit_at ON public.audit USING btree (at);
--
-- Name: ix_audit_subject_id_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_audit_subject_id_id ON public.audit USING btree (subject_id, id);
--
-- Name: ix_book_lines_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_book_lines_payment_id ON public.book_lines USING btree (payment_id);
--
-- Name: ix_check_days_day; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_check_days_day ON public.check_days USING btree (day);
--
-- Name: ix_contacts_channel_address; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_contacts_channel_address ON public.contacts USING btree (channel, address);
--
-- Name: ix_contacts_lookup_hashes; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_contacts_lookup_hashes ON public.contacts USING gin (lookup_hashes);
--
-- Name: ix_contacts_summary; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_contacts_summary ON public.contacts USING btree (user_id) WHERE (summary_since IS NOT NULL);
--
-- Name: ix_contacts_unverified; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_contacts_unverified ON public.contacts USING btree (created_at) WHERE (verified_at IS NULL);
--
-- Name: ix_declarations_due; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_declarations_due ON public.declarations USING btree (takes_effect_at) WHERE ((applied_at IS NULL) AND (undone_at IS NULL) AND (refused_because IS NULL));
--
-- Name: ix_declarations_email_made_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_declarations_email_made_at ON public.declarations USING btree (lower(email), made_at);
--
-- Name: ix_declarations_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_declarations_payment_id ON public.declarations USING btree (payment_id);
--
-- Name: ix_declarations_subscription_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_declarations_subscription_id ON public.declarations USING btree (subscription_id);
--
-- Name: ix_declarations_user_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_declarations_user_id ON public.declarations USING btree (user_id);
--
-- Name: ix_desks_check_requested_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_desks_check_requested_at ON public.desks USING btree (check_requested_at) WHERE (check_requested_at IS NOT NULL);
--
-- Name: ix_detection_slots_slot_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_detection_slots_slot_id ON public.detection_slots USING btree (slot_id);
--
-- Name: ix_detections_desk_id_seen_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_detections_desk_id_seen_at ON public.detections USING btree (desk_id, seen_at DESC);
--
-- Name: ix_detections_prefecture_id_seen_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_detections_prefecture_id_seen_at ON public.detections USING btree (prefecture_id, seen_at DESC);
--
-- Name: ix_detections_seen_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_detections_seen_at ON public.detections USING btree (seen_at) INCLUDE (prefecture_id);
--
-- Name: ix_detections_unmatched; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_detections_unmatched ON public.detections USING btree (committed_at) WHERE (matched_at IS NULL);
--
-- Name: ix_discovery_runs_started_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_discovery_runs_started_at ON public.discovery_runs USING btree (started_at);
--
-- Name: ix_exports_expires_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_exports_expires_at ON public.exports USING btree (expires_at);
--
-- Name: ix_exports_next_attempt_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_exports_next_attempt_at ON public.exports USING btree (next_attempt_at);
--
-- Name: ix_former_customers_customer; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_former_customers_customer ON public.former_customers USING btree (customer);
--
-- Name: ix_grants_ends_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_grants_ends_at ON public.grants USING btree (ends_at);
--
-- Name: ix_grants_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_grants_payment_id ON public.grants USING btree (payment_id);
--
-- Name: ix_grants_starts_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_grants_starts_at ON public.grants USING btree (starts_at);
--
-- Name: ix_grants_user_id_ends_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_grants_user_id_ends_at ON public.grants USING btree (user_id, ends_at);
--
-- Name: ix_incidents_ends_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_incidents_ends_at ON public.incidents USING btree (ends_at) WHERE (over_at IS NULL);
--
-- Name: ix_incidents_unanswered; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_incidents_unanswered ON public.incidents USING btree (told_at) WHERE ((alarm_kind IS NOT NULL) AND (repeated_at IS NULL) AND (acknowledged_at IS NULL));
--
-- Name: ix_invoices_corrects_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_invoices_corrects_id ON public.invoices USING btree (corrects_id);
--
-- Name: ix_invoices_issued_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_invoices_issued_at ON public.invoices USING btree (issued_at);
--
-- Name: ix_invoices_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_invoices_payment_id ON public.invoices USING btree (payment_id);
--
-- Name: ix_invoices_without_pdf; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_invoices_without_pdf ON public.invoices USING btree (id) WHERE (pdf_made_at IS NULL);
--
-- Name: ix_logins_ended_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_logins_ended_at ON public.logins USING btree (ended_at);
--
-- Name: ix_logins_expires_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_logins_expires_at ON public.logins USING btree (expires_at);
--
-- Name: ix_logins_user_id_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_logins_user_id_created_at ON public.logins USING btree (user_id, created_at);
--
-- Name: ix_matches_alert_id_decided_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_matches_alert_id_decided_at ON public.matches USING btree (alert_id, decided_at);
--
-- Name: ix_matches_alert_id_detection_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_matches_alert_id_detection_id ON public.matches USING btree (alert_id, detection_id);
--
-- Name: ix_matches_announcement_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_matches_announcement_id ON public.matches USING btree (announcement_id);
--
-- Name: ix_matches_detection_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_matches_detection_id ON public.matches USING btree (detection_id);
--
-- Name: ix_notices_user_id_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notices_user_id_id ON public.notices USING btree (user_id, id);
--
-- Name: ix_notifications_address; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_address ON public.notifications USING btree (id) WHERE ((user_id IS NULL) AND (address <> ''::text));
--
-- Name: ix_notifications_announcement_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_announcement_id ON public.notifications USING btree (announcement_id) WHERE (announcement_id IS NOT NULL);
--
-- Name: ix_notifications_contact_id_state; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_contact_id_state ON public.notifications USING btree (contact_id, state);
--
-- Name: ix_notifications_due; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_due ON public.notifications USING btree (next_attempt_at) WHERE ((state)::text = ANY ((ARRAY['pending'::character varying, 'sending'::character varying])::text[]));
--
-- Name: ix_notifications_failed; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_failed ON public.notifications USING btree (failed_at) WHERE ((state)::text = 'failed'::text);
--
-- Name: ix_notifications_paid_accepted_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_paid_accepted_at ON public.notifications USING btree (accepted_at) INCLUDE (cost) WHERE (((channel)::text = ANY ((ARRAY['sms'::character varying, 'voice'::character varying])::text[])) AND (accepted_at IS NOT NULL));
--
-- Name: ix_notifications_provider_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_provider_id ON public.notifications USING btree (provider, provider_id) WHERE (provider_id IS NOT NULL);
--
-- Name: ix_notifications_receipt_due_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_receipt_due_at ON public.notifications USING btree (receipt_due_at) WHERE (((state)::text = 'sent'::text) AND (receipt_due_at IS NOT NULL));
--
-- Name: ix_notifications_user_id_accepted_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_user_id_accepted_at ON public.notifications USING btree (user_id, accepted_at) WHERE ((kind = 'slot_detected'::text) AND (accepted_at IS NOT NULL));
--
-- Name: ix_notifications_user_id_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_notifications_user_id_created_at ON public.notifications USING btree (user_id, created_at);
--
-- Name: ix_outages_desk_id_starts_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_outages_desk_id_starts_at ON public.outages USING btree (desk_id, starts_at);
--
-- Name: ix_outages_ends_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_outages_ends_at ON public.outages USING btree (ends_at);
--
-- Name: ix_payment_differences_found_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payment_differences_found_at ON public.payment_differences USING btree (found_at);
--
-- Name: ix_payment_differences_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payment_differences_payment_id ON public.payment_differences USING btree (payment_id);
--
-- Name: ix_payments_alert_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payments_alert_id ON public.payments USING btree (alert_id);
--
-- Name: ix_payments_status_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payments_status_id ON public.payments USING btree (status, id);
--
-- Name: ix_payments_subscription_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payments_subscription_id ON public.payments USING btree (subscription_id);
--
-- Name: ix_payments_unmailed; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payments_unmailed ON public.payments USING btree (id) WHERE ((order_mail_at IS NULL) AND (paid_at IS NOT NULL) AND (consented_at IS NOT NULL));
--
-- Name: ix_payments_user_id_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_payments_user_id_id ON public.payments USING btree (user_id, id);
--
-- Name: ix_phone_codes_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_phone_codes_created_at ON public.phone_codes USING btree (created_at);
--
-- Name: ix_phone_codes_user_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_phone_codes_user_id ON public.phone_codes USING btree (user_id);
--
-- Name: ix_plan_credits_credited_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_plan_credits_credited_payment_id ON public.plan_credits USING btree (credited_payment_id);
--
-- Name: ix_provider_events_contact_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_provider_events_contact_id ON public.provider_events USING btree (contact_id) WHERE (contact_id IS NOT NULL);
--
-- Name: ix_provider_events_next_attempt_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_provider_events_next_attempt_at ON public.provider_events USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
--
-- Name: ix_provider_events_received_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_provider_events_received_at ON public.provider_events USING btree (received_at);
--
-- Name: ix_refunds_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_refunds_payment_id ON public.refunds USING btree (payment_id);
--
-- Name: ix_registrations_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_registrations_created_at ON public.registrations USING btree (created_at);
--
-- Name: ix_registrations_user_id_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_registrations_user_id_created_at ON public.registrations USING btree (user_id, created_at);
--
-- Name: ix_slots_desk_id_gone_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_slots_desk_id_gone_at ON public.slots USING btree (desk_id, gone_at) WHERE (gone_at IS NOT NULL);
--
-- Name: ix_slots_desk_id_opened_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_slots_desk_id_opened_at ON public.slots USING btree (desk_id, opened_at);
--
-- Name: ix_slots_desk_id_place_key_moment; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_slots_desk_id_place_key_moment ON public.slots USING btree (desk_id, place_key, moment);
--
-- Name: ix_slots_gone_untold; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_slots_gone_untold ON public.slots USING btree (gone_at) WHERE (((gone_reason)::text = ANY ((ARRAY['taken'::character varying, 'past'::character varying])::text[])) AND (gone_told_at IS NULL));
--
-- Name: ix_slots_seen_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_slots_seen_at ON public.slots USING btree (seen_at) WHERE (gone_at IS NULL);
--
-- Name: ix_stripe_commands_next_attempt_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_stripe_commands_next_attempt_at ON public.stripe_commands USING btree (next_attempt_at);
--
-- Name: ix_stripe_events_next_attempt_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_stripe_events_next_attempt_at ON public.stripe_events USING btree (next_attempt_at) WHERE (next_attempt_at IS NOT NULL);
--
-- Name: ix_stripe_events_object_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_stripe_events_object_id ON public.stripe_events USING btree (object_id);
--
-- Name: ix_stripe_events_received_at_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_stripe_events_received_at_id ON public.stripe_events USING btree (received_at, id);
--
-- Name: ix_subscriptions_user_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_subscriptions_user_id ON public.subscriptions USING btree (user_id);
--
-- Name: ix_support_requests_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_support_requests_created_at ON public.support_requests USING btree (created_at);
--
-- Name: ix_support_requests_email_created_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_support_requests_email_created_at ON public.support_requests USING btree (lower(email), created_at);
--
-- Name: ix_support_requests_user_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_support_requests_user_id ON public.support_requests USING btree (user_id);
--
-- Name: ix_unwatched_payment_id_starts_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_unwatched_payment_id_starts_at ON public.unwatched USING btree (payment_id, starts_at);
--
-- Name: ix_users_factor_ends_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_users_factor_ends_at ON public.users USING btree (factor_ends_at) WHERE (factor_ends_at IS NOT NULL);
--
-- Name: ix_users_last_used_at; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_users_last_used_at ON public.users USING btree (last_used_at);
--
-- Name: ix_watch_credits_borne_by_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_watch_credits_borne_by_id ON public.watch_credits USING btree (borne_by_id);
--
-- Name: ix_watch_credits_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_watch_credits_payment_id ON public.watch_credits USING btree (payment_id);
--
-- Name: ix_watch_credits_refund_id; Type: INDEX; Schema: public; Owner: -
--
CREATE INDEX ix_watch_credits_refund_id ON public.watch_credits USING btree (refund_id);
--
-- Name: uq_declarations_withdrawal; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_declarations_withdrawal ON public.declarations USING btree (payment_id) WHERE (((kind)::text = 'withdrawal'::text) AND ((made_by)::text <> 'form'::text) AND (refused_because IS NULL));
--
-- Name: uq_discovery_runs_open; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_discovery_runs_open ON public.discovery_runs USING btree ((true)) WHERE (ended_at IS NULL);
--
-- Name: uq_drifts_open; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_drifts_open ON public.drifts USING btree (desk_id) WHERE (ends_at IS NULL);
--
-- Name: uq_grants_payment_id_source; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_grants_payment_id_source ON public.grants USING btree (payment_id, source) WHERE (source = ANY (ARRAY['payment'::text, 'grace'::text]));
--
-- Name: uq_incidents_open; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_incidents_open ON public.incidents USING btree (subject, reason) WHERE (ends_at IS NULL);
--
-- Name: uq_invoices_payment_id; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_invoices_payment_id ON public.invoices USING btree (payment_id) WHERE (corrects_id IS NULL);
--
-- Name: uq_notices_user_id_dedupe_key; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_notices_user_id_dedupe_key ON public.notices USING btree (user_id, dedupe_key) WHERE (dedupe_key IS NOT NULL);
--
-- Name: uq_outages_open; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_outages_open ON public.outages USING btree (desk_id) WHERE (ends_at IS NULL);
--
-- Name: uq_slots_open; Type: INDEX; Schema: public; Owner: -
--
CREATE UNIQUE INDEX uq_slots_open ON public.slots USING btree (desk_id, place_key, moment) WHERE (gone_at IS NULL);
--
-- Name: checks_20261126_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261126_desk_id_started_at_idx;
--
-- Name: checks_20261126_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261126_pkey;
--
-- Name: checks_20261126_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261126_started_at_idx;
--
-- Name: checks_20261127_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261127_desk_id_started_at_idx;
--
-- Name: checks_20261127_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261127_pkey;
--
-- Name: checks_20261127_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261127_started_at_idx;
--
-- Name: checks_20261128_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261128_desk_id_started_at_idx;
--
-- Name: checks_20261128_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261128_pkey;
--
-- Name: checks_20261128_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261128_started_at_idx;
--
-- Name: checks_20261129_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261129_desk_id_started_at_idx;
--
-- Name: checks_20261129_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261129_pkey;
--
-- Name: checks_20261129_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261129_started_at_idx;
--
-- Name: checks_20261130_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261130_desk_id_started_at_idx;
--
-- Name: checks_20261130_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261130_pkey;
--
-- Name: checks_20261130_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261130_started_at_idx;
--
-- Name: checks_20261201_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261201_desk_id_started_at_idx;
--
-- Name: checks_20261201_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261201_pkey;
--
-- Name: checks_20261201_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261201_started_at_idx;
--
-- Name: checks_20261202_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261202_desk_id_started_at_idx;
--
-- Name: checks_20261202_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261202_pkey;
--
-- Name: checks_20261202_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261202_started_at_idx;
--
-- Name: checks_20261203_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261203_desk_id_started_at_idx;
--
-- Name: checks_20261203_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261203_pkey;
--
-- Name: checks_20261203_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261203_started_at_idx;
--
-- Name: checks_20261204_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261204_desk_id_started_at_idx;
--
-- Name: checks_20261204_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261204_pkey;
--
-- Name: checks_20261204_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261204_started_at_idx;
--
-- Name: checks_20261205_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261205_desk_id_started_at_idx;
--
-- Name: checks_20261205_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261205_pkey;
--
-- Name: checks_20261205_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261205_started_at_idx;
--
-- Name: checks_20261206_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261206_desk_id_started_at_idx;
--
-- Name: checks_20261206_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261206_pkey;
--
-- Name: checks_20261206_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261206_started_at_idx;
--
-- Name: checks_20261207_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261207_desk_id_started_at_idx;
--
-- Name: checks_20261207_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261207_pkey;
--
-- Name: checks_20261207_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261207_started_at_idx;
--
-- Name: checks_20261208_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261208_desk_id_started_at_idx;
--
-- Name: checks_20261208_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261208_pkey;
--
-- Name: checks_20261208_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261208_started_at_idx;
--
-- Name: checks_20261209_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261209_desk_id_started_at_idx;
--
-- Name: checks_20261209_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261209_pkey;
--
-- Name: checks_20261209_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261209_started_at_idx;
--
-- Name: checks_20261210_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261210_desk_id_started_at_idx;
--
-- Name: checks_20261210_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261210_pkey;
--
-- Name: checks_20261210_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261210_started_at_idx;
--
-- Name: checks_20261211_desk_id_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_desk_id_started_at ATTACH PARTITION public.checks_20261211_desk_id_started_at_idx;
--
-- Name: checks_20261211_pkey; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.pk_checks ATTACH PARTITION public.checks_20261211_pkey;
--
-- Name: checks_20261211_started_at_idx; Type: INDEX ATTACH; Schema: public; Owner: -
--
ALTER INDEX public.ix_checks_started_at ATTACH PARTITION public.checks_20261211_started_at_idx;
--
-- Name: audit audit_is_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER audit_is_kept BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_audit_change();
--
-- Name: audit audit_is_not_truncated; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER audit_is_not_truncated BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_audit_change();
--
-- Name: book_lines book_is_balanced; Type: TRIGGER; Schema: public; Owner: -
--
CREATE CONSTRAINT TRIGGER book_is_balanced AFTER INSERT ON public.book_lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.balance_book();
--
-- Name: invoices contents_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER contents_are_kept BEFORE UPDATE ON public.invoices FOR EACH ROW EXECUTE FUNCTION public.keep_invoice();
--
-- Name: payments derived_is_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER derived_is_kept BEFORE UPDATE ON public.payments FOR EACH ROW EXECUTE FUNCTION public.keep_payment();
--
-- Name: payments order_is_numbered; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER order_is_numbered BEFORE INSERT ON public.payments FOR EACH ROW EXECUTE FUNCTION public.number_order();
--
-- Name: refunds refunded_follows; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER refunded_follows AFTER INSERT OR UPDATE ON public.refunds FOR EACH ROW EXECUTE FUNCTION public.follow_refunds();
--
-- Name: book_lines rows_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_kept BEFORE DELETE OR UPDATE ON public.book_lines FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: book_transactions rows_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_kept BEFORE DELETE OR UPDATE ON public.book_transactions FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: invoices rows_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_kept BEFORE DELETE ON public.invoices FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: payment_events rows_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_kept BEFORE DELETE OR UPDATE ON public.payment_events FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: refunds rows_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_kept BEFORE DELETE ON public.refunds FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: stripe_ids rows_are_kept; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_kept BEFORE DELETE OR UPDATE ON public.stripe_ids FOR EACH ROW EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: book_lines rows_are_not_truncated; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_not_truncated BEFORE TRUNCATE ON public.book_lines FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: book_transactions rows_are_not_truncated; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_not_truncated BEFORE TRUNCATE ON public.book_transactions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: invoices rows_are_not_truncated; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_not_truncated BEFORE TRUNCATE ON public.invoices FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: payment_events rows_are_not_truncated; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER rows_are_not_truncated BEFORE TRUNCATE ON public.payment_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_row();
--
-- Name: payment_events status_follows; Type: TRIGGER; Schema: public; Owner: -
--
CREATE TRIGGER status_follows AFTER INSERT ON public.payment_events FOR EACH ROW EXECUTE FUNCTION public.follow_payment_events();
--
-- Name: alert_targets fk_alert_targets_alert_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.alert_targets
    ADD CONSTRAINT fk_alert_targets_alert_id FOREIGN KEY (alert_id) REFERENCES public.alerts(id) ON DELETE CASCADE;
--
-- Name: alerts fk_alerts_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT fk_alerts_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: answers fk_answers_match_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT fk_answers_match_id FOREIGN KEY (match_id) REFERENCES public.matches(id) ON DELETE CASCADE;
--
-- Name: appointments fk_appointments_alert_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.appointments
    ADD CONSTRAINT fk_appointments_alert_id FOREIGN KEY (alert_id) REFERENCES public.alerts(id) ON DELETE CASCADE;
--
-- Name: book_lines fk_book_lines_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.book_lines
    ADD CONSTRAINT fk_book_lines_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: book_lines fk_book_lines_transaction_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.book_lines
    ADD CONSTRAINT fk_book_lines_transaction_id FOREIGN KEY (transaction_id) REFERENCES public.book_transactions(id);
--
-- Name: contacts fk_contacts_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT fk_contacts_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: declarations fk_declarations_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.declarations
    ADD CONSTRAINT fk_declarations_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: declarations fk_declarations_subscription_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.declarations
    ADD CONSTRAINT fk_declarations_subscription_id FOREIGN KEY (subscription_id) REFERENCES public.subscriptions(id);
--
-- Name: declarations fk_declarations_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.declarations
    ADD CONSTRAINT fk_declarations_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;
--
-- Name: detection_slots fk_detection_slots_detection_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.detection_slots
    ADD CONSTRAINT fk_detection_slots_detection_id FOREIGN KEY (detection_id) REFERENCES public.detections(id) ON DELETE CASCADE;
--
-- Name: detection_slots fk_detection_slots_slot_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.detection_slots
    ADD CONSTRAINT fk_detection_slots_slot_id FOREIGN KEY (slot_id) REFERENCES public.slots(id) ON DELETE CASCADE;
--
-- Name: detections fk_detections_desk_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.detections
    ADD CONSTRAINT fk_detections_desk_id FOREIGN KEY (desk_id) REFERENCES public.desks(id);
--
-- Name: exports fk_exports_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.exports
    ADD CONSTRAINT fk_exports_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: former_customers fk_former_customers_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.former_customers
    ADD CONSTRAINT fk_former_customers_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: grants fk_grants_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT fk_grants_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: grants fk_grants_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.grants
    ADD CONSTRAINT fk_grants_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: invoices fk_invoices_corrects_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT fk_invoices_corrects_id FOREIGN KEY (corrects_id) REFERENCES public.invoices(id);
--
-- Name: invoices fk_invoices_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT fk_invoices_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: invoices fk_invoices_transaction_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT fk_invoices_transaction_id FOREIGN KEY (transaction_id) REFERENCES public.book_transactions(id);
--
-- Name: logins fk_logins_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.logins
    ADD CONSTRAINT fk_logins_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: match_parts fk_match_parts_detection_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.match_parts
    ADD CONSTRAINT fk_match_parts_detection_id FOREIGN KEY (detection_id) REFERENCES public.detections(id) ON DELETE CASCADE;
--
-- Name: matches fk_matches_alert_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.matches
    ADD CONSTRAINT fk_matches_alert_id FOREIGN KEY (alert_id) REFERENCES public.alerts(id) ON DELETE CASCADE;
--
-- Name: matches fk_matches_detection_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.matches
    ADD CONSTRAINT fk_matches_detection_id FOREIGN KEY (detection_id) REFERENCES public.detections(id) ON DELETE CASCADE;
--
-- Name: notices fk_notices_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.notices
    ADD CONSTRAINT fk_notices_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: notifications fk_notifications_contact_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT fk_notifications_contact_id FOREIGN KEY (contact_id) REFERENCES public.contacts(id) ON DELETE SET NULL;
--
-- Name: notifications fk_notifications_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT fk_notifications_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: outages fk_outages_desk_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.outages
    ADD CONSTRAINT fk_outages_desk_id FOREIGN KEY (desk_id) REFERENCES public.desks(id);
--
-- Name: payment_differences fk_payment_differences_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payment_differences
    ADD CONSTRAINT fk_payment_differences_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: payment_events fk_payment_events_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payment_events
    ADD CONSTRAINT fk_payment_events_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: payments fk_payments_alert_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payments
    ADD CONSTRAINT fk_payments_alert_id FOREIGN KEY (alert_id) REFERENCES public.alerts(id) ON DELETE SET NULL;
--
-- Name: payments fk_payments_subscription_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payments
    ADD CONSTRAINT fk_payments_subscription_id FOREIGN KEY (subscription_id) REFERENCES public.subscriptions(id);
--
-- Name: payments fk_payments_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.payments
    ADD CONSTRAINT fk_payments_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;
--
-- Name: phone_codes fk_phone_codes_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.phone_codes
    ADD CONSTRAINT fk_phone_codes_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;
--
-- Name: plan_credits fk_plan_credits_credited_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.plan_credits
    ADD CONSTRAINT fk_plan_credits_credited_payment_id FOREIGN KEY (credited_payment_id) REFERENCES public.payments(id);
--
-- Name: plan_credits fk_plan_credits_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.plan_credits
    ADD CONSTRAINT fk_plan_credits_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: provider_events fk_provider_events_contact_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.provider_events
    ADD CONSTRAINT fk_provider_events_contact_id FOREIGN KEY (contact_id) REFERENCES public.contacts(id) ON DELETE CASCADE;
--
-- Name: refunds fk_refunds_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.refunds
    ADD CONSTRAINT fk_refunds_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: registrations fk_registrations_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT fk_registrations_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: slots fk_slots_desk_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.slots
    ADD CONSTRAINT fk_slots_desk_id FOREIGN KEY (desk_id) REFERENCES public.desks(id);
--
-- Name: stripe_ids fk_stripe_ids_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT fk_stripe_ids_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: stripe_ids fk_stripe_ids_refund_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT fk_stripe_ids_refund_id FOREIGN KEY (refund_id) REFERENCES public.refunds(id);
--
-- Name: stripe_ids fk_stripe_ids_subscription_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.stripe_ids
    ADD CONSTRAINT fk_stripe_ids_subscription_id FOREIGN KEY (subscription_id) REFERENCES public.subscriptions(id);
--
-- Name: subscriptions fk_subscriptions_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT fk_subscriptions_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;
--
-- Name: support_requests fk_support_requests_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.support_requests
    ADD CONSTRAINT fk_support_requests_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE SET NULL;
--
-- Name: telegram_links fk_telegram_links_user_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.telegram_links
    ADD CONSTRAINT fk_telegram_links_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
--
-- Name: unwatched fk_unwatched_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.unwatched
    ADD CONSTRAINT fk_unwatched_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: watch_credits fk_watch_credits_borne_by_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.watch_credits
    ADD CONSTRAINT fk_watch_credits_borne_by_id FOREIGN KEY (borne_by_id) REFERENCES public.payments(id);
--
-- Name: watch_credits fk_watch_credits_payment_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.watch_credits
    ADD CONSTRAINT fk_watch_credits_payment_id FOREIGN KEY (payment_id) REFERENCES public.payments(id);
--
-- Name: watch_credits fk_watch_credits_refund_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--
ALTER TABLE ONLY public.watch_credits
    ADD CONSTRAINT fk_watch_credits_refund_id FOREIGN KEY (refund_id) REFERENCES public.refunds(id);
--
-- Name: SCHEMA public; Type: ACL; Schema: -; Owner: -
--
GRANT ALL ON SCHEMA public TO rdvpriority_migrations;
--
-- Name: FUNCTION analyze_table(name text); Type: ACL; Schema: public; Owner: -
--
REVOKE ALL ON FUNCTION public.analyze_table(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.analyze_table(name text) TO rdvpriority_background;
--
-- Name: FUNCTION drop_oldest_check_day(before date); Type: ACL; Schema: public; Owner: -
--
REVOKE ALL ON FUNCTION public.drop_oldest_check_day(before date) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_oldest_check_day(before date) TO rdvpriority_background;
--
-- Name: FUNCTION make_check_days(first date, last date); Type: ACL; Schema: public; Owner: -
--
REVOKE ALL ON FUNCTION public.make_check_days(first date, last date) FROM PUBLIC;
GRANT ALL ON FUNCTION public.make_check_days(first date, last date) TO rdvpriority_background;
--
-- Name: TABLE alembic_version; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.alembic_version TO rdvpriority_api;
GRANT SELECT ON TABLE public.alembic_version TO rdvpriority_background;
GRANT SELECT ON TABLE public.alembic_version TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.alembic_version TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.alembic_version TO rdvpriority_reader;
--
-- Name: TABLE alert_targets; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alert_targets TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.alert_targets TO rdvpriority_background;
GRANT SELECT ON TABLE public.alert_targets TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.alert_targets TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.alert_targets TO rdvpriority_reader;
--
-- Name: TABLE alerts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alerts TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.alerts TO rdvpriority_background;
GRANT SELECT ON TABLE public.alerts TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.alerts TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.alerts TO rdvpriority_reader;
--
-- Name: COLUMN alerts.awaits_watch; Type: ACL; Schema: public; Owner: -
--
GRANT UPDATE(awaits_watch) ON TABLE public.alerts TO rdvpriority_crawler;
--
-- Name: COLUMN alerts.updated_at; Type: ACL; Schema: public; Owner: -
--
GRANT UPDATE(updated_at) ON TABLE public.alerts TO rdvpriority_crawler;
--
-- Name: TABLE answers; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.answers TO rdvpriority_api;
GRANT SELECT ON TABLE public.answers TO rdvpriority_background;
GRANT SELECT ON TABLE public.answers TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.answers TO rdvpriority_reader;
--
-- Name: TABLE appointments; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.appointments TO rdvpriority_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.appointments TO rdvpriority_background;
GRANT SELECT ON TABLE public.appointments TO rdvpriority_notifier;
--
-- Name: TABLE audit; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.audit TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE ON TABLE public.audit TO rdvpriority_background;
--
-- Name: TABLE backup_states; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.backup_states TO rdvpriority_api;
GRANT SELECT ON TABLE public.backup_states TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.backup_states TO rdvpriority_backup;
GRANT SELECT ON TABLE public.backup_states TO rdvpriority_reader;
--
-- Name: TABLE book_lines; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.book_lines TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.book_lines TO rdvpriority_background;
GRANT SELECT ON TABLE public.book_lines TO rdvpriority_reader;
--
-- Name: TABLE book_transactions; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.book_transactions TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.book_transactions TO rdvpriority_background;
GRANT SELECT ON TABLE public.book_transactions TO rdvpriority_reader;
--
-- Name: TABLE check_days; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.check_days TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.check_days TO rdvpriority_background;
GRANT SELECT ON TABLE public.check_days TO rdvpriority_reader;
--
-- Name: TABLE checks; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.checks TO rdvpriority_api;
GRANT SELECT ON TABLE public.checks TO rdvpriority_background;
GRANT SELECT,INSERT ON TABLE public.checks TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.checks TO rdvpriority_reader;
--
-- Name: TABLE contacts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.contacts TO rdvpriority_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.contacts TO rdvpriority_background;
GRANT SELECT ON TABLE public.contacts TO rdvpriority_notifier;
--
-- Name: COLUMN contacts.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.contacts TO rdvpriority_crawler;
GRANT SELECT(id) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: COLUMN contacts.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.contacts TO rdvpriority_crawler;
GRANT SELECT(user_id) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: COLUMN contacts.channel; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(channel) ON TABLE public.contacts TO rdvpriority_crawler;
GRANT SELECT(channel) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: COLUMN contacts.verified_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(verified_at) ON TABLE public.contacts TO rdvpriority_crawler;
GRANT SELECT(verified_at) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: COLUMN contacts.enabled; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(enabled) ON TABLE public.contacts TO rdvpriority_crawler;
GRANT SELECT(enabled) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: COLUMN contacts.state; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(state) ON TABLE public.contacts TO rdvpriority_crawler;
GRANT UPDATE(state) ON TABLE public.contacts TO rdvpriority_notifier;
GRANT SELECT(state) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: COLUMN contacts.consented_at; Type: ACL; Schema: public; Owner: -
--
GRANT UPDATE(consented_at) ON TABLE public.contacts TO rdvpriority_notifier;
--
-- Name: COLUMN contacts.created_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(created_at) ON TABLE public.contacts TO rdvpriority_reader;
--
-- Name: TABLE declarations; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.declarations TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.declarations TO rdvpriority_background;
GRANT SELECT ON TABLE public.declarations TO rdvpriority_notifier;
--
-- Name: COLUMN declarations.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.kind; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(kind) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.made_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(made_at) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.made_by; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(made_by) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.payment_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(payment_id) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.subscription_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(subscription_id) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.language; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(language) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.wished_on; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(wished_on) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.at_period_end; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(at_period_end) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.confirmed_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(confirmed_at) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.takes_effect_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(takes_effect_at) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.applied_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(applied_at) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.undone_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(undone_at) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.refused_because; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(refused_because) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: COLUMN declarations.refund_cents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(refund_cents) ON TABLE public.declarations TO rdvpriority_reader;
--
-- Name: TABLE delivery_figures; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.delivery_figures TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.delivery_figures TO rdvpriority_background;
GRANT SELECT ON TABLE public.delivery_figures TO rdvpriority_reader;
--
-- Name: TABLE desk_changes; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.desk_changes TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.desk_changes TO rdvpriority_background;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.desk_changes TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.desk_changes TO rdvpriority_reader;
--
-- Name: TABLE desk_links; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.desk_links TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.desk_links TO rdvpriority_reader;
--
-- Name: TABLE desks; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.desks TO rdvpriority_api;
GRANT SELECT ON TABLE public.desks TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.desks TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.desks TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.desks TO rdvpriority_reader;
--
-- Name: TABLE detection_slots; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.detection_slots TO rdvpriority_api;
GRANT SELECT ON TABLE public.detection_slots TO rdvpriority_background;
GRANT SELECT,INSERT ON TABLE public.detection_slots TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.detection_slots TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.detection_slots TO rdvpriority_reader;
--
-- Name: TABLE detections; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.detections TO rdvpriority_api;
GRANT SELECT ON TABLE public.detections TO rdvpriority_background;
GRANT SELECT,INSERT ON TABLE public.detections TO rdvpriority_crawler;
GRANT SELECT,UPDATE ON TABLE public.detections TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.detections TO rdvpriority_reader;
--
-- Name: TABLE discovery_runs; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.discovery_runs TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.discovery_runs TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.discovery_runs TO rdvpriority_reader;
--
-- Name: TABLE drifts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.drifts TO rdvpriority_api;
GRANT SELECT ON TABLE public.drifts TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.drifts TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.drifts TO rdvpriority_reader;
--
-- Name: TABLE exports; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.exports TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.exports TO rdvpriority_background;
GRANT SELECT ON TABLE public.exports TO rdvpriority_reader;
--
-- Name: TABLE former_customers; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.former_customers TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.former_customers TO rdvpriority_background;
--
-- Name: TABLE grants; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.grants TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.grants TO rdvpriority_background;
GRANT SELECT ON TABLE public.grants TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.grants TO rdvpriority_reader;
--
-- Name: COLUMN grants.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.grants TO rdvpriority_crawler;
--
-- Name: COLUMN grants.plan; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(plan) ON TABLE public.grants TO rdvpriority_crawler;
--
-- Name: COLUMN grants.starts_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(starts_at) ON TABLE public.grants TO rdvpriority_crawler;
--
-- Name: COLUMN grants.ends_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(ends_at) ON TABLE public.grants TO rdvpriority_crawler;
--
-- Name: TABLE hosts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.hosts TO rdvpriority_api;
GRANT SELECT ON TABLE public.hosts TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.hosts TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.hosts TO rdvpriority_reader;
--
-- Name: TABLE incidents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.incidents TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.incidents TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.incidents TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.incidents TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.incidents TO rdvpriority_reader;
--
-- Name: TABLE invoice_counters; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.invoice_counters TO rdvpriority_background;
GRANT SELECT ON TABLE public.invoice_counters TO rdvpriority_reader;
--
-- Name: TABLE invoices; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.invoices TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.invoices TO rdvpriority_background;
--
-- Name: COLUMN invoices.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.kind; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(kind) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.number; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(number) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.payment_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(payment_id) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.transaction_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(transaction_id) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.corrects_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(corrects_id) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.amount_cents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(amount_cents) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.issued_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(issued_at) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.contents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(contents) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.client_name; Type: ACL; Schema: public; Owner: -
--
GRANT UPDATE(client_name) ON TABLE public.invoices TO rdvpriority_api;
--
-- Name: COLUMN invoices.pdf_key; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(pdf_key) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: COLUMN invoices.pdf_made_at; Type: ACL; Schema: public; Owner: -
--
GRANT UPDATE(pdf_made_at) ON TABLE public.invoices TO rdvpriority_api;
GRANT SELECT(pdf_made_at) ON TABLE public.invoices TO rdvpriority_reader;
--
-- Name: TABLE jobs; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.jobs TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.jobs TO rdvpriority_background;
GRANT SELECT ON TABLE public.jobs TO rdvpriority_reader;
--
-- Name: TABLE logins; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.logins TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.logins TO rdvpriority_background;
--
-- Name: COLUMN logins.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.logins TO rdvpriority_stream;
--
-- Name: COLUMN logins.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.logins TO rdvpriority_stream;
--
-- Name: COLUMN logins.last_used_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(last_used_at) ON TABLE public.logins TO rdvpriority_stream;
--
-- Name: COLUMN logins.expires_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(expires_at) ON TABLE public.logins TO rdvpriority_stream;
--
-- Name: COLUMN logins.ended_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(ended_at) ON TABLE public.logins TO rdvpriority_stream;
--
-- Name: TABLE match_parts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.match_parts TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.match_parts TO rdvpriority_reader;
--
-- Name: TABLE matches; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.matches TO rdvpriority_api;
GRANT SELECT ON TABLE public.matches TO rdvpriority_background;
GRANT SELECT,INSERT ON TABLE public.matches TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.matches TO rdvpriority_reader;
--
-- Name: TABLE notices; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notices TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notices TO rdvpriority_background;
GRANT INSERT ON TABLE public.notices TO rdvpriority_crawler;
GRANT INSERT ON TABLE public.notices TO rdvpriority_notifier;
--
-- Name: COLUMN notices.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(id) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(id) ON TABLE public.notices TO rdvpriority_reader;
GRANT SELECT(id) ON TABLE public.notices TO rdvpriority_stream;
--
-- Name: COLUMN notices.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(user_id) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(user_id) ON TABLE public.notices TO rdvpriority_reader;
GRANT SELECT(user_id) ON TABLE public.notices TO rdvpriority_stream;
--
-- Name: COLUMN notices.kind; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(kind) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(kind) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(kind) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: COLUMN notices.language; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(language) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(language) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(language) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: COLUMN notices.detection_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(detection_id) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(detection_id) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(detection_id) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: COLUMN notices.dedupe_key; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(dedupe_key) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(dedupe_key) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(dedupe_key) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: COLUMN notices.created_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(created_at) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(created_at) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(created_at) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: COLUMN notices.read_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(read_at) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(read_at) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(read_at) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: COLUMN notices.gone_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(gone_at) ON TABLE public.notices TO rdvpriority_crawler;
GRANT SELECT(gone_at) ON TABLE public.notices TO rdvpriority_notifier;
GRANT SELECT(gone_at) ON TABLE public.notices TO rdvpriority_reader;
--
-- Name: TABLE notifications; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notifications TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notifications TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.notifications TO rdvpriority_notifier;
--
-- Name: COLUMN notifications.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id),INSERT(id) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(id) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id),INSERT(user_id) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(user_id) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.contact_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(contact_id),INSERT(contact_id) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(contact_id) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.announcement_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(announcement_id) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.channel; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(channel),INSERT(channel) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(channel) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.kind; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(kind),INSERT(kind) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(kind) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.language; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(language),INSERT(language) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(language) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.params; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(params),INSERT(params) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(params) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.priority; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(priority),INSERT(priority) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(priority) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.dedupe_key; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(dedupe_key),INSERT(dedupe_key) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(dedupe_key) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.state; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(state),INSERT(state) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(state) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.reason; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(reason) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.held_for; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(held_for) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.attempts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(attempts),INSERT(attempts) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(attempts) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.unknown_attempts; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(unknown_attempts),INSERT(unknown_attempts) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(unknown_attempts) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.lease_until; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(lease_until) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(lease_until) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.next_attempt_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(next_attempt_at),INSERT(next_attempt_at) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(next_attempt_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.provider; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(provider) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.cost; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(cost) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.segments; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(segments) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.receipt_due_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(receipt_due_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.created_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(created_at),INSERT(created_at) ON TABLE public.notifications TO rdvpriority_crawler;
GRANT SELECT(created_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.seen_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(seen_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.committed_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(committed_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.matched_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(matched_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.accepted_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(accepted_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.delivered_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(delivered_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: COLUMN notifications.failed_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(failed_at) ON TABLE public.notifications TO rdvpriority_reader;
--
-- Name: TABLE outages; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.outages TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.outages TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.outages TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.outages TO rdvpriority_reader;
--
-- Name: TABLE payment_differences; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_differences TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_differences TO rdvpriority_background;
GRANT SELECT ON TABLE public.payment_differences TO rdvpriority_reader;
--
-- Name: TABLE payment_events; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.payment_events TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.payment_events TO rdvpriority_background;
GRANT SELECT ON TABLE public.payment_events TO rdvpriority_reader;
--
-- Name: TABLE payments; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.payments TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payments TO rdvpriority_background;
GRANT SELECT ON TABLE public.payments TO rdvpriority_notifier;
--
-- Name: COLUMN payments.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.plan; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(plan) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.amount_cents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(amount_cents) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.currency; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(currency) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.refunded_cents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(refunded_cents) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.lost_cents; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(lost_cents) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.status; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(status) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.created_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(created_at) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.paid_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(paid_at) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.refunded_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(refunded_at) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.subscription_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(subscription_id) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.terms_version; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(terms_version) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.consented_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(consented_at) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.alert_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(alert_id) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.synced_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(synced_at) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: COLUMN payments.order_mail_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(order_mail_at) ON TABLE public.payments TO rdvpriority_reader;
--
-- Name: TABLE phone_codes; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.phone_codes TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.phone_codes TO rdvpriority_background;
GRANT SELECT ON TABLE public.phone_codes TO rdvpriority_notifier;
--
-- Name: TABLE plan_credits; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.plan_credits TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.plan_credits TO rdvpriority_background;
GRANT SELECT ON TABLE public.plan_credits TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.plan_credits TO rdvpriority_reader;
--
-- Name: TABLE provider_events; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.provider_events TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.provider_events TO rdvpriority_background;
GRANT SELECT,UPDATE ON TABLE public.provider_events TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.provider_events TO rdvpriority_reader;
--
-- Name: TABLE refunds; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.refunds TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.refunds TO rdvpriority_background;
GRANT SELECT ON TABLE public.refunds TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.refunds TO rdvpriority_reader;
--
-- Name: TABLE registrations; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.registrations TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.registrations TO rdvpriority_background;
--
-- Name: TABLE slots; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT ON TABLE public.slots TO rdvpriority_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.slots TO rdvpriority_background;
GRANT SELECT,INSERT,UPDATE ON TABLE public.slots TO rdvpriority_crawler;
GRANT SELECT ON TABLE public.slots TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.slots TO rdvpriority_reader;
--
-- Name: TABLE stripe_commands; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.stripe_commands TO rdvpriority_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.stripe_commands TO rdvpriority_background;
GRANT SELECT ON TABLE public.stripe_commands TO rdvpriority_reader;
--
-- Name: TABLE stripe_events; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.stripe_events TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.stripe_events TO rdvpriority_background;
GRANT SELECT ON TABLE public.stripe_events TO rdvpriority_reader;
--
-- Name: TABLE stripe_ids; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT ON TABLE public.stripe_ids TO rdvpriority_api;
GRANT SELECT,INSERT ON TABLE public.stripe_ids TO rdvpriority_background;
GRANT SELECT ON TABLE public.stripe_ids TO rdvpriority_reader;
--
-- Name: TABLE subscriptions; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.subscriptions TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.subscriptions TO rdvpriority_background;
GRANT SELECT ON TABLE public.subscriptions TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.subscriptions TO rdvpriority_reader;
--
-- Name: TABLE support_requests; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.support_requests TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.support_requests TO rdvpriority_background;
GRANT SELECT ON TABLE public.support_requests TO rdvpriority_notifier;
--
-- Name: COLUMN support_requests.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.support_requests TO rdvpriority_reader;
--
-- Name: COLUMN support_requests.user_id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(user_id) ON TABLE public.support_requests TO rdvpriority_reader;
--
-- Name: COLUMN support_requests.created_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(created_at) ON TABLE public.support_requests TO rdvpriority_reader;
--
-- Name: TABLE telegram_links; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.telegram_links TO rdvpriority_api;
GRANT SELECT,DELETE ON TABLE public.telegram_links TO rdvpriority_background;
--
-- Name: TABLE unwatched; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.unwatched TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.unwatched TO rdvpriority_background;
GRANT SELECT ON TABLE public.unwatched TO rdvpriority_reader;
--
-- Name: TABLE users; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.users TO rdvpriority_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.users TO rdvpriority_background;
--
-- Name: COLUMN users.id; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(id) ON TABLE public.users TO rdvpriority_crawler;
GRANT SELECT(id) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(id) ON TABLE public.users TO rdvpriority_reader;
GRANT SELECT(id) ON TABLE public.users TO rdvpriority_stream;
--
-- Name: COLUMN users.password_hash; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(password_hash) ON TABLE public.users TO rdvpriority_notifier;
--
-- Name: COLUMN users.role; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(role) ON TABLE public.users TO rdvpriority_crawler;
GRANT SELECT(role) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(role) ON TABLE public.users TO rdvpriority_reader;
GRANT SELECT(role) ON TABLE public.users TO rdvpriority_stream;
--
-- Name: COLUMN users.language; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(language) ON TABLE public.users TO rdvpriority_crawler;
GRANT SELECT(language) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(language) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.time_zone; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(time_zone) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(time_zone) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.token_version; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(token_version) ON TABLE public.users TO rdvpriority_stream;
--
-- Name: COLUMN users.factor_ends_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(factor_ends_at) ON TABLE public.users TO rdvpriority_notifier;
--
-- Name: COLUMN users.wished_plan; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(wished_plan) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.outage_credit; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(outage_credit) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.slot_rhythm; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(slot_rhythm) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(slot_rhythm) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.digest_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(digest_at) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(digest_at) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.quiet_from; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(quiet_from) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(quiet_from) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.quiet_until; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(quiet_until) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(quiet_until) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.quiet_slots; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(quiet_slots) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(quiet_slots) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.calls_from; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(calls_from) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(calls_from) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.calls_until; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(calls_until) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(calls_until) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.last_used_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(last_used_at) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.created_at; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT(created_at) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: COLUMN users.updated_at; Type: ACL; Schema: public; Owner: -
--
GRANT UPDATE(updated_at) ON TABLE public.users TO rdvpriority_notifier;
GRANT SELECT(updated_at) ON TABLE public.users TO rdvpriority_reader;
--
-- Name: TABLE watch_credits; Type: ACL; Schema: public; Owner: -
--
GRANT SELECT,INSERT,UPDATE ON TABLE public.watch_credits TO rdvpriority_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.watch_credits TO rdvpriority_background;
GRANT SELECT ON TABLE public.watch_credits TO rdvpriority_notifier;
GRANT SELECT ON TABLE public.watch_credits TO rdvpriority_reader;
--
-- PostgreSQL database dump complete
--
