"""Proofs on their way into Redis: what is in them, what does not go, and who waits for none of it."""

import gzip
import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import redis
import time_machine
from hypothesis import given
from hypothesis import strategies as st

import notifier
from api.models.check import Check
from api.models.slot import Detection
from configs.ground.clock import clock
from configs.ground.object_store import Blobs
from configs.ground.proof_queue import PAGES, list_waiting, read_status, report_worker
from configs.ground.proofs import META, Meta, pack
from configs.world.desk import Desk
from crawler.proofs import outbox
from crawler.proofs.job import store_page
from crawler.proofs.outbox import LARGEST, MOST, ProofOutbox, enqueue, meta_of
from crawler.proofs.selection import Proof
from crawler.recording.batch_writer import Writer
from tests.crawler.checks import HOST, slot
from tests.crawler.proofs.conftest import PAGE, capture, proof, seen
from tests.factories import rows
from tests.waiting import until

if TYPE_CHECKING:
    from uuid import UUID

pytestmark = pytest.mark.usefixtures("blobs")


def written(server: redis.Redis) -> dict[str, tuple[Meta, bytes]]:
    """Return what waits, by key."""
    found = {}
    for value in cast("list[bytes]", server.hvals(PAGES)):
        head, _, body = value.partition(b"\n")
        meta = Meta.model_validate_json(head)
        found[meta.key] = (meta, gzip.decompress(body) if body else b"")
    return found


def keys(number: int) -> list[str]:
    return [f"2026/11/20/{each:032x}" for each in range(number)]


def given_up(server: redis.Redis) -> int:
    report_worker(server, "x")
    status = read_status(server)
    assert status
    return status.given_up


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let Redis take no proof before the event is set."""
    ready, real = threading.Event(), outbox.enqueue

    def hang(each: Proof) -> None:
        ready.wait(60)
        real(each)

    monkeypatch.setattr(outbox, "enqueue", hang)
    yield ready
    ready.set()


def test_a_page_waits_as_it_was_fetched_and_a_job_says_so(redis_server: redis.Redis) -> None:
    enqueue(proof())
    ((meta, body),) = written(redis_server).values()
    assert body == PAGE
    assert meta.sha256 == hashlib.sha256(PAGE).hexdigest()
    assert (meta.desk, meta.platform, meta.outcome, meta.size) == (
        "evry_91/a", "ezbooking", "slots", len(PAGE),
    )  # fmt: skip
    assert (meta.status, meta.time_zone, meta.url) == (200, "Europe/Paris", proof().capture.url)
    assert redis_server.llen("rq:queue:proof-pages") == 1


@pytest.mark.rule("4.9")
@given(st.binary(max_size=5_000))
def test_whatever_was_fetched_its_fingerprint_is_that_of_the_page(body: bytes) -> None:
    meta = meta_of(proof(shown=capture(body)))
    assert (meta.sha256, meta.size) == (hashlib.sha256(gzip.decompress(pack(body))).hexdigest(), len(body))


def test_a_page_that_repeats_a_secret_of_ours_is_not_kept(
    redis_server: redis.Redis, settings_env: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    settings_env(
        ANTS_TOKEN="our-own-token", PROXY_LIST="http://us:proxy-password@10.0.0.1:80,http://10.0.0.2:80"
    )
    for key, body in zip(keys(2), (b"<p>our-own-token</p>", b"<p>proxy-password</p>"), strict=True):
        enqueue(proof(key, capture(body)))
    for key, name in zip(keys(2), ("ANTS_TOKEN", "PROXY_LIST"), strict=True):
        meta, body = written(redis_server)[key]
        assert (body, name in (meta.refused or "")) == (b"", True)
    assert b"our-own-token" not in b"".join(cast("list[bytes]", redis_server.hvals(PAGES)))
    assert "our-own-token" not in caplog.text
    assert "ANTS_TOKEN" in caplog.text


def test_addresses_are_kept_without_a_visits_own_tokens() -> None:
    url = "https://us:pass@x.fr/a;jsessionid=ABC?agenda_ids=1-2&csrf_token=DEF&PHPSESSID=GHI&sid=JKL#top"
    meta = meta_of(proof(shown=capture(url=url)))
    assert (
        meta.url
        == "https://***@x.fr/a;jsessionid=***?agenda_ids=1-2&csrf_token=***&PHPSESSID=***&sid=***#top"
    )
    assert not any(secret in meta.model_dump_json() for secret in ("ABC", "DEF", "GHI", "JKL", "us:pass"))


def test_a_page_that_is_too_large_is_given_up_and_counted(redis_server: redis.Redis) -> None:
    noise = random.Random(1).randbytes
    enqueue(proof(keys(2)[0], capture(noise(LARGEST + 1))))
    enqueue(proof(keys(2)[1], capture(noise(LARGEST - 1000))))
    assert (list(written(redis_server)), given_up(redis_server)) == (keys(2)[1:], 1)


def test_a_redis_that_hangs_takes_a_bounded_share_of_memory_and_of_the_end(
    hanging: threading.Event, redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    thread = ProofOutbox()
    thread.put(proof(key) for key in keys(MOST + 5))
    thread.close(0.05)
    assert "are lost" in caplog.text
    assert f"{MOST} wait for Redis" in caplog.text
    hanging.set()
    until(lambda: len(list_waiting(redis_server)) == 1)  # that which was in hand


def test_a_redis_that_is_away_loses_a_proof_and_says_so(
    monkeypatch: pytest.MonkeyPatch, redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Proof) -> None:
        raise redis.ConnectionError("refused")

    thread = ProofOutbox()
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "enqueue", away)
        thread.put([proof(keys(2)[0])])
        until(lambda: f"{keys(2)[0]} is lost" in caplog.text)
    thread.put([proof(keys(2)[1])])
    thread.close(10)
    assert [each.key for each in list_waiting(redis_server)] == keys(2)[1:]


@pytest.fixture
def told(planned_desks: Callable[..., dict[str, Desk]], monkeypatch: pytest.MonkeyPatch) -> "list[UUID]":
    """Give a desk of one's own and what the notifier was told, in order."""
    told: list[UUID] = []
    monkeypatch.setattr(notifier, "detection_seen", told.append)
    planned_desks(a=HOST)
    return told


def see(through: Writer, token: int) -> None:
    """Write a check with one new slot; return when its transaction is committed and told."""
    finished = threading.Event()
    through.on_finish = finished.set
    through.put(seen(token=token, slots=(slot(place=str(token)),)))
    assert finished.wait(60)


def detections() -> "list[tuple[UUID, str | None]]":
    return [(row.id, row.proof_key) for row in rows(Detection)]


@pytest.mark.rule("4.9")
@pytest.mark.usefixtures("no_browser")
def test_with_disk_and_store_away_for_an_hour_each_alert_leaves_at_once_and_each_proof_arrives(  # noqa: PLR0917 -- fixtures
    blobs: Blobs,
    away: Callable[[str], None],
    told: "list[UUID]",
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    away("yes")
    through, began = Writer("prefenligne"), clock()
    with monkeypatch.context() as disk:
        for method in ("mkdir", "write_bytes", "write_text"):
            disk.setattr(Path, method, full)
        for token in range(1, 13):
            see(through, token)
            assert told == [each for each, _ in detections()], "told in the moment in which it was seen"
            frozen.shift(timedelta(minutes=5))
            for name in list_waiting(redis_server):
                store_page(str(name))
    through.close(10)
    kept = [key for _, key in detections() if key]
    assert clock() - began == timedelta(hours=1)
    assert len(kept) == len(list_waiting(redis_server)) == 12
    away("")
    for name in list_waiting(redis_server):
        store_page(str(name))
    assert all(META in blobs.names(key) for key in kept)


@pytest.mark.rule("4.9")
def test_a_redis_that_takes_no_proof_delays_no_check_no_commit_no_alert(
    hanging: threading.Event, told: "list[UUID]", redis_server: redis.Redis
) -> None:
    through = Writer("prefenligne")
    for token in (1, 2):
        see(through, token)
    assert len(rows(Check)) == 2
    assert told == [each for each, _ in detections()]
    assert written(redis_server) == {}
    hanging.set()
    through.close(10)
    assert sorted(written(redis_server)) == sorted(key for _, key in detections() if key)
