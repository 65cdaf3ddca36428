from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from rq import SimpleWorker
from structlog.testing import capture_logs

from api.admin.health.checks import CHECKS, HealthCheck, HealthChecks
from api.admin.health.findings import PartDown, PartFinding, PartState
from api.admin.health.queue_checks import check_checks
from api.models.base import session
from api.models.desk import DeskState, DeskStatus, HostState
from configs.ground.clock import clock
from configs.ground.proof_queue import PAGES, PageName, report_worker, store_is_away, store_is_back
from configs.ground.redis import redis_client
from configs.programs.jobs import JobWorker, push
from configs.programs.loop_report import BACKGROUND, PLANNER, LoopReport, write_report
from configs.programs.matching_queues import MANY
from configs.world.desk import Outcome
from configs.world.prefecture import desks
from notifier.workers import FUNCTIONS
from tests.api.admin.health.conftest import keeper, report_well
from tests.factories import BOBIGNY, add_check, add_desk, remove
from tests.in_turn import in_turn
from tests.refused_writes import disk_full, read_only

# One of them changes what the whole server does: none of the others may look meanwhile.
pytestmark = pytest.mark.xdist_group("health")


def check(age: float) -> None:
    add_check(started_at=clock() - timedelta(seconds=age))


def planner(
    server: redis.Redis, failing: dict[str, str] | None = None, age: float = 0, **queues: float
) -> None:
    """Report as the planner does; `queues`: for how many seconds each has desks, `-` written as `_`."""
    since = {name.replace("_", "-"): clock() - timedelta(seconds=seconds) for name, seconds in queues.items()}
    report = LoopReport(at=clock() - timedelta(seconds=age), failing=failing or {}, queues=since)
    write_report(server, report)


def proofs(server: redis.Redis, *seconds_ago: float) -> None:
    """Report as the worker of proofs does; a proof waits for so many seconds."""
    report_worker(server, "s3://secret-place")
    for number, ago in enumerate(seconds_ago):
        name = PageName(f"2026/11/20/{number:032x}", 10, clock() - timedelta(seconds=ago))
        server.hset(PAGES, str(name), b"{}\n")


@pytest.fixture
def whole(client: FlaskClient, redis_server: redis.Redis, workers: SimpleWorker) -> FlaskClient:
    """Give an API whose parts all work."""
    report_well(redis_server)
    return client


def parts(client: FlaskClient, status: int = 503) -> dict[str, Any]:
    answer = client.get("/api/health")
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = (answer.json or {})["parts"]
    return {name: part["reason"] for name, part in found.items() if part["status"] == "down"}


def test_a_release_reads_when_each_program_last_reported_and_misses_the_one_that_did_not(
    whole: FlaskClient, redis_server: redis.Redis
) -> None:
    def read() -> dict[str, str]:
        found: dict[str, str] = (whole.get("/api/health").json or {})["reportedAt"]
        return found

    programs = {"background", "backup", "notifier", "planner", "proofs", "scrapyd", "stream"}
    begun = clock() - timedelta(seconds=30)
    assert {name for name, at in read().items() if datetime.fromisoformat(at) > begun} == programs
    redis_server.delete(PLANNER, BACKGROUND["payments"])
    keeper(redis_server, missing={"prefenligne": 1})
    assert read().keys() == programs - {"planner", "background", "scrapyd"}


def test_all_parts_work(whole: FlaskClient) -> None:
    answer = whole.get("/api/health")
    assert answer.status_code == 200, answer.text
    body = answer.json or {}
    assert body["status"] == "ok"
    assert list(body["parts"]) == [check.name for check in CHECKS]
    assert body["parts"]["scrapyd"]["reason"] == "prefenligne: 1 spider"


@pytest.mark.rule("3.12")
def test_a_crowds_part_that_fails_each_time_is_named_with_what_to_do(
    whole: FlaskClient, redis_server: redis.Redis
) -> None:
    push(MANY, "notifier.jobs.match", ("no id", "no id"), "match-1", seconds=60, kept=60)
    work_on_crowds()
    assert (whole.get("/api/health").json or {})["status"] == "ok", "the next round asks for it again"
    for number in range(2):
        push(MANY, "notifier.jobs.rearm", (BOBIGNY, "no id"), f"rearm-{number}", seconds=60, kept=60)
    with capture_logs() as logs:
        work_on_crowds()
    assert [each["about"] for each in logs if each["event"] == "a job failed"] == [[BOBIGNY]] * 2
    answer = whole.get("/api/health")
    found = (answer.json or {})["parts"]["workers"]
    assert (answer.status_code, found["status"]) == (200, "degraded")
    assert found["reason"].startswith(
        'people who wait for open slots are not told, jobs fail: rearm: 2; "a job failed" in the log of worker-many'
    )


def work_on_crowds() -> None:
    """Let a worker do the parts of crowds that wait."""
    worker = JobWorker({MANY: FUNCTIONS[MANY]}, redis_client(), clock() + timedelta(hours=1), Event())
    worker.work(burst=True, logging_level="CRITICAL")


def test_what_the_keeper_saw_is_told(whole: FlaskClient, redis_server: redis.Redis) -> None:
    keeper(redis_server, away=["10.0.0.2:6800"])
    answer = whole.get("/api/health")
    assert answer.status_code == 200
    said = "scrapyd at 10.0.0.2:6800 is down; prefenligne: 1 spider"
    assert (answer.json or {})["parts"]["scrapyd"] == {"status": "degraded", "reason": said}
    keeper(redis_server, scrapyd="down")
    assert "scrapyd is down" in parts(whole)["scrapyd"]
    keeper(redis_server, running={}, missing={"prefenligne": 1})
    assert parts(whole)["scrapyd"] == "spider processes are missing: prefenligne has 0 of 1"
    redis_server.set("crawler:keeper:seen", "not json")
    assert "cannot be asked" in parts(whole)["scrapyd"]


@pytest.mark.rule("3.12")
def test_a_planner_that_is_silent_stuck_or_fails_in_part_is_named(
    whole: FlaskClient, redis_server: redis.Redis
) -> None:
    redis_server.delete(PLANNER)
    assert "crawler.loops" in parts(whole)["planner"]
    planner(redis_server, age=61)
    assert parts(whole)["planner"].startswith("the planner's report is 61 s old")
    planner(redis_server, {"host back-off": "ValueError", "planning": "KeyError"})
    assert parts(whole)["planner"].endswith(
        "its log says why: host back-off (ValueError), planning (KeyError)"
    )
    redis_server.set(PLANNER, "not json")
    assert "cannot be asked" in parts(whole)["planner"]


@pytest.mark.rule("4.5")
def test_what_is_of_a_time_to_come_is_down(
    client: FlaskClient, redis_server: redis.Redis, workers: SimpleWorker
) -> None:
    """A clock that was set ahead by a day and back: "-68370 s old" once was well."""
    keeper(redis_server)
    planner(redis_server, age=-86400)
    ahead = clock() + timedelta(seconds=68370)
    add_desk(wished_seconds=30, feasible_seconds=30, due_queue="prefenligne", last_check_at=ahead)
    check(age=-68370)
    found = parts(client)
    assert {name: found[name].split("from now")[0] for name in found} == {
        "planner": "the planner's report is of 24 h ",
        "checks": "the newest check is of 19 h ",
        "checks:prefenligne": "its newest check is of 19 h ",
    }
    check(age=130)
    assert parts(client)["checks"] == "the newest check is 130 s old: 120 s are allowed"


def find_late(server: redis.Redis) -> dict[str, str]:
    """Return which booking systems are down, and why: of health's part that looks at them, without all others."""
    return {name: each.reason for name, each in check_checks(server).items() if each.state is PartState.DOWN}


MELUN = "melun_77/titre-sejour"
QUEUES_OF = {BOBIGNY: "prefenligne", MELUN: "custom-browser"}


def queue(desk: str, age: float | None, **changes: Any) -> None:
    """Let a desk that is asked each minute have been checked so many seconds ago."""
    at = None if age is None else clock() - timedelta(seconds=age)
    values = {
        "wished_seconds": 60,
        "share_seconds": 30,
        "feasible_seconds": 60,
        "last_outcome": Outcome.NO_SLOTS,
    }
    add_desk(desk, **values | {"due_queue": QUEUES_OF[desk], "last_check_at": at} | changes)


@pytest.mark.rule("3.12")
@in_turn(
    "age, changes, said",
    [
        (119, {}, None),
        (121, {}, "the newest check is 2 min old: 2 min are allowed"),
        (None, {"last_outcome": None}, "no desk was checked yet"),
        (-3600, {}, "its newest check is of 60 min from now"),
        (1700, {"last_outcome": Outcome.CAPTCHA}, None),
        (1900, {"last_outcome": Outcome.CAPTCHA}, "the newest check is 32 min old"),
        (230, {"last_outcome": Outcome.OVERLOADED}, None),
        (7000, {"last_outcome": Outcome.UNREACHABLE, "status": DeskStatus.ERROR}, None),
        (86400, {"due_queue": None}, None),
    ],
)
def test_a_booking_system_that_stands_still_is_down_while_another_goes_on(
    whole: FlaskClient,
    redis_server: redis.Redis,
    age: float | None,
    changes: dict[str, Any],
    said: str | None,
) -> None:
    remove(DeskState)
    queue(BOBIGNY, 1)
    queue(MELUN, age, **changes)
    check(age=300)
    found = find_late(redis_server)
    assert set(found) == ({"checks:custom-browser"} if said else set())
    assert not said or found["checks:custom-browser"].startswith(said)


@in_turn(
    "age, wished, since",
    [
        (None, 60, 100),  # a new booking system
        (None, 60, -130),  # negative: it is late
        (None, 6 * 3600, 11 * 3600),  # with heartbeat desks only
        (5 * 86400, 60, 100),  # all its desks were stale for days
        (5 * 86400, 60, -130),
    ],
)
def test_a_queue_that_has_desks_since_a_moment_ago_is_not_late(
    whole: FlaskClient, redis_server: redis.Redis, age: float | None, wished: float, since: float
) -> None:
    remove(DeskState)
    queue(BOBIGNY, 1)
    queue(MELUN, age, wished_seconds=wished)
    check(age=86400)
    planner(redis_server, custom_browser=abs(since))
    late = {"checks:custom-browser"} if since < 0 else set()
    assert set(find_late(redis_server)) == late
    planner(redis_server, custom_browser=-3600)  # of a clock that was ahead
    assert set(find_late(redis_server)) == {"checks:custom-browser"}


def test_a_queue_whose_hosts_rest_or_are_stopped_is_not_late(
    whole: FlaskClient, redis_server: redis.Redis
) -> None:
    queue(BOBIGNY, 1)
    queue(MELUN, 86400)
    assert set(parts(whole)) == {"checks:custom-browser"}
    host, now = desks()[MELUN].host, clock()
    for values in (
        {"rests_until": now + timedelta(minutes=5)},
        {"rests_until": now - timedelta(seconds=60)},  # its next check may take a moment
        {"stopped_at": now, "stop_reason": "asked to"},
    ):
        with session() as s:
            s.merge(HostState(host=host, updated_at=now - timedelta(hours=2), **values))
        assert find_late(redis_server) == {}, values


def test_a_policy_that_drops_jobs_is_named(whole: FlaskClient, redis_server: redis.Redis) -> None:
    redis_server.config_set("maxmemory-policy", "allkeys-lru")
    try:
        found = parts(whole)
    finally:
        redis_server.config_set("maxmemory-policy", "noeviction")
    assert "allkeys-lru" in found["eviction"]
    assert list(found) == ["eviction"]


def test_old_checks_are_named_but_not_where_nothing_is_scheduled(
    client: FlaskClient, redis_server: redis.Redis, workers: SimpleWorker
) -> None:
    keeper(redis_server)
    planner(redis_server)
    parts(client, 200)
    add_desk(wished_seconds=30, feasible_seconds=30)
    assert "none was checked yet" in parts(client)["checks"]
    check(age=500)
    assert "120 s are allowed" in parts(client)["checks"]
    add_desk(wished_seconds=30, feasible_seconds=400)
    parts(client, 200)


def test_a_database_that_is_away_is_named_and_the_rest_is_told(
    whole: FlaskClient, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_URL="postgresql://x:x@127.0.0.1:1/x")
    assert parts(whole) == {
        "database": "does not answer (OperationalError)",
        "checks": "does not answer (OperationalError)",
    }


@in_turn(
    "refusal, said",
    [
        (read_only, "takes no writes: it is a standby, or set read-only"),
        (disk_full, "a write was refused within the last minute (DiskFull)"),
    ],
)
def test_a_database_that_takes_no_writes_is_named_and_routes_say_later(
    whole: FlaskClient,
    redis_server: redis.Redis,
    refusal: Callable[[], AbstractContextManager[None]],
    said: str,
) -> None:
    person = {"email": "camille@example.org", "password": "correct horse battery staple"}
    with refusal():
        answer = whole.post("/api/auth/register", json=person)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert whole.get("/api/prefectures").status_code == 200
        assert parts(whole)["database"] == said
    # A connection that was opened to what took no writes is met once, and all of the pool are given up with it.
    whole.post("/api/auth/register", json=person)
    assert whole.post("/api/auth/register", json=person).status_code == 202
    redis_server.delete("refused:writes")  # as a minute later
    parts(whole, 200)


def test_a_redis_that_is_away_is_named_and_the_rest_is_told(
    database: str, make_app: Callable[[], Flask], settings_env: Callable[..., None]
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    client = make_app().test_client()
    assert set(parts(client)) == {"redis", "eviction", "scrapyd", "workers", "planner"}
    assert client.get("/api/health/live").json == {"status": "ok"}


@in_turn(
    "trouble, said",
    [
        (lambda server: server.delete("proofs:seen"), "nobody has looked at the proofs lately: is `python -m"),
        (lambda server: store_is_away(server, "refused"), "their store takes nothing for 0"),
        (lambda server: proofs(server, 121), "1 proof on the way, the oldest for 2 min: `python -m crawler.proofs`"),
        (lambda server: proofs(server, -86400), "the oldest proof is of 24 h from now: a machine's clock"),
    ],
)  # fmt: skip
def test_proofs_that_do_not_arrive_are_named_and_people_are_told_all_the_same(
    whole: FlaskClient, redis_server: redis.Redis, trouble: Callable[[redis.Redis], None], said: str
) -> None:
    redis_server.delete(PAGES)
    store_is_back(redis_server)
    proofs(redis_server, *([1] if "takes nothing" in said else []))
    trouble(redis_server)
    answer = whole.get("/api/health")
    assert answer.status_code == 200
    body = answer.json or {}
    assert body["status"] == body["parts"]["proofs"]["status"] == "degraded"
    assert body["parts"]["proofs"]["reason"].startswith(said)
    assert "secret-place" not in answer.text
    assert {part["status"] for name, part in body["parts"].items() if name != "proofs"} == {"ok"}


def test_live_touches_nothing(bare: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis.connection.Connection, "connect", lambda *_: pytest.fail("Redis was asked"))
    assert bare.get("/api/health/live").json == {"status": "ok"}


def test_a_part_that_hangs_is_down_in_time_and_asked_only_once(redis_server: redis.Redis) -> None:
    release, asked = Event(), []

    def hang(_: redis.Redis) -> str:
        asked.append(uuid4())
        release.wait(60)
        return "at last"

    def broken(_: redis.Redis) -> str:
        raise PartDown("broken")

    checks = [
        HealthCheck("hangs", hang),
        HealthCheck("broken", broken),
        HealthCheck("works", lambda _: "fine"),
    ]
    health = HealthChecks(redis_server, checks)
    try:
        for _ in range(2):
            assert health.read_findings(1) == {
                "hangs": PartFinding(PartState.DOWN, "no answer within 1 s"),
                "broken": PartFinding(PartState.DOWN, "broken"),
                "works": PartFinding(PartState.OK, "fine"),
            }
        assert len(asked) == 1
    finally:
        release.set()
    assert health.read_findings(5)["hangs"] == PartFinding(PartState.OK, "at last")
    health.close()


def test_an_answer_that_is_kept_is_not_asked_for_again_but_a_trouble_is(redis_server: redis.Redis) -> None:
    answers = iter(["first", PartDown("ill"), "second"])

    def answer(_: redis.Redis) -> str:
        found = next(answers)
        if isinstance(found, PartDown):
            raise found
        return str(found)

    for kept, said in ((60.0, ["first", "first"]), (0.0, ["ill", "second"]), (60.0, [])):
        health = HealthChecks(redis_server, [HealthCheck("part", answer, kept=kept)])
        assert [health.read_findings(5)["part"].reason for _ in said] == said
        health.close()
