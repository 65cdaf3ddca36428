"""None"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
import time_machine

import notifier
from api.models.base import session
from api.models.check import Check, make_partitions
from api.models.desk import HostState
from api.models.slot import Detection
from configs.world.desk import Desk, Outcome
from crawler.items import CheckItem
from crawler.recording import batch_writer
from crawler.recording.check_transaction import Written, record_checks, write_batch
from tests.crawler.checks import HOST, NOW, check, refusal, slot
from tests.factories import rows
from tests.waiting import until


def test_a_check_that_no_claim_gave_leaves_no_trace(write: Callable[..., None]) -> None:
    write(check("a", None, slot()))
    assert rows(Check) == []


@pytest.mark.rule("3.9")
def test_a_refusal_that_is_written_late_rests_its_host_all_the_same(
    frozen: time_machine.Traveller, redis_server: redis.Redis, desks: dict[str, Desk]
) -> None:
    """The database was away for longer than two intervals: what Retry-After asks for is kept."""
    assert desks
    frozen.move_to(NOW + timedelta(minutes=30))
    writer = batch_writer.Writer("prefenligne")
    writer.put(check("a", 1, outcome=Outcome.RATE_LIMITED, retry_after=3600.0, seen_at=NOW))
    writer.close(60)
    (host,) = rows(HostState)
    assert host.rests_until
    assert host.rests_until >= NOW + timedelta(minutes=90)
    assert redis_server.exists(f"crawler:rest:{HOST}")


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Let a function raise what the database would; return the desks of each batch that was tried."""
    through, tried = record_checks, list[list[str]]()

    def of(trouble: Callable[[list[CheckItem]], Exception | None]) -> list[list[str]]:
        def refusing(results: list[CheckItem]) -> Written:
            tried.append([result.desk_id[-1] for result in results])
            if error := trouble(results):
                raise error
            return through(results)

        monkeypatch.setattr(batch_writer, "record_checks", refusing)
        monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
        return tried

    return of


@pytest.mark.rule("3.5", "3.9")
@pytest.mark.parametrize(
    "error",
    [
        refusal(None),
        refusal("42P01"),
        sa.exc.DatabaseError("SELECT 1", {}, Exception("error with status PGRES_TUPLES_OK")),
        sa.exc.DataError("SELECT 1", {}, Exception("lost"), connection_invalidated=True),
    ],
    ids=["away", "every check refused", "no SQLSTATE", "connection lost"],
)
def test_while_the_database_is_in_trouble_checks_wait_and_nothing_more_is_asked(
    error: sa.exc.DBAPIError,
    desks: dict[str, Desk],
    nudged: list[UUID],
    refuse: Callable[..., list[list[str]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    in_trouble = [True]
    tried = refuse(lambda _: error if in_trouble else None)
    writer = batch_writer.Writer("prefenligne")
    before = writer.behind
    writer.put(check("a", 1, slot()))
    writer.put(check("b", 1))
    until(lambda: len(tried) > 8)
    meanwhile = writer.behind
    in_trouble.clear()
    writer.close(5)
    assert [before, meanwhile, writer.behind] == [False, True, False]
    assert {row.desk_id[-1]: row.outcome for row in rows(Check)} == {
        "a": Outcome.SLOTS,
        "b": Outcome.NO_SLOTS,
    }
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_a_server_that_goes_away_amid_the_savepoints_costs_no_check(
    write: Callable[..., None], nudged: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[str]()

    def leave(rows: Any, results: list[CheckItem]) -> Written:
        calls.append(results[0].desk_id[-1])
        if len(calls) == 3:  # the batch, then each check in its savepoint
            raise refusal("57P01")
        return write_batch(rows, results)

    monkeypatch.setattr("crawler.recording.check_transaction.write_batch", leave)
    monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
    write(check("a", 1, slot()), check("b", 1, reason="a \0 in it"), check("c", 1, slot()))
    assert calls == ["a", "a", "b", "a", "a", "b", "b", "c"]
    assert {row.desk_id[-1]: row.outcome for row in rows(Check)} == {
        "a": Outcome.SLOTS, "b": Outcome.UNREADABLE, "c": Outcome.SLOTS,
    }  # fmt: skip
    assert len(nudged) == 2


def test_a_check_waits_until_its_day_is_made(
    desks: dict[str, Desk],
    nudged: list[UUID],
    frozen: time_machine.Traveller,
    caplog: pytest.LogCaptureFixture,
) -> None:
    later = NOW + timedelta(days=400)
    frozen.move_to(later)
    writer = batch_writer.Writer("prefenligne")
    for number, slug in enumerate("ab", 1):
        writer.put(check(slug, number, slot(later + timedelta(days=2)), started_at=later))
    until(lambda: "no partition" in caplog.text)
    assert writer.behind
    assert rows(Check) == []
    with session() as s:
        make_partitions(s, later.date())
    writer.close(60)
    assert [row.started_at for row in rows(Check)] == [later, later]
    assert len(rows(Detection)) == len(nudged) == 2


@pytest.mark.rule("3.5")
def test_the_nudge_comes_after_the_commit_and_breaks_nothing(
    write: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def look(detection: UUID) -> None:
        seen.extend(1 for row in rows(Detection) if row.id == detection)  # by another connection
        raise RuntimeError("broken nudge")

    monkeypatch.setattr(notifier, "detection_seen", look)
    write(check("a", 1, slot()), check("b", 1, slot()))
    assert seen == [1, 1]
    assert "broken nudge" in caplog.text


@pytest.mark.rule("3.5")
def test_a_writer_gets_ready_to_nudge_before_it_writes_and_records_without(
    write: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rows_before: list[int] = []

    def fail() -> None:
        rows_before.append(len(rows(Check)))
        raise RuntimeError("not ready")

    monkeypatch.setattr(notifier, "get_ready", fail)
    write(check("a", 1, slot()))
    assert rows_before == [0]
    assert "not ready" in caplog.text
    assert len(rows(Check)) == 1


def test_checks_without_news_wait_for_each_other_and_leave_with_the_first_that_has_some(
    desks: dict[str, Desk],
    nudged: list[UUID],
    refuse: Callable[..., list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches, written = refuse(lambda _: None), threading.Event()
    monkeypatch.setattr(batch_writer, "LINGER", 60)
    writer = batch_writer.Writer("prefenligne")
    writer.on_finish = written.set
    for each in (check("a", 1), check("b", 1), check("c", 1, slot())):
        writer.put(each)
    assert written.wait(30)
    assert batches == [["a", "b", "c"]]
    writer.put(check("a", 2))
    writer.close(5)
    assert batches[1:] == [["a"]]


@pytest.mark.rule("3.6")
def test_whoever_hands_over_a_check_does_not_wait_for_the_database_until_too_many_wait(
    desks: dict[str, Desk],
    nudged: list[UUID],
    refuse: Callable[..., list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writers: list[threading.Thread] = []
    answer = threading.Event()

    def slow(_: list[CheckItem]) -> None:
        writers.append(threading.current_thread())
        answer.wait(3)

    refuse(slow)
    monkeypatch.setattr(batch_writer, "BEHIND", 2)
    writer = batch_writer.Writer("prefenligne")
    writer.put(check("a", 1))
    behind = [writer.behind]
    writer.put(check("b", 1))
    behind.append(writer.behind)
    written_meanwhile = len(rows(Check))
    answer.set()
    writer.close(5)
    assert threading.current_thread() not in writers
    assert [written_meanwhile, len(rows(Check))] == [0, 2]
    assert behind == [False, True]
