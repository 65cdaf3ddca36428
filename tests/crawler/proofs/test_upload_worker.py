"""From the spool to the store, whatever the store does, and out of both in time."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from configs.object_store import Blobs, StoreAway
from configs.proofs import BODY, META, PICTURE, body_of, meta_of, new_key, picture_of
from crawler.proofs import upload_worker
from crawler.proofs.spool import Spool, SpoolEntry
from crawler.proofs.upload_worker import TRIES, Camera, UploadWorker, clean, ship
from crawler.proofs.writer import keep
from crawler.proofs.writer import meta_of as meta_from
from tests.crawler.checks import NOW
from tests.crawler.proofs.made import PAGE, proof

KEY = proof().key


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Take the browser's place: what it is to do (`fails`), and how often it was asked."""
    doing: dict[str, Any] = {"fails": False, "asked": 0}

    def take(_: Camera, entry: SpoolEntry) -> bool:
        doing["asked"] += 1
        if not doing["fails"]:
            entry.write(PICTURE, b"PNG")
        return not doing["fails"]

    monkeypatch.setattr(Camera, "take", take)
    monkeypatch.setattr(upload_worker, "missing_browser", lambda: None)
    return doing


def worked(source: Spool, blobs: Blobs) -> UploadWorker:
    """Let a worker look until there is nothing to do."""
    worker = UploadWorker(source, blobs)
    while worker.work_once():
        continue
    return worker


def test_what_spiders_left_is_stored_pictured_and_forgotten(
    source: Spool, blobs: Blobs, camera: dict[str, Any]
) -> None:
    keep(source, proof())
    worked(source, blobs)
    assert body_of(blobs, meta_of(blobs, KEY)) == PAGE
    assert picture_of(blobs, KEY) == b"PNG"
    assert (source.waiting(), source.unpictured()) == ([], [])


def test_without_a_browser_there_is_no_picture_and_nothing_waits_for_one(
    source: Spool, blobs: Blobs, no_browser: None
) -> None:
    keep(source, proof())
    worked(source, blobs)
    assert blobs.names(KEY) == [BODY, META]
    assert source.unpictured() == []


def test_a_page_that_no_browser_survives_is_tried_a_few_times(
    source: Spool, blobs: Blobs, camera: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    camera["fails"] = True
    keep(source, proof())
    worked(source, blobs)
    assert camera["asked"] == TRIES
    assert blobs.names(KEY) == [BODY, META]
    assert f"the browser failed {TRIES} times" in caplog.text


def test_a_try_counts_before_it_is_made(source: Spool, blobs: Blobs, camera: dict[str, Any]) -> None:
    """A worker that is killed by its page was there."""
    keep(source, proof())
    (entry,) = source.waiting()
    ship(entry, source, blobs)
    (entry,) = source.unpictured()
    assert [entry.count_try() for _ in range(TRIES)] == [0, 1, 2]
    worked(source, blobs)
    assert camera["asked"] == 0


def test_a_count_of_tries_that_a_full_disk_cut_off_stops_no_worker(
    source: Spool, blobs: Blobs, camera: dict[str, Any]
) -> None:
    keep(source, proof())
    (entry,) = source.waiting()
    ship(entry, source, blobs)
    (entry,) = source.unpictured()
    (entry.folder / "tries").write_text("")
    worked(source, blobs)
    assert picture_of(blobs, KEY) == b"PNG"


@pytest.mark.rule("4.9")
def test_while_the_store_is_away_all_waits_for_it_and_no_picture_is_taken_twice(
    source: Spool,
    blobs: Blobs,
    camera: dict[str, Any],
    away: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker = UploadWorker(source, blobs)
    keep(source, proof())
    away("yes")
    assert all(worker.work_once() for _ in range(3))
    assert len(source.waiting()) == 1
    away("")
    ship(source.waiting()[0], source, blobs)
    away("yes")
    assert all(worker.work_once() for _ in range(TRIES + 2))
    away("")
    while worker.work_once():
        continue
    assert picture_of(blobs, KEY) == b"PNG"
    assert camera["asked"] == 1
    assert [record.message for record in caplog.records if "store" in record.message] == [
        "1 proofs wait for their store: PROOFS_URL refuses",
        "the store of proofs is back",
    ]


def test_whoever_is_killed_while_storing_leaves_it_to_the_next(
    source: Spool, blobs: Blobs, camera: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(source, proof())
    real, puts = Blobs.put, []

    def dies(self: Blobs, key: str, data: bytes) -> None:
        puts.append(key)
        if len(puts) in (2, 4):
            raise KeyboardInterrupt
        real(self, key, data)

    monkeypatch.setattr(Blobs, "put", dies)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            worked(source, blobs)
        assert META not in blobs.names(KEY)
    worked(source, blobs)
    assert blobs.names(KEY) == [BODY, META, PICTURE]


def test_a_picture_that_the_check_took_is_not_taken_again(
    source: Spool, blobs: Blobs, camera: dict[str, Any]
) -> None:
    keep(source, proof())
    source.add_picture(KEY, b"from the open page")
    worked(source, blobs)
    assert picture_of(blobs, KEY) == b"from the open page"
    assert camera["asked"] == 0


def test_a_picture_that_is_coming_is_waited_for_and_not_for_ever(
    source: Spool, blobs: Blobs, camera: dict[str, Any]
) -> None:
    source.add(meta_from(proof()), PAGE, coming=True)
    worker = worked(source, blobs)
    assert camera["asked"] == 0
    (left,) = (source.folder / "stored").iterdir()
    os.utime(left / "coming", times=(0, 0))
    while worker.work_once():
        continue
    assert picture_of(blobs, KEY) == b"PNG"


def test_rubbish_in_the_spool_holds_nobody_up(source: Spool, blobs: Blobs, camera: dict[str, Any]) -> None:
    keep(source, proof())
    (source.folder / "waiting" / "2026-11-20-rubbish").mkdir()
    (source.folder / "waiting" / "a file").write_text("x")
    worked(source, blobs)
    assert blobs.names(KEY) == [BODY, META, PICTURE]
    assert source.waiting() == []


def test_what_is_too_old_leaves_the_spool_and_the_store(
    source: Spool, blobs: Blobs, camera: dict[str, Any], frozen: time_machine.Traveller
) -> None:
    old, young = (new_key(NOW - timedelta(days=days)) for days in (31, 30))
    for key in (old, young):
        keep(source, proof(key))
    worked(source, blobs)
    for days, number in ((8, 1), (6, 2)):
        keep(source, proof(new_key(NOW)))
        left = source.waiting()[-1].folder
        dead = source.folder / "tmp" / f"dead-{number}"
        dead.mkdir()
        for path in (left, dead):
            os.utime(path, times=2 * ((NOW - timedelta(days=days)).timestamp(),))
    assert clean() == "1 days of proofs dropped, 2 leftovers deleted"
    assert blobs.names(old) == []
    assert blobs.names(young) == [BODY, META, PICTURE]
    assert len(source.waiting()) == 1
    assert [path.name for path in (source.folder / "tmp").iterdir()] == ["dead-2"]


def test_the_housekeeping_is_done_at_most_once_an_hour_and_survives_a_store_that_is_away(
    source: Spool, blobs: Blobs, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def refuses(_: object) -> str:
        done.append(1)
        if len(done) == 1:
            raise StoreAway("PROOFS_URL refuses")
        return "done"

    monkeypatch.setattr(upload_worker, "clean", refuses)
    for _ in range(3):
        upload_worker.clean_now_and_then(source.folder)
    assert len(done) == 2
    assert "old proofs are not deleted: PROOFS_URL refuses" in caplog.text


def test_a_wrong_setting_is_an_exit_code_of_its_own(
    settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings_env(PROOFS_URL="s3://elsewhere")
    assert upload_worker.main([]) == 2
    assert "PROOFS_URL leaves this machine" in capsys.readouterr().err
