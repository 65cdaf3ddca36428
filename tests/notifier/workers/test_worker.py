import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from rq import Worker as RqWorker
from rq.exceptions import StopRequested
from sqlalchemy.engine.interfaces import CacheStats
from structlog.testing import capture_logs

from api.models.base import engine
from api.models.notification import Notification
from configs.clock import clock
from configs.redis import redis_client
from deploy.local.processes import free_port
from notifier.jobs import match
from notifier.workers.queues import without_retries
from notifier.workers.worker import MessageWorker, _OneLine, main, warm_up
from tests.notifier.world import alert, all_of, detection, person

_LOCKS_HERE = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


@pytest.fixture
def worker(redis_server: redis.Redis) -> Iterator[MessageWorker]:
    client = without_retries(redis_client())
    yield MessageWorker(["critical", "bulk"], client, clock() + timedelta(hours=1), threading.Event())
    client.close()


def test_a_worker_listens_to_its_queues_in_their_order(worker: MessageWorker) -> None:
    assert worker.queue_names() == ["critical", "bulk"]


def test_a_worker_looks_after_lost_jobs_soon_and_waits_briefly_for_redis(worker: MessageWorker) -> None:
    assert (worker.maintenance_interval, worker.job_monitoring_interval) == (30, 5)
    assert worker.max_connection_wait_time == 2
    assert worker.dequeue_timeout == 15


def test_a_worker_takes_no_commands_through_redis(worker: MessageWorker) -> None:
    worker.subscribe()
    assert worker.pubsub_thread is None


def empty(redis_server: redis.Redis, _key: str) -> None:
    redis_server.flushdb()


def restore_expired(redis_server: redis.Redis, key: str) -> None:
    redis_server.delete(key)  # an older state has its name in the sets, while its record expired since


@pytest.mark.parametrize("forget", [empty, restore_expired])
def test_a_worker_that_an_emptied_redis_forgot_is_known_again_at_its_next_heartbeat(
    worker: MessageWorker, redis_server: redis.Redis, forget: Callable[[redis.Redis, str], None]
) -> None:
    worker.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
    forget(redis_server, worker.key)
    worker.set_state("idle")
    worker.heartbeat()
    (found,) = RqWorker.all(connection=worker.connection)
    assert found.queue_names() == ["critical", "bulk"]
    assert redis_server.ttl(worker.key) > 0


def test_an_old_worker_leaves_between_two_jobs(worker: MessageWorker) -> None:
    worker.check_for_suspension(burst=False)
    worker.leaves_at = clock()
    with pytest.raises(StopRequested):
        worker.check_for_suspension(burst=False)


def test_a_worker_that_was_told_to_stop_takes_no_other_job(worker: MessageWorker) -> None:
    worker.stopped.set()
    with pytest.raises(StopRequested):
        worker.check_for_suspension(burst=False)


@pytest.mark.usefixtures("whole")
def test_the_first_message_finds_its_statements_built() -> None:
    warm_up()
    alert(person())
    seen = str(detection())
    built: list[str] = []

    def note(_c: object, _k: object, said: str, _p: object, context: Any, _m: object) -> None:
        if context.cache_hit is CacheStats.CACHE_MISS:
            built.append(said)

    sa.event.listen(engine(), "before_cursor_execute", note)
    match(seen)
    assert [each for each in built if "UPDATE detections" not in each] == []  # which a flush builds


def test_warming_up_connects_and_writes_nothing(database: str, sandbox: object) -> None:
    warm_up()
    assert engine().pool.checkedin() == 1  # type: ignore[attr-defined]
    assert all_of(Notification) == []
    with engine().connect() as connection:
        assert connection.scalar(sa.text(_LOCKS_HERE)) == 0


def test_a_worker_warms_up_without_a_database_too(sandbox: object, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with capture_logs() as logs:
        warm_up()
    assert [each["event"] for each in logs] == ["database away: the first job connects"]


@pytest.mark.parametrize(
    ("error", "kept"), [(redis.exceptions.ConnectionError("secret"), False), (ValueError("bug"), True)]
)
def test_only_a_redis_that_is_away_is_logged_without_its_traceback(error: Exception, kept: bool) -> None:
    record = logging.LogRecord(
        "rq.worker", logging.ERROR, "", 0, "%s quits", ("it",), (type(error), error, None)
    )
    assert _OneLine().filter(record)
    assert (record.exc_info is not None) is kept
    assert record.getMessage() == ("it quits" if kept else "redis away: ConnectionError")


@pytest.mark.parametrize("given", [[], ["urgent"], ["critical", "urgent"]])
def test_queues_that_do_not_exist_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(given)
    assert caught.value.code == 2
    assert "WORK" in capsys.readouterr().err
