"""The picture that a check by browser takes of its own open page becomes its proof's: no second visit, no rendering."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.object_store import Blobs
from configs.outcome import Outcome
from configs.proofs import body_of, meta_of, picture_of
from crawler.items import CheckItem
from crawler.proofs.selection import of_detection
from crawler.proofs.spool import Spool
from crawler.proofs.upload_worker import Camera, UploadWorker
from crawler.proofs.writer import ProofWriter
from tests.crawler.browser.browser_page import SLOT, desk_at, page, paths, site
from tests.crawler.checks import NOW
from tests.crawler.held import Held

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.usefixtures("browser")]


@pytest.fixture(autouse=True)
def _settings(settings_env: Callable[..., None], browser: Path) -> None:
    settings_env(BROWSER_PATH=browser, BROWSER_DEADLINE_SECONDS="45", BROWSER_WAIT_SECONDS="15")


def test_none_is_taken_of_what_was_kept_already(held: Held) -> None:
    with site({"/": page(SLOT)}) as served:
        checks = [held.check(desk_at(served.address)) for _ in range(2)]
    assert [check.outcome for check in checks] == [Outcome.SLOTS] * 2
    assert [check.picture is not None for check in checks] == [True, False]


def test_none_is_taken_of_a_check_at_the_terminal(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held.spider, "once", True)
    with site({"/": page(SLOT)}) as served:
        assert held.check(desk_at(served.address)).picture is None


def test_it_follows_the_alert_and_is_kept_with_the_page(
    held: Held, source: Spool, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Camera, "take", lambda *_: pytest.fail("it was rendered"))
    keys: list[str] = []
    thread = ProofWriter()

    def committed(check: CheckItem) -> None:
        proof = of_detection(desk, check, check.slots, NOW)
        assert proof
        assert not (check.picture and check.picture.done())
        keys.append(proof.key)
        thread.put([proof])

    with site({"/": page(SLOT)}) as served:
        desk = desk_at(served.address)
        item = held.check(desk, hand_over=committed)
        assert paths(served).count("/") == 1
    assert item.outcome is Outcome.SLOTS
    thread.close(10)
    worker = UploadWorker(source, blobs)
    while worker.work_once():
        continue
    assert picture_of(blobs, keys[0]).startswith(b"\x89PNG")
    meta = meta_of(blobs, keys[0])
    assert body_of(blobs, meta) == item.captures[0].body
