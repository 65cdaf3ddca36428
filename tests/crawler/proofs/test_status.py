"""The report of a machine's spool, in any state of its worker, its store and its disk."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event

import pytest
import redis
import time_machine

from configs import proof_spool_status
from configs.clock import clock
from configs.object_store import Blobs
from configs.proofs import new_key
from crawler.proofs import status
from crawler.proofs.spool import Spool
from crawler.proofs.status import CounterStore, publish_reports, store_name
from crawler.proofs.upload_worker import UploadWorker, clean
from crawler.proofs.writer import keep
from tests.crawler.checks import NOW
from tests.crawler.proofs.made import proof

HOUR = timedelta(hours=1)


def inspect_spool(source: Spool) -> proof_spool_status.SpoolReport:
    return status.inspect_spool(source, CounterStore())


def test_an_empty_spool_is_well_before_anything_was_left(source: Spool) -> None:
    found = inspect_spool(source)
    assert (found.waiting, found.oldest_at, found.unpictured, found.trouble) == (0, None, 0, "")
    assert found.store.endswith("/state/proofs/kept")


def test_proofs_on_their_way_are_counted_from_the_oldest_and_pictures_are_none(source: Spool) -> None:
    keep(source, proof(new_key(NOW)))
    oldest = source.waiting()[0].left_at
    for _ in range(2):
        keep(source, proof(new_key(NOW)))
    source.add_picture(new_key(NOW), b"PNG")
    found = inspect_spool(source)
    assert found.waiting == 3
    assert found.oldest_at is not None
    assert found.oldest_at.timestamp() == pytest.approx(oldest)


def test_since_when_the_store_is_away_outlives_its_worker_and_ends_with_the_store_s_return(
    source: Spool, blobs: Blobs, no_browser: None, away: Callable[[str], None], frozen: time_machine.Traveller
) -> None:
    began = clock()
    keep(source, proof())
    away("yes")
    UploadWorker(source, blobs).work_once()
    frozen.shift(HOUR)
    UploadWorker(source, blobs).work_once()
    assert (inspect_spool(source).away_since, inspect_spool(source).away, inspect_spool(source).waiting) == (
        began,
        "PROOFS_URL refuses",
        1,
    )
    frozen.shift(24 * HOUR)
    assert inspect_spool(source).away_since == began
    away("")
    UploadWorker(source, blobs).work_once()
    assert (inspect_spool(source).away_since, inspect_spool(source).away, inspect_spool(source).waiting) == (
        None,
        "",
        0,
    )


def test_what_is_given_up_and_what_has_no_picture_counts_for_a_day(
    source: Spool, blobs: Blobs, no_browser: None, frozen: time_machine.Traveller
) -> None:
    (source.folder / "waiting" / "rubbish").mkdir(parents=True)
    keep(source, proof())
    worker = UploadWorker(source, blobs)
    while worker.work_once():
        continue
    assert (inspect_spool(source).given_up, inspect_spool(source).pictureless) == (1, 1)
    frozen.shift(24 * HOUR)
    assert (inspect_spool(source).given_up, inspect_spool(source).pictureless) == (0, 0)


def test_what_no_store_took_in_time_is_given_up(source: Spool, frozen: time_machine.Traveller) -> None:
    for _ in range(2):
        keep(source, proof(new_key(NOW)))
    frozen.shift(24 * 365 * 20 * HOUR)  # files have the machine's own time
    clean()
    assert (inspect_spool(source).given_up, inspect_spool(source).waiting) == (2, 0)


def test_a_disk_without_room_is_said(source: Spool, settings_env: Callable[..., None]) -> None:
    settings_env(PROOFS_LEAVE_FREE_MB=10**9)
    assert "PROOFS_LEAVE_FREE_MB wants 1000000000 left" in inspect_spool(source).trouble


def test_counters_that_redis_lost_begin_again(source: Spool, redis_server: redis.Redis) -> None:
    CounterStore().gave_up(3)
    assert inspect_spool(source).given_up == 3
    redis_server.flushdb()
    CounterStore().gave_up()
    assert inspect_spool(source).given_up == 1


def test_a_redis_that_is_away_stops_no_proof(
    source: Spool, blobs: Blobs, no_browser: None, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    keep(source, proof())
    worker = UploadWorker(source, blobs)
    while worker.work_once():
        continue
    assert source.waiting() == []


def test_a_disk_that_fails_is_said_and_nothing_is_raised(
    source: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Spool) -> list[object]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Spool, "waiting", fails)
    assert inspect_spool(source).trouble == "the spool cannot be read: [Errno 5] Input/output error"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:secret@bucket/kept?endpoint=http://127.0.0.1:9000", "s3://bucket/kept at 127.0.0.1"),
        ("s3://proofs/kept?endpoint=http://127.0.0.1:9000", "s3://proofs/kept at 127.0.0.1"),
        ("/var/proofs", "/var/proofs"),
    ],
)
def test_the_store_is_named_without_a_secret(url: str, said: str, settings_env: Callable[..., None]) -> None:
    settings_env(PROOFS_URL=url)
    assert store_name() == said


def test_the_uploader_says_it_and_a_redis_that_is_away_ends_nothing(
    source: Spool, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, stop = list[int](), Event()

    def tell(_: redis.Redis, report: proof_spool_status.SpoolReport) -> None:
        said.append(report.waiting)
        if len(said) == 1:
            raise redis.ConnectionError("away")
        proof_spool_status.publish_report(redis_server, report)
        stop.set()

    monkeypatch.setattr(status, "publish_report", tell)
    monkeypatch.setattr(stop, "wait", lambda _: None)
    keep(source, proof())
    publish_reports(stop)
    assert said == [1, 1]
    assert [each.waiting for each in proof_spool_status.read_reports(redis_server)] == [1]
    assert 0 < redis_server.ttl(proof_spool_status.KEY) <= 60
