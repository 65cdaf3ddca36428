"""Cost of row-level security: a person's own reads as the API does them, and by a role that policies limit.

With policies each read is a transaction that begins by naming the person (`SET LOCAL`): the API's connections serve
everybody in turn.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from deploy.bench.figures import Effort, Figure, Say

_ROLE = "bench_reader"
_USER = "(SELECT NULLIF(current_setting('app.user_id', true), '')::uuid)"
_POLICIES = f"""
DROP ROLE IF EXISTS {_ROLE};
CREATE ROLE {_ROLE};
GRANT USAGE ON SCHEMA public TO {_ROLE};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {_ROLE};
ALTER TABLE alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE matches ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON alerts TO {_ROLE} USING (user_id = {_USER});
CREATE POLICY own ON notifications TO {_ROLE} USING (user_id = {_USER});
CREATE POLICY own ON matches TO {_ROLE}
  USING (EXISTS (SELECT FROM alerts a WHERE a.id = alert_id AND a.user_id = {_USER}));
"""  # noqa: S608 -- constants
_SETTINGS = "-c timezone=utc -c jit=off -c max_parallel_workers_per_gather=0"
Read = Callable[[Session, UUID], object]
Way = Callable[[Read, UUID], object]


def measure_row_security(server: sa.Engine, busy: str, effort: Effort, say: Say) -> list[Figure]:
    """Make role and policies, and time the reads with and without them in turns. `busy`: the person with many rows."""
    with server.begin() as connection:
        connection.execute(sa.text(_POLICIES))
        people = list(connection.scalars(sa.text("SELECT id FROM users ORDER BY random() LIMIT 1000")))
        many = connection.scalar(sa.text("SELECT id FROM users WHERE email = :email"), {"email": busy})
    whole = sa.create_engine(server.url, connect_args={"options": _SETTINGS})
    limited = sa.create_engine(server.url, connect_args={"options": f"{_SETTINGS} -c role={_ROLE}"})
    ways = (partial(_read_freely, whole), partial(_read_limited, limited))
    times = effort.of(400, 5)
    figures = [
        figure
        for name, read in _list_reads().items()
        for figure in (
            _compare(f"{name}, policies ÷ none", ways, read, random.choices(people, k=times), say),  # noqa: S311 -- no secret
            _compare(f"{name} of many rows, policies ÷ none", ways, read, [many] * (times // 5), say),
        )
    ]
    whole.dispose()
    limited.dispose()
    return figures


def _list_reads() -> dict[str, Read]:
    from api.alerts.queries import read_alert_page  # noqa: PLC0415 -- reads the environment
    from api.alerts.schemas import AlertQuery  # noqa: PLC0415
    from api.detections.queries import list_own_detections  # noqa: PLC0415
    from api.detections.schemas import DetectionQuery  # noqa: PLC0415

    return {
        "own alerts": lambda session, user: read_alert_page(session, user, AlertQuery()),
        "own detections": lambda session, user: list_own_detections(session, user, DetectionQuery()),
    }


def _read_freely(engine: sa.Engine, read: Read, user: UUID) -> object:
    with Session(engine) as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        return read(session, user)


def _read_limited(engine: sa.Engine, read: Read, user: UUID) -> object:
    with Session(engine) as session, session.begin():
        session.execute(sa.text("SELECT set_config('app.user_id', :user, true)"), {"user": str(user)})
        return read(session, user)


def _compare(name: str, ways: Sequence[Way], read: Read, people: Sequence[UUID], say: Say) -> Figure:
    for way in ways:
        way(read, people[0])  # connections, and statements that are compiled once
    without, limited = zip(*([_time(way, read, person) for way in ways] for person in people), strict=True)
    medians = [1000 * statistics.median(each) for each in (without, limited)]
    say(f"{name}: {medians[1]:.2f} ms ÷ {medians[0]:.2f} ms")
    return Figure(name, medians[1] / medians[0])


def _time(way: Way, read: Read, person: UUID) -> float:
    began = time.perf_counter()
    way(read, person)
    return time.perf_counter() - began
