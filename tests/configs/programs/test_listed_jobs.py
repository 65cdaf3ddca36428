"""Forged jobs in a queue, by a stranger who can write to Redis: none is run, imported or unpickled."""

import json
import logging
import pickle
import threading
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.client import Pipeline
from rq import Queue
from rq import Worker as RqWorker
from rq.serializers import JSONSerializer
from structlog.testing import capture_logs

from configs.ground.clock import clock
from configs.ground.redis import redis_client
from configs.programs.jobs import JobWorker, _OneLine, push, queue
from notifier.workers import FUNCTIONS as NOTIFIER
from tests.in_turn import in_turn

Fields = dict[Any, Any]
TABLE: Mapping[str, Collection[str]] = NOTIFIER
OURS = {"payments": ["builtins.len"], "other": ["builtins.ascii"]}


class Pickled:
    """Unpickled, it imports what the tests of this module watch."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return __import__, ("stranger",)


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a file that is there once anything of the module `stranger` was imported, or a shell was run."""
    file = tmp_path / "ran"
    (tmp_path / "stranger.py").write_text(
        f"open({str(file)!r}, 'w').close()\nclass Thing:\n    run = staticmethod(print)\ndef run(*_): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield file
    assert not file.exists()


def pack(*call: object) -> bytes:
    return zlib.compress(json.dumps(call).encode())


def fields(name: str, **others: Any) -> Fields:
    """Return the fields of a job that the worker would run, with others."""
    at = "2026-11-20T09:00:00.000000Z"
    data = pack("builtins.len", None, ["abc"], {})
    return {
        "origin": name, "data": data, "created_at": at, "enqueued_at": at, "timeout": 60, "result_ttl": 0,
        "status": "queued", "success_callback_name": "", **others,
    }  # fmt: skip


def call(function: object, *arguments: object, instance: object = None, by_name: Any = None) -> Fields:
    return {"data": pack(function, instance, arguments, by_name or {})}


# Forged forms of a job, beside a good one: fields, or the value under its key.
STRANGE: dict[str, Fields | Callable[[redis.Redis, str], object]] = {
    "a shell": call("subprocess.getoutput", "touch ran"),
    "a function of ours that is not listed": call("builtins.exec", "import stranger"),
    "a module": call("stranger.run"),
    "a class": call("stranger.Thing.run"),
    "another queue's function": call("builtins.ascii", "abc") | {"origin": "other"},
    "another queue's function in this one": call("builtins.ascii", "abc"),
    "a queue of nobody": {"origin": "nobody"},
    "a function that is no name": call(["builtins.len"], "abc"),
    "an instance": call("run", instance="abc"),
    "names of arguments": call("builtins.len", "abc", by_name={"key": "stranger.run"}),
    "arguments that are no list": {"data": pack("builtins.len", None, "abc", {})},
    "data in UTF-16": {"data": zlib.compress('["builtins.len", null, ["abc"], {}]'.encode("utf-16"))},
    "no arguments": {"data": zlib.compress(b'["builtins.len", null]')},
    "a pickle": {"data": zlib.compress(pickle.dumps(Pickled()))},
    "a pickle as it is": {"data": pickle.dumps(Pickled())},
    "a bomb": {"data": zlib.compress(b'["builtins.len", null, ["abc"], {}]' + b" " * 5_000_000)},
    "deep data": {"data": zlib.compress(b"[" * 100_000)},
    "a number without end": {"data": zlib.compress(b'["builtins.len", null, [' + b"9" * 100_000 + b"], {}]")},
    "no data": {"data": ""},
    "an endless time": {"timeout": -1},
    "a time without end": {"timeout": "1" + "0" * 30},
    "no time": {"timeout": "stranger"},
    "a status of nobody": {"status": "stranger"},
    "a day of nobody": {"enqueued_at": "stranger"},
    "a text": lambda client, key: client.set(key, "stranger.run"),
    "a list": lambda client, key: client.rpush(key, "stranger.run"),
}


# Fields beside those of a good job that RQ would act on, and that are not read.
BESIDE: dict[str, Fields] = {
    "a pickled result": {"result": pickle.dumps(Pickled())},
    "pickled notes": {"meta": pickle.dumps(Pickled())},
    "a callback after success": {"success_callback_name": "stranger.run"},
    "a callback when stopped": {"stopped_callback_name": "stranger.run"},
    "a web hook": {"webhooks": '[{"url": "http://127.0.0.1:9/", "statuses": ["finished"]}]'},
    "repetitions": {"repeats_left": 9, "repeat_intervals": "[1]"},
    "a dependency": {"dependency_ids": '["payments-other"]'},
    "a group": {"group_id": "stranger"},
    "a field of nobody": {"stranger": "run"},
    "letters of nobody": {b"\xff": b"\xff"},
    "many fields": {f"field{number}": "" for number in range(100)},
    "a large field": {"description": "x" * 300_000},
}
BESIDE_A_FAILURE: dict[str, Fields] = {
    "a callback after failure": {"failure_callback_name": "stranger.run"},
    "retries": {"retries_left": 9, "retry_intervals": "[0]"},
}


@pytest.fixture(params=[["payments"], ["payments", "other"]], ids=["one queue", "two queues"])
def table(request: pytest.FixtureRequest) -> Mapping[str, Collection[str]]:
    return {name: OURS[name] for name in request.param}


def work(functions: Mapping[str, Collection[str]]) -> tuple[int, int]:
    """Let a worker do what waits; return how many of its jobs succeeded and failed."""
    client = redis_client(retries=False)
    worker = JobWorker(functions, client, clock() + timedelta(hours=1), threading.Event())
    worker.work(burst=True, logging_level="CRITICAL")
    found = [client.hget(worker.key, f"{how}_job_count") for how in ("successful", "failed")]
    client.close()
    return int(found[0] or 0), int(found[1] or 0)


def put(
    client: redis.Redis, job_id: str, form: Fields | Callable[[redis.Redis, str], object], name: str
) -> None:
    key = f"rq:job:{job_id}"
    form(client, key) if callable(form) else client.hset(key, mapping=fields(name) | form)
    client.rpush(f"rq:queue:{name}", job_id)


def push_good(what: str = "good") -> None:
    push("payments", "builtins.len", ("abc",), what, seconds=60, kept=60)


@pytest.mark.usefixtures("marker")
def test_a_job_that_is_none_of_ours_is_refused_and_the_next_one_done(
    redis_server: redis.Redis, table: Mapping[str, Collection[str]]
) -> None:
    jobs = {f"payments-{number}": name for number, name in enumerate(STRANGE)}
    for key, name in jobs.items():
        put(redis_server, key, STRANGE[name], "payments")
    push_good()
    with capture_logs() as logs:
        assert work(table) == (1, 0)
    refused = [each for each in logs if each["event"] == "a job is refused"]
    assert [jobs[each["job"]] for each in refused] == list(STRANGE)
    assert {each["log_level"] for each in refused} == {"error"}
    assert list(redis_server.scan_iter("rq:job:*")) == []
    assert redis_server.llen("rq:queue:payments:intermediate") == 0


def test_an_entry_that_is_no_id_is_passed_over(
    redis_server: redis.Redis, table: Mapping[str, Collection[str]]
) -> None:
    redis_server.rpush("rq:queue:payments", b"\xff\xfe", b"a b", b"", b"x" * 300, b"other-1", b"none")
    push_good()
    with capture_logs() as logs:
        assert work(table) == (1, 0)
    assert sum(each["event"] == "a job is refused" for each in logs) == 6
    assert redis_server.llen("rq:queue:payments:intermediate") == 0


@pytest.mark.usefixtures("marker")
def test_what_else_a_job_has_is_not_read(
    redis_server: redis.Redis, table: Mapping[str, Collection[str]]
) -> None:
    failing = {name: form | call("builtins.len", 1) for name, form in BESIDE_A_FAILURE.items()}
    for number, form in enumerate({**BESIDE, **failing}.values()):
        put(redis_server, f"payments-{number}", form, "payments")
    assert work(table) == (len(BESIDE), len(failing))
    assert not redis_server.exists("rq:scheduled:payments", "rq:group:stranger")
    assert redis_server.llen("rq:queue:payments") == 0


@pytest.mark.usefixtures("marker")
@in_turn("name", TABLE)
def test_no_queue_runs_what_is_not_on_its_list(redis_server: redis.Redis, name: str) -> None:
    redis_server.flushdb()
    others = {each for functions in TABLE.values() for each in functions} - set(TABLE[name])
    calls = [call("subprocess.getoutput", "touch ran"), call("stranger.run"), *map(call, sorted(others))]
    forms = [*calls, {"data": zlib.compress(pickle.dumps(Pickled()))}]
    for number, form in enumerate(forms):
        put(redis_server, f"{name}-{number}", form, name)
    with capture_logs() as logs:
        assert work({name: TABLE[name]}) == (0, 0)
    assert sum(each["event"] == "a job is refused" for each in logs) == len(forms)


def test_no_client_of_redis_suspends_a_worker(redis_server: redis.Redis) -> None:
    redis_server.set("rq:suspended", "1")
    push_good()
    assert work({"payments": OURS["payments"]}) == (1, 0)


def test_jobs_are_json_and_their_ids_begin_with_their_queue(redis_server: redis.Redis) -> None:
    push_good("what")
    assert redis_server.lrange("rq:queue:payments", 0, -1) == [b"payments-what"]
    data: Any = redis_server.hget("rq:job:payments-what", "data")
    assert json.loads(zlib.decompress(data)) == ["builtins.len", None, ["abc"], {}]
    assert queue("payments").serializer is JSONSerializer
    assert Queue.redis_queue_namespace_prefix == "rq:queue:"


@pytest.fixture
def worker(redis_server: redis.Redis) -> Iterator[JobWorker]:
    client = redis_client(retries=False)
    yield JobWorker(
        {"critical": ["builtins.len"], "bulk": []},
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


@in_turn("error, kept", [(redis.exceptions.ConnectionError("secret"), False), (ValueError("bug"), True)])
def test_only_a_redis_that_is_away_is_logged_without_its_traceback(error: Exception, kept: bool) -> None:
    record = logging.LogRecord(
        "rq.worker", logging.ERROR, "", 0, "%s quits", ("it",), (type(error), error, None)
    )
    assert _OneLine().filter(record)
    assert (record.exc_info is not None) is kept
    assert record.getMessage() == ("it quits" if kept else "redis away: ConnectionError")
