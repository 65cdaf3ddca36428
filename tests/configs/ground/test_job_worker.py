import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from redis.client import Pipeline
from rq import Queue
from rq import Worker as RqWorker
from rq.exceptions import StopRequested

from configs.ground.clock import clock
from configs.ground.job_queues import push, without_retries
from configs.ground.job_worker import JobWorker, _OneLine
from configs.ground.redis import redis_client


def empty_redis() -> None:
    """Do, as a job, what a Redis that restarts without its data does to it."""
    with redis_client() as client:
        client.flushdb()


def fail() -> None:
    raise ValueError("a bug")


def lose_redis() -> None:
    raise redis.exceptions.ConnectionError("away")


def misuse_redis() -> None:
    with redis_client() as client:
        client.execute_command("NO-SUCH-COMMAND")


JOBS = (empty_redis, fail, lose_redis, misuse_redis)


def name_function(job: Callable[[], None]) -> str:
    return f"{job.__module__}.{job.__qualname__}"


@pytest.fixture
def worker(redis_server: redis.Redis) -> Iterator[JobWorker]:
    client = without_retries(redis_client())
    yield JobWorker(
        {"critical": [*map(name_function, JOBS), "builtins.len"], "bulk": []},
        client,
        clock() + timedelta(hours=1),
        threading.Event(),
    )
    client.close()


def test_a_worker_takes_no_commands_through_redis(worker: JobWorker) -> None:
    worker.subscribe()
    assert worker.pubsub_thread is None


def empty(redis_server: redis.Redis, _key: str) -> None:
    redis_server.flushdb()


def restore_expired(redis_server: redis.Redis, key: str) -> None:
    redis_server.delete(key)  # an older state has its name in the sets, while its record expired since


@pytest.mark.parametrize("forget", [empty, restore_expired])
def test_a_worker_that_an_emptied_redis_forgot_is_known_again_at_its_next_heartbeat(
    worker: JobWorker, redis_server: redis.Redis, forget: Callable[[redis.Redis, str], None]
) -> None:
    worker.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
    forget(redis_server, worker.key)
    worker.set_state("idle")
    worker.heartbeat()
    (found,) = RqWorker.all(connection=worker.connection)
    assert found.queue_names() == ["critical", "bulk"]
    assert redis_server.ttl(worker.key) > 0


def test_a_worker_that_was_told_to_stop_takes_no_other_job(worker: JobWorker) -> None:
    worker.stopped.set()
    with pytest.raises(StopRequested):
        worker.check_for_suspension(burst=False)


def test_an_idle_worker_that_is_told_to_stop_leaves_at_its_next_heartbeat(worker: JobWorker) -> None:
    worker.worker_ttl, beat = 16, worker.heartbeat  # RQ waits for 15 s less
    beats: list[str] = []

    def stop_at_second(timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        if pipeline is None:
            beats.append("beat")
        if len(beats) == 2:  # the worker has waited once, and no job came
            worker.stopped.set()
        beat(timeout, pipeline)

    worker.heartbeat = stop_at_second  # type: ignore[method-assign]
    worker.work(logging_level="WARNING", max_idle_time=5)
    assert len(beats) == 2


def test_a_worker_that_is_told_to_stop_does_the_job_that_it_has_taken(
    worker: JobWorker, redis_server: redis.Redis
) -> None:
    push("critical", "builtins.len", ("abc",), "x", seconds=60, kept=60)
    take = worker.reorder_queues

    def stop_and_take(reference_queue: Queue) -> None:
        worker.stopped.set()
        take(reference_queue)

    worker.reorder_queues = stop_and_take  # type: ignore[method-assign]
    worker.work(logging_level="WARNING", max_idle_time=5)
    assert redis_server.hget(worker.key, "successful_job_count") == b"1"


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
