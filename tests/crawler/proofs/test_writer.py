"""The proof writer: it blocks nothing, and losses are only logged."""

import gzip
import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

import notifier
from api.models.base import session
from api.models.check import Check
from api.models.slot import Detection
from configs.desk import Desk
from configs.proofs import BODY, META, PICTURE, Meta
from crawler.proofs import writer
from crawler.proofs.spool import Spool, SpoolEntry
from crawler.proofs.writer import MOST, ProofWriter, keep, meta_of
from crawler.recording.batch_writer import Writer
from tests.crawler.checks import HOST, slot
from tests.crawler.proofs.made import PAGE, capture, proof, seen

if TYPE_CHECKING:
    from uuid import UUID


def written(entry: SpoolEntry) -> tuple[Meta, bytes]:
    return Meta.model_validate_json(entry.files[META]), gzip.decompress(entry.files[BODY])


def keys(number: int) -> list[str]:
    return [f"2026/11/20/{each:032x}" for each in range(number)]


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the disk take nothing before the event is set."""
    ready = threading.Event()
    real = Spool.add

    def add(self: Spool, *given: Any, **how: Any) -> None:
        ready.wait(60)
        real(self, *given, **how)

    monkeypatch.setattr(Spool, "add", add)
    yield ready
    ready.set()


def test_a_proof_is_left_in_the_spool_as_it_was_fetched(source: Spool) -> None:
    keep(source, proof())
    (entry,) = source.waiting()
    meta, body = written(entry)
    assert body == PAGE
    assert meta.sha256 == hashlib.sha256(PAGE).hexdigest()
    assert (meta.key, meta.desk, meta.platform, meta.outcome, meta.size) == (
        entry.key, "evry_91/a", "ezbooking", "slots", len(PAGE),
    )  # fmt: skip
    assert (meta.status, meta.time_zone, meta.url) == (200, "Europe/Paris", proof().capture.url)
    assert not list((source.folder / "tmp").iterdir())


@pytest.mark.rule("4.9")
@given(st.binary(max_size=5_000))
def test_whatever_was_fetched_its_fingerprint_is_that_of_what_is_kept(body: bytes) -> None:
    kept: list[tuple[Meta, bytes]] = []
    keep(SimpleNamespace(add=lambda *both, **_: kept.append(both)), proof(shown=capture(body)))  # type: ignore[arg-type]
    ((meta, stored),) = kept
    assert stored == body
    assert (meta.sha256, meta.size) == (hashlib.sha256(body).hexdigest(), len(body))


def test_a_page_that_repeats_a_secret_of_ours_is_not_kept(
    source: Spool, settings_env: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    settings_env(
        ANTS_TOKEN="our-own-token", PROXY_LIST="http://us:proxy-password@10.0.0.1:80,http://10.0.0.2:80"
    )
    for key, body in zip(keys(2), (b"<p>our-own-token</p>", b"<p>proxy-password</p>"), strict=True):
        keep(source, proof(key, capture(body)))
    for entry, name in zip(source.waiting(), ("ANTS_TOKEN", "PROXY_LIST"), strict=True):
        assert not entry.has(BODY)
        meta = Meta.model_validate_json(entry.files[META])
        assert meta.refused
        assert name in meta.refused
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


@pytest.mark.parametrize("taken", [b"PNG", None])
def test_a_picture_that_the_check_takes_later_follows_its_proof(source: Spool, taken: bytes | None) -> None:
    picture: Future[bytes | None] = Future()
    made = proof(shown=replace(capture(), open=True))
    object.__setattr__(made.check, "picture", picture)
    thread = ProofWriter()
    thread.put([made])
    while not source.waiting():
        time.sleep(0.01)
    assert source.waiting()[0].has("coming")
    picture.set_result(taken)
    thread.close(5)
    left = source.waiting()
    assert [entry.key for entry in left] == [made.key] * (2 if taken else 1)
    assert (left[-1].files.get(PICTURE)) == taken


def test_a_picture_of_another_page_than_the_proof_is_no_picture_of_it(source: Spool) -> None:
    made = proof()
    object.__setattr__(made.check, "picture", Future())
    keep(source, made)
    assert not source.waiting()[0].has("coming")


@pytest.mark.rule("4.9")
def test_a_full_disk_is_said_once_and_nothing_else_is_lost(
    source: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = [0, 0, 10**12, 10**12]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free.pop(0)))
    thread = ProofWriter()
    thread.put([proof(key) for key in keys(4)])
    thread.close(5)
    assert [entry.key for entry in source.waiting()] == keys(4)[2:]
    assert not list((source.folder / "tmp").iterdir())
    said = [record.message for record in caplog.records]
    assert len(said) == 2
    assert "PROOFS_LEAVE_FREE_MB" in said[0]
    assert "2 were lost" in said[1]


def test_a_fault_in_one_proof_loses_no_other(
    source: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = writer.meta_of
    monkeypatch.setattr(writer, "meta_of", lambda each: real(each) if each.key != keys(2)[0] else 1 / 0)
    thread = ProofWriter()
    thread.put([proof(key) for key in keys(2)])
    thread.close(5)
    assert [entry.key for entry in source.waiting()] == keys(2)[1:]
    assert "ZeroDivisionError" in caplog.text


def test_a_disk_that_hangs_takes_a_bounded_share_of_memory_and_of_the_end(
    source: Spool, hanging: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    thread = ProofWriter()
    thread.put(proof(key) for key in keys(MOST + 5))
    thread.close(0.05)
    assert "are lost" in caplog.text
    assert f"{MOST} wait for the disk" in caplog.text
    hanging.set()
    thread._thread.join(60)
    assert MOST <= len(source.waiting()) <= MOST + 1


@pytest.fixture
def told(
    redis_server: redis.Redis,
    planned_desks: Callable[..., dict[str, Desk]],
    monkeypatch: pytest.MonkeyPatch,
) -> "list[UUID]":
    """Give a desk of one's own and what the notifier was told, in order."""
    told: list[UUID] = []
    monkeypatch.setattr(notifier, "detection_seen", told.append)
    planned_desks(a=HOST)
    return told


@pytest.mark.rule("4.9")
def test_a_disk_that_hangs_delays_no_check_no_commit_no_alert(
    source: Spool, hanging: threading.Event, told: "list[UUID]"
) -> None:
    through = Writer("prefenligne")
    finished = threading.Event()
    through.on_finish = finished.set
    for token in (1, 2):
        finished.clear()
        through.put(seen(token=token, slots=(slot(place=str(token)),)))
        assert finished.wait(60)
    with session() as rows:
        assert rows.scalar(sa.select(sa.func.count()).select_from(Check)) == 2
        assert told == list(rows.scalars(sa.select(Detection.id).order_by(Detection.id)))
        kept = list(rows.scalars(sa.select(Detection.proof_key)))
    assert source.waiting() == []
    hanging.set()
    through.close(10)
    assert sorted(entry.key for entry in source.waiting()) == sorted(filter(None, kept))
