"""The pages of a visit that are kept, and the parts of them."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from scrapy.exceptions import UsageError

from api.models.check import Check
from api.models.slot import Detection
from configs.ground.object_store import Blobs
from configs.ground.proof_queue import list_waiting
from configs.ground.proofs import PICTURE, body_of, is_key, meta_of
from configs.world.desk import Desk, Outcome
from crawler.commands.proof import Command, _describe_proof, read_again
from crawler.fetching.request_budget import RequestBudget
from crawler.items import CaptureBuffer, CheckItem, PageCapture, asked_of, showing
from crawler.proofs.job import store_page
from crawler.proofs.outbox import enqueue
from crawler.proofs.selection import Proof
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, VisitContext
from crawler.recording.check_transaction import record_checks
from tests.crawler.checks import HOST, HOUR, NOW, slot
from tests.crawler.held import Held, make_desk
from tests.crawler.proofs.conftest import capture, proof, seen
from tests.crawler.wire import answer, wire
from tests.factories import rows
from tests.in_turn import in_turn

if TYPE_CHECKING:
    from tests.running_sandbox import Running

LATER = HOUR + timedelta(days=1)
INCONCLUSIVE = [each for each in Outcome if not each.conclusive]


def buffer(*pages: tuple[PageCapture | None, bool]) -> CaptureBuffer:
    made = CaptureBuffer()
    for page, troubled in pages:
        made.add(page, troubled=troubled)
    return made


def test_all_pages_with_slots_are_held_and_the_one_that_shows_the_earliest_of_what_is_new_is_shown() -> None:
    first, second, third = capture(b"1"), capture(b"2", slot(HOUR)), capture(b"3", slot(LATER), slot(None))
    held = buffer((first, False), (second, False), (third, False)).select(Outcome.SLOTS)
    assert held == (second, third)
    assert showing(held, [slot(LATER), slot(HOUR)]) is held[0]
    assert showing(held, [slot(LATER)]) is held[1]
    assert showing(held, [slot(None), slot(LATER)]) is held[1]
    assert showing(held, [slot(date(2027, 1, 1))]) is held[0]
    assert showing((), [slot()]) is None


@in_turn("outcome", INCONCLUSIVE)
def test_of_trouble_its_first_page_is_held(outcome: Outcome) -> None:
    first, second, third = capture(b"1"), capture(b"2"), capture(b"3")
    assert buffer((first, False), (second, True), (third, True)).select(outcome) == (second,)


@in_turn("outcome", INCONCLUSIVE)
def test_where_no_page_came_there_is_none_to_hold(outcome: Outcome) -> None:
    assert buffer((capture(b"1"), False), (None, True), (capture(b"2"), True)).select(outcome) == ()
    assert buffer().select(outcome) == ()


def test_several_pages_that_say_nothing_are_held_by_the_last() -> None:
    pages = buffer((capture(b"1"), False), (capture(b"2"), False))
    assert [each.body for each in pages.select(Outcome.UNREADABLE)] == [b"2"]
    assert pages.select(Outcome.OVERLOADED) == ()


def test_what_was_asked_comes_back_without_what_was_sent() -> None:
    window = CoveredWindow("23018", date(2026, 11, 23), date(2026, 11, 29), doubtful=True)
    ask = PageRequest("https://x.fr/a", "week", "POST", form={"_token": "s3cret"}, json={"q": 1}, text="s3cret",
              headers={"X-Key": "s3cret"}, secrets={"X-Hub": "ants_token"},
              place=Place("23018", "Guichet A"), window=window, rank=3, turn=7)  # fmt: skip
    page = Page("https://x.fr/a", 200, b"", VisitContext("https://x.fr/", date(2026, 11, 20), turn=9), ask)
    stored = PageCapture.of("ezbooking", page, Reading()).asked
    assert "s3cret" not in str(stored)
    bare: dict[str, Any] = {"form": {}, "json": None, "text": "", "headers": {}, "secrets": {}}
    assert asked_of(stored) == replace(ask, **bare)
    assert (stored["desk"], stored["today"], stored["visit"]) == ("https://x.fr/", "2026-11-20", 9)


@pytest.fixture
def write(
    redis_server: redis.Redis, planned_desks: Callable[..., dict[str, Desk]]
) -> Callable[..., list[Proof]]:
    """Record checks of one desk, one transaction each; return the proofs of the last."""
    planned_desks(a=HOST)

    def through(*checks: CheckItem) -> list[Proof]:
        return [record_checks([replace(each, seen_at=NOW)]) for each in checks][-1].proofs

    return through


def keys(kind: type[Any]) -> list[str | None]:
    return [row.proof_key for row in rows(kind)]


def test_a_detection_and_its_check_have_the_key_of_the_page_that_showed_what_is_new(
    write: Callable[..., list[Proof]],
) -> None:
    page = capture(b"1", slot())
    (proof,) = write(seen(capture(b"0"), page))
    assert (proof.capture, proof.desk.slug, proof.check.seen_at) == (page, "a", NOW)
    assert is_key(proof.key)
    assert keys(Detection) == keys(Check) == [proof.key]


@pytest.mark.parametrize("outcome", [each for each in Outcome if not each.conclusive])
def test_of_a_run_that_proves_nothing_the_first_answer_is_kept(
    write: Callable[..., list[Proof]], outcome: Outcome
) -> None:
    nothing = {"outcome": outcome, "slots": (), "covered": ()}
    (first,) = write(seen(capture(b"first"), **nothing))
    assert write(seen(capture(b"second"), token=2, **nothing)) == []
    (again,) = write(
        seen(token=3, slots=(), outcome=Outcome.NO_SLOTS), seen(capture(b"again"), token=4, **nothing)
    )
    assert (first.capture.body, again.capture.body) == (b"first", b"again")
    assert keys(Check) == [first.key, None, None, again.key]


def test_a_result_that_came_too_late_proves_nothing(write: Callable[..., list[Proof]]) -> None:
    assert write(seen(token=5, slots=(), outcome=Outcome.NO_SLOTS), seen(token=4)) == []
    assert keys(Check) == [None, None]


def test_a_detection_without_a_page_has_no_key(write: Callable[..., list[Proof]]) -> None:
    blind = seen()
    object.__setattr__(blind, "captures", ())
    assert write(blind) == []
    assert keys(Detection) == [None]


# A stored page reads as it did in the crawl, and `scrapy proof` shows it.


KEY = proof().key


@pytest.fixture
def stored(blobs: Blobs, no_browser: None, redis_server: redis.Redis) -> Callable[[CheckItem], Blobs]:
    """Keep a check's proof as spider and worker do."""

    def through(item: CheckItem) -> Blobs:
        page = showing(item.captures, item.slots)
        assert page
        enqueue(Proof(KEY, make_desk(item.booking_url), item, page))
        (name,) = list_waiting(redis_server)
        store_page(str(name))
        return blobs

    return through


def test_the_page_that_showed_slots_is_held_byte_for_byte_and_shows_them_again(
    held: Held,
    sandbox: "Running",
    stored: Callable[[CheckItem], Blobs],
    settings_env: Callable[..., None],
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="30")
    sandbox.open_slots("91", 23014, count=1)
    item = held.check(make_desk(f"{sandbox.site('91')}/booking/create/23014"), budget=RequestBudget(40))
    assert item.outcome is Outcome.SLOTS
    page = showing(item.captures, item.slots)
    assert page
    assert (item.slots[0].place.key, item.slots[0].moment_text) in page.shown
    blobs = stored(item)
    meta = meta_of(blobs, KEY)
    assert (meta.platform, meta.status, body_of(blobs, meta)) == ("ezbooking", 200, page.body)
    again = read_again(meta, body_of(blobs, meta))
    assert {slot.moment_text for slot in again.slots} == {slot.moment_text for slot in item.slots}


@pytest.mark.parametrize("body", [b"<html>\xff\xfe not UTF-8 \x00", b"<title>Neuf</title>", b"<p>{}"])
def test_a_page_that_nobody_understood_is_not_understood_again_and_comes_out_as_files(
    held: Held, stored: Callable[[CheckItem], Blobs], tmp_path: Path, body: bytes
) -> None:
    with wire(answer(body)) as site:
        item = held.check(make_desk(f"{site.address}/booking/create/1"))
    assert item.outcome is Outcome.UNREADABLE
    blobs = stored(item)
    blobs.put(f"{KEY}/{PICTURE}", b"PNG")
    shown = _describe_proof(blobs, KEY, tmp_path / "out")
    assert shown["evidence"] == item.reason
    assert shown["reads_now_as"]["reason"] == item.reason
    page, picture = map(Path, shown["files"])
    assert (page.suffix, page.read_bytes(), picture.read_bytes()) == (".html", body, b"PNG")


@pytest.mark.usefixtures("blobs")
def test_the_command_says_what_is_wrong() -> None:
    with pytest.raises(SystemExit, match=f"{KEY} is not in the store"):
        Command().run([KEY], Namespace(out=None))
    for wrong in ([], ["../etc"], [KEY, KEY]):
        with pytest.raises(UsageError, match=r"checks\.proof_key"):
            Command().run(wrong, Namespace(out=None))
