"""CPU seconds of the simulation and of its servers."""

import psutil
import redis
import sqlalchemy as sa

from api.models.base import session


def spent_cpu(client: redis.Redis) -> dict[str, float]:
    """Return the seconds that this process, PostgreSQL (of this machine) and Redis have used so far."""
    with session() as rows:
        backend = psutil.Process(rows.scalar(sa.text("SELECT pg_backend_pid()")))
    server = backend.parent() or backend
    ended = server.cpu_times()
    used = client.info("cpu")
    return {
        "this process": _own(psutil.Process()),
        "PostgreSQL": sum(map(_own, [server, *server.children()]))
        + ended.children_user
        + ended.children_system,
        "Redis": used["used_cpu_user"] + used["used_cpu_sys"],
    }


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
