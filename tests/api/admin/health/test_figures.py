"""Overviews of the status, part by part; and what health names of backups, of log that is not stored, and of the certificate."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rq import SimpleWorker

from api.admin.health import backup_checks
from api.admin.health.backup_checks import SLOT
from api.admin.health.certificate_checks import read_days_left
from api.admin.health.findings import PartState
from api.admin.health.lateness import read_due, read_lateness
from api.admin.health.status_report import (
    read_alarms,
    read_desks,
    read_discovery,
    read_hosts,
    read_spiders,
    read_workers,
)
from api.models.alert import ClosedBecause
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from api.models.desk import DeskStatus, HostState
from api.models.discovery import DiscoveryRun, Drift, DriftReason
from api.models.incident import IncidentReason
from api.models.slot import GoneReason, SlotRow
from configs.ground.clock import clock
from configs.programs.jobs import queue
from configs.world.desk import Outcome
from configs.world.prefecture import desks
from configs.world.user_agents import user_agents
from crawler.scheduling import due_queue as crawl
from crawler.scheduling.due_queue import DueEntry, HostBucket, VisitEnd
from deploy.backup import database
from tests.api.admin.health.conftest import FIRST, SECOND, THIRD, ask
from tests.factories import add_alert, add_checks, add_incident, add_user, change, remove, save, see
from tests.in_turn import in_turn

World = Callable[..., None]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
WIDE = HostBucket(1000, 1000)


def test_alarms_are_open_until_somebody_acknowledges_them(world: World) -> None:
    def alarm(subject: str, **columns: Any) -> int:
        told = {"alarm_kind": "desk_trouble", "alarm_params": {}, "told_at": clock()}
        return add_incident(IncidentReason.BLOCKED, subject, **(told | columns))

    first, second = alarm("a:443"), alarm("b:443")
    alarm("c:443", acknowledged_at=clock())
    alarm("d:443", ends_at=clock() + MINUTE)
    add_incident(IncidentReason.MAINTENANCE, "e:443")
    assert [each["id"] for each in read_alarms()["open"]] == [second, first]


def test_desks_are_counted_by_status_and_the_worst_troubles_come_first(world: World) -> None:
    world(FIRST, status_reason="the site is overloaded")
    world(SECOND, status=DeskStatus.PAUSED, status_reason="maintenance")
    world(THIRD, status=DeskStatus.ERROR, status_reason="no answer")
    world("atlantis_99/gone", status=DeskStatus.ERROR)  # left the files
    unplanned = sum(desk.schedulable for desk in desks().values()) - 3
    found = read_desks()
    assert found["by_status"] == {"ACTIVE": 1, "CAPTCHA": 0, "PAUSED": 1, "ERROR": 1, "UNPLANNED": unplanned}
    assert found["troubles"][0] == {"status": DeskStatus.ERROR, "reason": "no answer", "desks": [THIRD]}
    assert [trouble["desks"] for trouble in found["troubles"]] == [[THIRD], [SECOND], [FIRST]]


def test_open_slots_detections_and_alerts_are_counted(world: World) -> None:
    world(FIRST)
    now = clock()
    user = add_user()
    closed: dict[str, Any] = {"closed_at": now, "closed_because": ClosedBecause.DELETED}
    for columns in ({}, {"enabled": False}, closed):
        add_alert(user.id, **columns)
    _, slots = see("2026-12-01", "2026-12-02", "2026-12-03", desk_id=FIRST, at=now - 59 * MINUTE)
    see(desk_id=FIRST, at=now - 61 * MINUTE)
    change(SlotRow, SlotRow.id == slots[0], gone_at=now, gone_reason=GoneReason.TAKEN)
    found = read_desks()
    counted = ("open_slots", "open_desks", "detections_last_hour", "waiting_alerts")
    assert [found[name] for name in counted] == [2, 1, 1, 1]


def test_only_hosts_that_are_not_asked_as_usual_are_named(world: World) -> None:
    now = clock()
    save(HostState(host="a:443", rests_until=now - MINUTE, rest_reason="the site refused us"))
    save(HostState(host="b:443", budget_share=0.999))
    save(HostState(host="c:443", budget_share=0.5))
    save(HostState(host="d:443", rests_until=now + MINUTE, rest_reason="the site refused us"))
    save(HostState(host="e:443", stopped_at=now, stop_reason="they called us"))
    found = read_hosts()
    assert found["resting"] == [
        {"host": "d:443", "until": now + MINUTE, "reason": "the site refused us", "rests_in_a_row": 0}
    ]
    assert found["stopped"] == [{"host": "e:443", "since": now, "reason": "they called us"}]
    assert found["reduced"] == [{"host": "c:443", "share": 0.5}]


def schedule(*entries: tuple[str, str, float], room: HostBucket = WIDE, cost: int = 1) -> None:
    """Put desks into the queue: id, host, seconds from now."""
    with crawl.connect() as client:
        rows = [
            DueEntry(desk, host, 1.0, clock() + timedelta(seconds=ahead), cost, room)
            for desk, host, ahead in entries
        ]
        crawl.send(client, crawl.schedule("prefenligne", rows, now=clock()))


def test_overdue_desks_are_counted_unless_their_host_rests_or_is_stopped(
    world: World, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    assert read_due() == []
    schedule((FIRST, "a:80", -600), (SECOND, "b:80", -500), (THIRD, "c:80", -2.5))
    redis_server.lpush("prefenligne:checks", FIRST)
    with crawl.connect() as client:
        crawl.send(client, crawl.rest({"a:80": clock() + 5 * MINUTE}, now=clock()))
        crawl.replace_stopped(client, ["b:80"])
    assert [list(each.values()) for each in read_due()] == [["prefenligne", 3, 1, 2.5, 2, 1]]
    frozen.shift(301)
    assert read_due()[0]["held_back"] == 1


def test_a_desk_whose_host_is_visited_or_has_no_budget_left_is_not_late(
    world: World, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    schedule((FIRST, "a:80", -9), (SECOND, "a:80", -8), room=HostBucket(6, 0.1), cost=5)
    with crawl.connect() as client:
        (claim,) = crawl.send(client, crawl.claim_desks("prefenligne", now=clock(), places=9, hold=25)).claims
        assert [list(each.values()) for each in read_due()] == [["prefenligne", 2, 0, 0.0, 1, 0]]
        visit = VisitEnd(FIRST, claim.token, clock() + MINUTE, "a:80", clock())
        crawl.send(client, crawl.finish("prefenligne", [visit], now=clock()))
    frozen.shift(39)
    assert read_due()[0]["held_back"] == 1  # one request is left, five are needed
    frozen.shift(2)
    assert [list(each.values()) for each in read_due()] == [["prefenligne", 2, 1, 49.0, 0, 0]]


def test_the_newest_walk_and_the_drifts_that_are_open_are_read(world: World) -> None:
    now = clock()
    assert read_discovery()["last"] is None
    with session() as s:
        for hours in (50, 4):
            started = now - hours * HOUR
            s.add(
                DiscoveryRun(started_at=started, ended_at=started + HOUR, pages=812, found=hours, cut=False)
            )
        s.add(Drift(desk_id=FIRST, reason=DriftReason.UNLINKED, detail="404", starts_at=now - HOUR))
        s.add(Drift(desk_id=SECOND, reason=DriftReason.SILENT, detail="led home", starts_at=now - 3 * HOUR))
        s.add(
            Drift(desk_id=FIRST, reason=DriftReason.SILENT, detail="x", starts_at=now - 9 * HOUR, ends_at=now)
        )
    found = read_discovery()
    assert list(found["last"].values()) == [now - 4 * HOUR, now - 3 * HOUR, False, 812, 4]
    assert [list(each.values()) for each in found["drifts"]] == [
        [SECOND, "silent", "led home", now - 3 * HOUR],
        [FIRST, "unlinked", "404", now - HOUR],
    ]


def test_spiders_and_workers_say_what_they_do(world: World, redis_server: redis.Redis) -> None:
    assert (read_spiders(), read_workers()) == ([], [])
    started = clock() - 3 * MINUTE
    said: dict[Any, Any] = {
        "system": "prefenligne",
        "job": "4bd9",
        "state": "serving",
        "started": started.isoformat(),
    }
    redis_server.hset("crawler:process:host:17", mapping={**said, "memory": 159, "running": 2, "checks": 71})
    assert [list(each.values()) for each in read_spiders()] == [
        ["prefenligne", "4bd9", "serving", started, 159, 2, 71]
    ]
    jobs = queue("critical")
    worker = SimpleWorker([jobs], connection=jobs.connection, name="w")
    worker.register_birth()  # type: ignore[no-untyped-call] # RQ's own has no types
    worker.increment_failed_job_count()
    (shown,) = read_workers()
    assert (shown["queues"], shown["jobs"], shown["failed"]) == (["critical"], 0, 1)


def checked(desk: str, *ages: float, outcome: Outcome = Outcome.NO_SLOTS) -> None:
    """Write checks that began so many seconds ago."""
    add_checks(desk, clock(), [-age / 60 for age in ages], outcome)


def test_what_lies_between_checks_is_compared_with_what_was_planned(world: World) -> None:
    world(FIRST)  # wished every 60 s
    world(SECOND, share_seconds=120.0)
    checked(FIRST, 300, 240, 180)
    checked(SECOND, 330, 200, 20)
    found = read_lateness()
    assert found
    assert (found["gaps"], found["desks"], round(found["ratio"], 2)) == (4, 2, 1.58)
    assert (round(found["p50_seconds"], 1), round(found["p95_seconds"], 1)) == (5.0, 52.5)


def test_neither_a_rest_nor_what_is_older_than_an_hour_is_lateness(world: World) -> None:
    world(FIRST)
    checked(FIRST, 3700, 900)
    checked(FIRST, 840, outcome=Outcome.BLOCKED)
    checked(FIRST, 30)
    assert list((read_lateness() or {}).values()) == [1, 1, 1.0, 0.0, 0.0]


pytestmark = pytest.mark.usefixtures("redis_server")


def keep(part: BackupPart, age: timedelta = HOUR, **columns: Any) -> None:
    with session() as s:
        s.merge(BackupState(**{"part": part, "finished_at": clock() - age, "bytes": 100} | columns))


@pytest.fixture
def _whole(database: str, redis_server: Any, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL=database, BACKUP_URL="/backups")
    keep_all()


def keep_all() -> None:
    remove(BackupState)
    for part in BackupPart:
        keep(part, timedelta(seconds=10) if part is BackupPart.WAL else HOUR)


def troubles() -> str:
    state, reason, _ = ask("backups")
    assert state is PartState.DEGRADED
    return reason


@pytest.mark.usefixtures("_whole")
def test_backups_that_are_well_say_how_far_they_reach() -> None:
    assert ask("backups").reason == "the log is stored up to 10 s ago, the base backup is of 60 min ago"
    assert SLOT == database.SLOT, "both programs mean the same slot"


@pytest.mark.usefixtures("database", "redis_server")
def test_without_a_store_it_says_so_and_before_the_first_backup_everything_is_missing(
    settings_env: Callable[..., None],
) -> None:
    assert ask("backups").reason == "nothing is backed up: BACKUP_URL is not set"
    settings_env(BACKUP_URL="/backups")
    assert troubles() == (
        "no log is stored yet: is `python -m deploy.backup run` running?; the base backup was not made yet;"
        " the dump was not made yet; the list of proofs was not made yet; the store was not made yet"
    )


@pytest.mark.usefixtures("_whole")
@in_turn(
    "part, age, columns, said",
    [
        (BackupPart.BASE, 27 * HOUR, {}, "the base backup is 27 h old"),
        (BackupPart.DUMP, 9 * 24 * HOUR, {}, "the dump is 9 d old"),
        (BackupPart.BASE, -5 * HOUR, {}, "the base backup is of 5 h from now: a clock is, or was, set wrong"),
        (BackupPart.BASE, HOUR, {"previous_bytes": 201}, "the base backup is less than half as large as the one before"),
        (BackupPart.DUMP, HOUR, {"bytes": 0, "previous_bytes": 9}, "the dump is less than half as large as the one before"),
        (BackupPart.WAL, 3 * HOUR, {}, "the log is stored up to 3 h ago: is `python -m deploy.backup run` running?"),
        (BackupPart.WAL, 3 * HOUR, {"trouble": "the store of backups takes nothing"}, "the log is stored up to 3 h ago: the store of backups takes nothing"),
        (BackupPart.STORE, HOUR, {"trouble": "base/x is not encrypted"}, "the store: base/x is not encrypted (for 60 min)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(part: BackupPart, age: timedelta, columns: dict[str, Any], said: str) -> None:
    keep_all()
    since = {"trouble_since": clock() - HOUR} if "trouble" in columns else {}
    keep(part, age, **columns, **since)
    assert troubles() == said


@pytest.mark.usefixtures("_whole")
@in_turn(
    "waiting, limit, status, said",
    [
        (100, 1000, "extended", ""),
        (500, 1000, "extended", ""),
        (
            501,
            1000,
            "extended",
            "501 MB of log wait for the store on PostgreSQL's disk, which gives it up at 1,000 MB",
        ),
        (2047, 8192, "extended", ""),
        (
            1,
            -1,
            "reserved",
            "log that waits for the store may fill PostgreSQL's disk: set max_slot_wal_keep_size",
        ),
        (0, 0, "lost", "PostgreSQL gave up log that was not stored: that time cannot be restored"),
    ],
)
def test_log_that_waits_is_named_before_postgresql_gives_it_up_or_fills_its_disk(
    monkeypatch: pytest.MonkeyPatch, waiting: int, limit: int, status: str, said: str
) -> None:
    slot = f"SELECT {waiting << 20}::bigint, '{status}', {limit << 20}::bigint WHERE CAST(:slot AS text) IS NOT NULL"
    monkeypatch.setattr(backup_checks, "_WAITING", sa.text(slot))
    assert ask("backups").state is (PartState.DEGRADED if said else PartState.OK)
    assert ask("backups").reason.startswith(said)


DAY = timedelta(days=1)


def write_certificate(file: Path, ends_at: datetime, name: str = "localhost") -> None:
    """Write a certificate and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends_at - 90 * DAY)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))


@contextmanager
def site(file: Path) -> Iterator[int]:
    """Serve nothing but handshakes with a certificate; give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def answer(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as encrypted:
                    encrypted.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(30)


@in_turn(
    "days, name, is_trusted, state, said",
    [
        (60, "localhost", True, PartState.OK, "that of localhost ends in 60 d"),
        (9, "localhost", True, PartState.DEGRADED, "that of localhost ends in 9 d: the log of `certbot` says why it was not renewed"),
        (-1, "localhost", True, PartState.DEGRADED, "visitors of localhost are refused: certificate has expired"),
        (60, "elsewhere.example", True, PartState.DEGRADED, "visitors of localhost are refused: Hostname mismatch"),
        (60, "localhost", False, PartState.DEGRADED, "visitors of localhost are refused: self-signed certificate"),
    ],
)  # fmt: skip
def test_a_certificate_says_how_long_it_lasts_or_why_visitors_are_refused(  # noqa: PLR0917 -- a table's columns
    tmp_path: Path,
    settings_env: Callable[..., None],
    days: int,
    name: str,
    is_trusted: bool,
    state: PartState,
    said: str,
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    write_certificate(mine, clock() + days * DAY, name)
    write_certificate(other, clock() + DAY, "elsewhere.example")
    with site(mine) as port:
        settings_env(API_URL=f"https://localhost:{port}", SSL_CERT_FILE=mine if is_trusted else other)
        found, left = ask("certificate"), read_days_left()
    assert (found.state, found.reason[: len(said)]) == (state, said)
    assert round(left["localhost"]) == (0 if "refused" in said else days), "as Prometheus has it"


def test_a_door_that_is_closed_is_named(settings_env: Callable[..., None], closed_port: int) -> None:
    settings_env(API_URL=f"https://localhost:{closed_port}")
    said = "nothing listens at localhost: is nginx running?"
    assert ask("certificate")[:2] == (PartState.DEGRADED, said)


def test_what_cannot_be_seen_from_here_is_no_alarm(settings_env: Callable[..., None]) -> None:
    # The way out and back in is closed on some machines.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings_env(API_URL=f"https://localhost:{silent.getsockname()[1]}")
        said = "that of localhost cannot be seen from here (TimeoutError)"
        assert ask("certificate")[:2] == (PartState.OK, said)


@pytest.mark.parametrize("url", ["http://localhost:4000", "https://rdvpriority.fr"])
def test_without_https_and_outside_production_nothing_is_asked(
    settings_env: Callable[..., None], url: str
) -> None:
    settings_env(API_URL=url)
    assert ask("certificate").reason == "none: API_URL is not https"


def test_user_agents_are_named_when_their_browsers_are_old(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    oldest = datetime.combine(
        min(each.measured for each in user_agents().engines.values()), datetime.min.time(), UTC
    )
    frozen.move_to(oldest + 61 * DAY)
    assert ask("agents").state is PartState.OK  # nobody is asked from here
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="true")
    assert ask("agents").state is PartState.DEGRADED
    frozen.move_to(oldest + 60 * DAY)
    assert ask("agents").state is PartState.OK
