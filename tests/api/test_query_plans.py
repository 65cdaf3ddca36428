"""Plans of the reads at 30,000 rows: they find a user's rows by index, whatever others have."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from api.models.base import engine, session
from api.models.prepared import _number_places
from configs.signed_links import AnswerAlert, write_token
from tests.api.world import Person

# The person has 520 of 30,000 alerts, all but 20 of them closed, and 5,000 notifications.
_SEED = """
SET LOCAL session_replication_role = replica;
INSERT INTO desks (id) VALUES ('bobigny_93/titre-sejour');
INSERT INTO users (id, email, email_folded)
  SELECT gen_random_uuid(), 'u'||n||'@example.org', 'u'||n||'@example.org' FROM generate_series(1, 3000) n;
INSERT INTO alerts (id, user_id, created_at, closed_at, closed_because)
  SELECT gen_random_uuid(), id, now(), now(), 'stopped' FROM users, generate_series(1, 9) WHERE id <> :me;
INSERT INTO alerts (id, user_id, created_at) SELECT gen_random_uuid(), id, now() FROM users WHERE id <> :me;
INSERT INTO alerts (id, user_id, created_at, closed_at, closed_because)
  SELECT gen_random_uuid(), :me, now(), now(), 'found' FROM generate_series(1, 500);
INSERT INTO alerts (id, user_id, created_at) SELECT gen_random_uuid(), :me, now() FROM generate_series(1, 20);
INSERT INTO alert_targets (id, alert_id, prefecture_id, procedure)
  SELECT gen_random_uuid(), id, 'bobigny_93', 'TITRE_SEJOUR' FROM alerts;
INSERT INTO slots (desk_id, place_key, moment, url, opened_at, seen_at)
  SELECT 'bobigny_93/titre-sejour', 'p'||n, '2027-01-01', 'https://example.org/', t, t
  FROM (SELECT n, now() - n * interval '1 minute' t FROM generate_series(1, 30000) n) made;
INSERT INTO detections (id, desk_id, prefecture_id, procedures, label, source, booking_url, seen_at, committed_at)
  SELECT gen_random_uuid(), desk_id, 'bobigny_93', '{TITRE_SEJOUR}', 'x', 'check', url, seen_at, seen_at FROM slots;
INSERT INTO detection_slots (detection_id, slot_id) SELECT d.id, s.id FROM detections d JOIN slots s USING (seen_at);
INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at)
  SELECT gen_random_uuid(), a.id, d.detection_id, 1, now()
  FROM (SELECT id, row_number() OVER () % 30000 n FROM alerts) a
  JOIN (SELECT detection_id, row_number() OVER () n FROM detection_slots) d ON d.n = a.n + 1;
INSERT INTO matches (id, alert_id, detection_id, limits_version, decided_at)
  SELECT gen_random_uuid(), a.id, d.detection_id, 2, now()
  FROM (SELECT id, row_number() OVER () n FROM alerts WHERE user_id = :me) a
  JOIN (SELECT detection_id, row_number() OVER () % 520 + 1 n FROM detection_slots LIMIT 5000) d USING (n);
INSERT INTO match_slots (match_id, slot_id, slots)
  SELECT m.id, s.slot_id, int8multirange(int8range(s.slot_id, s.slot_id, '[]'))
  FROM matches m JOIN detection_slots s USING (detection_id);
INSERT INTO notifications (id, user_id, channel, kind, priority, dedupe_key, state, next_attempt_at, next_nudge_at,
  accepted_at)
  SELECT m.id, a.user_id, 'email', 'slot_detected', 'critical', m.id::text, 'sent', now(), now(), now()
  FROM matches m JOIN alerts a ON a.id = m.alert_id;
INSERT INTO notification_matches (notification_id, match_id) SELECT id, id FROM matches;
INSERT INTO notices (id, user_id, kind, language, title, body)
  SELECT id, user_id, kind, language, 'Titre', 'Texte' FROM notifications;
"""
BIG = {
    "alerts",
    "alert_targets",
    "slots",
    "detections",
    "matches",
    "match_slots",
    "notices",
    "notifications",
    "notification_matches",
}
PLANS = "auto", "force_generic_plan"  # the second is what a prepared query may get after five times
PATHS = [
    "/api/alerts",
    "/api/alerts?limit=2&before={alert}",
    "/api/alerts/{alert}",
    "/api/detections",
    "/api/detections?limit=2&before={detection}",
    "/api/detections/{detection}",
    "/api/notices",
    "/api/notices?limit=2&before={detection}",
    "/api/notifications",
    "/api/prefectures",
    "/api/prefectures/bobigny_93",
    "/api/prefectures/map",
    "/api/reliability",
    "/l/answer/{token}",
]


@pytest.fixture
def crowded(person: Callable[..., Person]) -> Person:
    """Make a person with 5,000 notifications, 500 closed alerts and 20 open ones, among 30,000 alerts of others."""
    made = person()
    with session() as s:
        for statement in filter(str.strip, _SEED.split(";")):
            names = {"me": made.id} if ":me" in statement else {}
            s.execute(sa.text(statement), names)
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))
    return made


def test_reads_of_a_person_with_many_rows_use_indexes_and_read_little(
    client: FlaskClient, crowded: Person
) -> None:
    ids = {
        "alert": scalar(
            "SELECT id FROM alerts WHERE user_id = :me AND closed_at IS NULL ORDER BY id DESC LIMIT 1",
            crowded,
        ),
        "detection": scalar(
            "SELECT m.detection_id FROM matches m JOIN alerts a ON a.id = m.alert_id WHERE a.user_id = :me LIMIT 1",
            crowded,
        ),
    }
    message = scalar("SELECT id FROM notifications WHERE user_id = :me LIMIT 1", crowded)
    ids["token"] = write_token(AnswerAlert(message))
    assert scalar("SELECT count(*) FROM notifications WHERE user_id = :me", crowded) >= 5_000
    seen = [(path, *each) for path in PATHS for each in recorded(client, path.format(**ids), crowded)]
    assert any(is_prepared for *_, is_prepared in seen)
    for path, statement, parameters, is_prepared in seen:
        for mode in PLANS if is_prepared else PLANS[:1]:
            nodes = list(walk(explain(statement, parameters, mode)))
            scanned = [
                node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG
            ]
            assert scanned == [], (path, mode, statement)
            read = sum(rows_read(node) for node in nodes if "Relation Name" in node)
            assert read <= 25_000, (path, mode, read, statement)


def scalar(query: str, person: Person) -> Any:
    with session() as s:
        return s.scalar(sa.text(query), {"me": person.id})


def recorded(client: FlaskClient, path: str, person: Person) -> list[tuple[str, Any, bool]]:
    """Return the statements of a request, with their parameters, and whether they are prepared."""
    seen: list[tuple[str, Any, bool]] = []

    def note(_c: object, _cursor: object, _sent: str, parameters: Any, context: Any, _many: bool) -> None:
        seen.append((context.statement, parameters, bool(context.execution_options.get("prepare"))))

    sa.event.listen(engine(), "before_cursor_execute", note)
    try:
        answer = client.get(path, headers=person.headers)
    finally:
        sa.event.remove(engine(), "before_cursor_execute", note)
    assert answer.status_code == 200, answer.text
    return seen


def explain(statement: str, parameters: Any, plan_cache_mode: str) -> dict[str, Any]:
    with engine().connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = {plan_cache_mode}")
        if plan_cache_mode != PLANS[0]:
            text, order = _number_places(statement)
            connection.exec_driver_sql(f"PREPARE explained AS {text}".replace("%", "%%"))
            statement = f"EXECUTE explained ({', '.join(f'%({name})s' for name in order)})"
        found = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters
        )
        plan: Any = found.scalar_one()
        connection.exec_driver_sql("DEALLOCATE ALL")
        connection.info.clear()  # of what was prepared
    made: dict[str, Any] = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
    return made


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from walk(each)


def rows_read(node: dict[str, Any]) -> float:
    """Return how many rows a node read, also those that it then threw away."""
    thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + thrown) * node["Actual Loops"])
