"""Rows that public pages tell of besides detections: days of checks and deliveries, outages, slots that are open."""

import sqlalchemy as sa

_ROWS = """
SET LOCAL session_replication_role = replica; -- foreign keys hold by the way these are made
INSERT INTO check_days (desk_id, day, checks, proven, outcomes, achieved_seconds, promised_seconds, openings,
    updated_at)
  SELECT id, current_date - n, 720, 700, '{"no_slots": 680, "slots": 20, "unreachable": 20}', 110 + n % 30, 120, 20,
    now() FROM desks, generate_series(0, 89) n;
INSERT INTO delivery_days (day, channel, accepted, p50_seconds, p95_seconds, failed, updated_at)
  SELECT current_date - n, channel, 400 + n, 1.2, 3.4, n % 2, now()
  FROM generate_series(1, 31) n, unnest(ARRAY['email', 'sms', 'telegram']) channel;
INSERT INTO delivery_figures (day, channel, provider, prefecture_id, messages, sent, delivered, bounced, no_receipt,
    failed, expired, skipped, unsure, tracked, confirmed, seen_to_accepted, seen_to_delivered, updated_at)
  SELECT current_date - n, channel, '', '', 400, 400, 390, 5, 5, 0, 0, 0, 0, 400, 390, '{1.2, 3.4, 5}', '{3, 6, 9}',
    now()
  FROM generate_series(1, 31) n, unnest(ARRAY['email', 'sms', 'telegram']) channel;
INSERT INTO outages (desk_id, starts_at, ends_at, reason)
  SELECT id, t, t + interval '20 minutes', 'unreachable'
  FROM desks, generate_series(now() - interval '30 days', now() - interval '1 hour', interval '12 hours') t;
UPDATE slots SET gone_at = NULL, gone_reason = NULL WHERE id > (SELECT max(id) - 500 FROM slots);
"""


def write_front_rows(engine: sa.Engine) -> None:
    """Write them beside the rows of deploy/bench/read_data.py."""
    with engine.begin() as connection:
        connection.execute(sa.text(_ROWS))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
