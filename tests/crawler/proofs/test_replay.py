"""A stored page reads as it did in the crawl, and `scrapy proof` shows it."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from scrapy.exceptions import UsageError

from configs.ground.object_store import Blobs
from configs.ground.proofs import BODY, META, PICTURE, body_of, list_waiting, meta_of, pack
from configs.world.outcome import Outcome
from crawler.commands.proof import Command, _describe_proof, read_again
from crawler.fetching.session import RequestBudget
from crawler.items import CheckItem
from crawler.proofs.job import keep
from crawler.proofs.outbox import Proof, enqueue
from crawler.proofs.outbox import meta_of as meta_of_proof
from crawler.proofs.page_capture import showing
from tests.crawler.held import Held, make_desk
from tests.crawler.proofs.conftest import proof
from tests.crawler.wire import answer, wire

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

KEY = proof().key


@pytest.fixture
def stored(blobs: Blobs, no_browser: None, redis_server: redis.Redis) -> Callable[[CheckItem], Blobs]:
    """Keep a check's proof as spider and worker do."""

    def through(item: CheckItem) -> Blobs:
        page = showing(item.captures, item.slots)
        assert page
        enqueue(Proof(KEY, make_desk(item.booking_url), item, page))
        (name,) = list_waiting(redis_server)
        keep(str(name))
        return blobs

    return through


def test_a_page_that_showed_slots_shows_them_again(
    held: Held,
    sandbox: "Running",
    stored: Callable[[CheckItem], Blobs],
    settings_env: Callable[..., None],
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="30")
    sandbox.open_slots("91", 23014, count=1)
    item = held.check(make_desk(f"{sandbox.site('91')}/booking/create/23014"), budget=RequestBudget(40))
    blobs = stored(item)
    meta = meta_of(blobs, KEY)
    again = read_again(meta, body_of(blobs, meta))
    assert {slot.moment_text for slot in again.slots} == {slot.moment_text for slot in item.slots}


def test_a_page_that_nobody_understood_is_not_understood_again_and_comes_out_as_files(
    held: Held, stored: Callable[[CheckItem], Blobs], tmp_path: Path
) -> None:
    with wire(answer(b"<title>Neuf</title>")) as site:
        item = held.check(make_desk(f"{site.address}/booking/create/1"))
    assert item.outcome is Outcome.UNREADABLE
    blobs = stored(item)
    blobs.put(f"{KEY}/{PICTURE}", b"PNG")
    shown = _describe_proof(blobs, KEY, tmp_path / "out")
    assert shown["evidence"] == item.reason
    assert shown["reads_now_as"]["reason"] == item.reason
    page, picture = map(Path, shown["files"])
    assert (page.suffix, page.read_bytes(), picture.read_bytes()) == (".html", b"<title>Neuf</title>", b"PNG")


def test_a_page_that_an_earlier_release_kept_comes_out_as_files_and_is_not_read_again(
    blobs: Blobs, tmp_path: Path
) -> None:
    asked = {"desk": "https://rdv.example/1", "today": "2026-11-20", "place": ["1", None], "turn": [3, None]}
    kept = meta_of_proof(proof()).model_copy(update={"asked": asked})
    blobs.put(f"{KEY}/{META}", kept.model_dump_json().encode())
    blobs.put(f"{KEY}/{BODY}", pack(proof().capture.body))
    shown = _describe_proof(blobs, KEY, tmp_path)
    assert (shown["reads_now_as"], len(shown["files"])) == (None, 1)


@pytest.mark.usefixtures("blobs")
def test_the_command_says_what_is_wrong() -> None:
    with pytest.raises(SystemExit, match=f"{KEY} is not in the store"):
        Command().run([KEY], Namespace(out=None))
    for wrong in ([], ["../etc"], [KEY, KEY]):
        with pytest.raises(UsageError, match=r"checks\.proof_key"):
            Command().run(wrong, Namespace(out=None))
