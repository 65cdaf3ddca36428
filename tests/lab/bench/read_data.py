"""Rows of the benchmark of reads: people, alerts, detections, and one person with very many.

People and alerts are a crowd (tests/lab/bench/people.py); one person has 5,000 notifications and 500 closed alerts.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from configs.world.desk import Procedure
from configs.world.prefecture import desks, prefectures
from tests.lab.bench.people import Crowd

PREFIX = "reads"
_EACH = 10  # matches of an alert
_BEGIN = """
SET LOCAL session_replication_role = replica; -- foreign keys hold by the way these are made
-- A UUIDv7 begins with its instant: ids grow as the product's do.
CREATE OR REPLACE FUNCTION pg_temp.detection_id(n bigint) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$
  SELECT (lpad(to_hex(1700000000000 + n * 30000), 12, '0') || substr(md5('d' || n), 1, 20))::uuid $$;
"""
_DETECTIONS = """
INSERT INTO desks (id, status, status_reason, last_check_at, last_proven_at, wished_seconds)
  SELECT unnest(CAST(:desks AS text[])), 'ACTIVE', 'no slots', now(), now(), 30;
INSERT INTO slots (id, desk_id, place_key, moment, url, opened_at, seen_at, gone_at, gone_reason)
  SELECT n, desk, 'p' || n, '2027-03-01', 'https://x.example/', t, t, t, 'taken'
  FROM (SELECT n, now() - interval '347 days' * (1 - n / CAST(:detections AS float8)) AS t
        FROM generate_series(1, :detections) n) made
  JOIN unnest(CAST(:desks AS text[])) WITH ORDINALITY known(desk, number)
    ON number = 1 + n % cardinality(CAST(:desks AS text[]));
SELECT setval(pg_get_serial_sequence('slots', 'id'), :detections);
INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, source, booking_url, seen_at, committed_at,
    matched_at)
  SELECT pg_temp.detection_id(id), desk_id, split_part(desk_id, '/', 1), '{AUTRE}', 'Guichet', 'check', url, seen_at,
    seen_at, seen_at FROM slots;
INSERT INTO detection_slots (detection_id, slot_id) SELECT pg_temp.detection_id(id), id FROM slots;
"""
_MATCHES = """
UPDATE users SET password_hash = :hash;
INSERT INTO alerts (id, user_id, closed_at, closed_because)
  SELECT md5('closed' || n)::uuid, id, now(), 'stopped' FROM users, generate_series(1, 500) n WHERE email = :busy;
INSERT INTO alert_targets (id, alert_id, prefecture_id, procedure)
  SELECT gen_random_uuid(), md5('closed' || n)::uuid, :place, 'AUTRE' FROM generate_series(1, 500) n;
CREATE TEMP TABLE wanted ON COMMIT DROP AS
  SELECT gen_random_uuid() AS id, a.id AS alert_id, a.user_id,
    1 + (a.number * 7919 + k * 104729) % :detections AS slot_id
  FROM (SELECT id, user_id, row_number() OVER (ORDER BY id) AS number FROM alerts) a, generate_series(1, :each) k;
INSERT INTO wanted SELECT gen_random_uuid(), a.id, a.user_id, n * (:detections / 5000)
  FROM alerts a JOIN users u ON u.id = a.user_id, generate_series(1, 5000) n
  WHERE u.email = :busy AND a.closed_at IS NULL;
INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at, announcement_id, slots)
  SELECT id, alert_id, pg_temp.detection_id(slot_id), 1, now(), id, int8multirange(int8range(slot_id, slot_id, '[]'))
  FROM wanted;
INSERT INTO notifications (id, user_id, announcement_id, channel, kind, priority, dedupe_key, state, next_attempt_at,
    accepted_at, title, text)
  SELECT id, user_id, id, 'email', 'slot_detected', 'critical', id::text, 'sent', now(), now(),
    'Créneau détecté – Essonne (91)', repeat('1 créneau ouvert, réserver maintenant. ', 40)
  FROM wanted;
"""


@dataclass(frozen=True)
class ReadData:
    """So many people with an alert each, and so many detections of the shipped desks."""

    people: int
    detections: int

    @property
    def busy(self) -> str:
        """Return the address of the person with many rows."""
        return f"{PREFIX}{self.people}@example.org"

    def write(self, engine: sa.Engine, password_hash: str) -> None:
        """Write them all; everybody has the same password."""
        places = ", ".join(f"'{each}'" for each in sorted(prefectures()))
        words = ", ".join(f"'{each.value}'" for each in Procedure)
        place = f"(ARRAY[{places}])[1 + n % {len(prefectures())}]"
        target = f"{place}, (ARRAY[{words}])[1 + n % {len(Procedure)}], NULL"
        some = {"desks": sorted(desks()), "detections": self.detections}
        self._run(engine, _DETECTIONS, some)
        Crowd(PREFIX, self.people, target).write(engine)
        more = {"hash": password_hash, "busy": self.busy, "place": min(prefectures()), "each": _EACH}
        self._run(engine, _MATCHES, more | {"detections": self.detections})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))

    def _run(self, engine: sa.Engine, script: str, values: dict[str, object]) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text(_BEGIN))
            connection.execute(sa.text(script), values)
