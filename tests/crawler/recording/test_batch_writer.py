import json
import random
import string
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import redis
import sqlalchemy as sa
import time_machine

import notifier
from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, Publication, PublicationSource
from api.models.partitions import make_partitions
from api.models.slot import Detection, DetectionSlot, GoneReason, SlotRow
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.block_pages import classify_page
from crawler.items import CheckItem
from crawler.parsing.websocket_frames import body_of
from crawler.platforms import example, platform
from crawler.reading import CoveredWindow, Page, PageRequest, Release, Slot
from crawler.recording import batch_writer
from crawler.recording.batch_writer import is_row_fault
from crawler.recording.check_transaction import Written, write_batch
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, HOUR, NOW, check, entry, slot
from tests.waiting import until


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """Take the notifier's place: what it was told, in order."""
    told: list[UUID] = []
    monkeypatch.setattr(notifier, "detection_seen", told.append)
    return told


@pytest.fixture
def desks(redis_server: redis.Redis, planned_desks: Callable[..., dict[str, Desk]]) -> dict[str, Desk]:
    """Three desks with their rows, wished every 60 s."""
    return planned_desks(a=HOST, b=HOST, c="127.77.0.92:8800")


@pytest.fixture
def write(desks: dict[str, Desk], nudged: list[UUID]) -> Iterator[Callable[..., None]]:
    """Hand checks to a writer, wait until they are written."""

    def through(*checks: CheckItem) -> None:
        writer = batch_writer.Writer("prefenligne")
        with writer._changed:  # its thread takes them as one batch, however busy the machine is
            for each in checks:
                writer.put(each)
        writer.close(60)

    yield through
    assert not [thread for thread in threading.enumerate() if thread.name == "record"]


def state(desk: str = "a") -> DeskState:
    with session() as rows:
        return rows.get_one(DeskState, f"evry_91/{desk}")


def rows_of(kind: type[Any]) -> list[Any]:
    with session() as rows:
        return list(rows.scalars(sa.select(kind)))


@pytest.mark.rule("3.1")
def test_every_check_becomes_one_row(write: Callable[..., None]) -> None:
    windows = (CoveredWindow("23018", date(2026, 11, 20), None), CoveredWindow())
    write(check(covered=windows), check("b", 4, outcome=Outcome.UNREACHABLE, error="TimeoutError: 20 s"))
    first, second = sorted(rows_of(Check), key=lambda row: row.desk_id)
    assert (first.outcome, first.evidence, first.requests, first.token) == (
        Outcome.NO_SLOTS,
        check().reason,
        3,
        1,
    )
    assert first.covered == [
        {"place": "23018", "first": "2026-11-20", "last": None},
        {"place": None, "first": None, "last": None},
    ]
    assert (first.milliseconds, first.started_at, first.process) == (120, NOW, "test:1")
    assert (second.outcome, second.error) == (Outcome.UNREACHABLE, "TimeoutError: 20 s")


def test_releases_that_a_page_names_are_a_row_each_with_when_they_were_seen(
    write: Callable[..., None],
) -> None:
    day = NOW.date()
    releases = [Release(NOW + timedelta(days=days), day, day + timedelta(days=6)) for days in (-7, 7)]
    write(check(publications=tuple(releases)))
    first = {each.released_at: each for each in rows_of(Publication)}
    assert {
        (each.desk_id, each.released_at, each.first_day, each.last_day, each.source)
        for each in first.values()
    } == {("evry_91/a", each.at, each.first, each.last, PublicationSource.CHECK) for each in releases}
    write(check("a", 2, publications=(releases[1], releases[1])))
    again = {each.released_at: each for each in rows_of(Publication)}
    assert again.keys() == first.keys()
    named, other = releases[1].at, releases[0].at
    assert again[named].seen_at == first[named].seen_at
    assert again[named].seen_last_at >= first[named].seen_last_at
    assert again[other].seen_last_at == first[other].seen_last_at


def test_a_slot_becomes_a_row_and_a_detection_with_what_the_desk_is(
    write: Callable[..., None], nudged: list[UUID]
) -> None:
    write(check("a", 1, slot()))
    (row,) = rows_of(SlotRow)
    assert (row.place_key, row.place_label, row.starts_at, row.seats) == ("23018", "Guichet A", HOUR, 2)
    assert (row.opened_at, row.seen_at, row.gone_at, row.url) == (NOW, NOW, None, check().booking_url)
    with session() as rows:
        (detection,) = rows.scalars(sa.select(Detection))
        assert [each.id for each in detection.slots] == [row.id]
    assert (detection.prefecture_id, detection.label, detection.site) == ("evry_91", "Guichet a", "Évry")
    assert detection.procedures == ["NATURALISATION", "TITRE_SEJOUR"]
    assert (detection.seen_at, detection.committed_at) == (NOW, NOW)
    assert nudged == [detection.id]
    assert state().last_slot_at == NOW


def test_a_desk_knows_what_its_visits_lately_took(write: Callable[..., None]) -> None:
    def taken() -> float | None:
        with session() as rows:
            return rows.get_one(DeskState, "evry_91/a").visit_requests

    write(check("a", 1, outcome=Outcome.UNREACHABLE, requests=1))
    assert taken() is None
    write(check("a", 2, requests=3))
    assert taken() == 3
    write(check("a", 3, requests=7))
    assert taken() == pytest.approx(3.2)
    write(check("a", 4, outcome=Outcome.BLOCKED, requests=1))
    assert taken() == pytest.approx(3.2)


@pytest.mark.rule("3.4")
def test_a_slot_is_detected_once_while_it_stays_open(
    write: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    write(check("a", 1, slot()))
    frozen.shift(60)
    write(check("a", 2, slot(), started_at=NOW + timedelta(seconds=60)))
    assert len(rows_of(Detection)) == 1
    (row,) = rows_of(SlotRow)
    assert row.seen_at == NOW + timedelta(seconds=60)


@pytest.mark.rule("3.4")
@pytest.mark.parametrize(("seconds", "reasons"), [(299, [None]), (300, [GoneReason.TAKEN, None])])
def test_a_slot_that_comes_back_within_five_minutes_is_the_same_and_detected(
    write: Callable[..., None],
    frozen: time_machine.Traveller,
    seconds: int,
    reasons: list[GoneReason | None],
) -> None:
    for token, (shown, after) in enumerate([((slot(),), 0), ((), 0), ((slot(),), seconds)], start=1):
        frozen.shift(after)
        write(check("a", token, *shown, started_at=clock()))
    found = sorted(rows_of(SlotRow), key=lambda row: row.id)
    assert [row.gone_reason for row in found] == reasons
    assert (found[0].opened_at, found[-1].seen_at) == (NOW, clock())
    with session() as s:
        pairs = s.execute(sa.select(DetectionSlot.detection_id, DetectionSlot.slot_id)).all()
    assert len({each.detection_id for each in pairs}) == 2
    assert {each.slot_id for each in pairs} == {row.id for row in found}


def test_a_slot_that_was_called_gone_does_not_come_back(write: Callable[..., None]) -> None:
    write(check("a", 1, slot()))
    write(check("a", 2))
    with session() as s:
        s.execute(sa.update(SlotRow).values(gone_told_at=NOW))
    write(check("a", 3, slot()))
    assert len(rows_of(SlotRow)) == 2


@pytest.mark.rule("3.3")
def test_where_absence_is_doubtful_a_slot_goes_at_the_second_answer_in_a_row_without_it(
    write: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    doubt = (CoveredWindow(doubtful=True),)

    def gone(token: int, *slots: Slot, **more: Any) -> list[GoneReason | None]:
        frozen.shift(30)
        write(check("a", token, *slots, covered=doubt, started_at=clock(), **more))
        return [row.gone_reason for row in rows_of(SlotRow)]

    assert gone(1, slot()) == [None]
    assert gone(2) == [None]
    assert gone(3, slot()) == [None]
    assert gone(4) == [None]
    assert gone(5, outcome=Outcome.OVERLOADED) == [None]
    assert gone(6) == [GoneReason.TAKEN]


@pytest.mark.rule("3.3")
def test_a_town_hall_with_another_number_is_the_same_and_closes_at_the_second_answer_without_it(
    write: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    ants = platform("ants")
    visit = example(ants, clock().date(), ZoneInfo("Europe/Paris"))
    hours = [{"datetime": "2026-12-01T09:30:00Z"}]
    hall = {"name": "Mairie", "zip_code": "91000", "city_name": "EVRY", "available_slots": hours}
    end = {"step": "end_of_search", "editors_number": 25, "editor_errors_number": 0}

    def after(token: int, *halls: dict[str, Any]) -> tuple[list[GoneReason | None], int]:
        frozen.shift(30)
        body = body_of(map(json.dumps, (halls, [], end)))
        page = Page(visit.url, 101, body, visit, PageRequest(visit.url))
        found = classify_page(ants, page)
        write(check("a", token, *found.slots, covered=found.covered, started_at=clock()))
        return [row.gone_reason for row in rows_of(SlotRow)], len(rows_of(Detection))

    assert after(1, hall | {"id": "201"}) == ([None], 1)
    assert after(2, hall | {"id": "417"}) == ([None], 1)
    assert after(3) == ([None], 1)
    assert after(4, hall | {"id": "302"}) == ([None], 1)
    assert after(5) == ([None], 1)
    assert after(6) == ([GoneReason.TAKEN], 1)


def test_hours_of_a_place_told_as_open_open_in_silence(write: Callable[..., None]) -> None:
    write(check("a", 1, slot(None)))
    write(check("a", 2, slot(HOUR)))
    rows = {row.moment: row.gone_reason for row in rows_of(SlotRow)}
    assert rows == {"open": GoneReason.SUPERSEDED, "2026-12-01T08:30:00+00:00": None}
    assert len(rows_of(Detection)) == 1


@pytest.mark.rule("3.3")
def test_a_result_older_than_the_last_one_records_its_check_and_nothing_else(
    write: Callable[..., None],
) -> None:
    write(check("a", 7, slot()))
    write(check("a", 6, outcome=Outcome.CAPTCHA), check("b", 1))
    write(check("a", 7, outcome=Outcome.CAPTCHA))
    assert len(rows_of(Check)) == 4
    assert (state().last_token, state().status) == (7, DeskStatus.ACTIVE)
    assert [row.gone_at for row in rows_of(SlotRow)] == [None]


@pytest.mark.rule("3.3")
def test_a_page_read_more_than_two_intervals_ago_records_its_check_and_changes_no_slot(
    desks: dict[str, Desk], frozen: time_machine.Traveller
) -> None:
    late = check("a", 1, slot(), outcome=Outcome.BLOCKED, seen_at=NOW - timedelta(seconds=121))
    written = batch_writer.record([late])
    assert [row.outcome for row in rows_of(Check)] == [Outcome.BLOCKED]
    assert rows_of(SlotRow) == []
    assert (state().last_token, state().last_check_at) == (0, None)
    assert [visit.token for visit in written.visits] == [1]
    batch_writer.record([check("a", 2, slot(), seen_at=NOW - timedelta(seconds=119))])
    assert len(rows_of(SlotRow)) == 1


def test_a_check_that_no_claim_gave_leaves_no_trace(write: Callable[..., None]) -> None:
    write(check("a", None, slot()))
    assert rows_of(Check) == []


def test_the_achieved_interval_follows_what_really_happens(
    write: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    for token, second in enumerate([0, 60, 120, 220], start=1):
        frozen.move_to(NOW + timedelta(seconds=second))
        write(check("a", token, started_at=NOW + timedelta(seconds=second)))
    assert state().achieved_seconds == pytest.approx((4 * 60 + 100) / 5)


@pytest.mark.rule("3.9")
def test_a_finished_check_gives_its_desk_and_its_host_back(
    write: Callable[..., None], redis_server: redis.Redis
) -> None:
    with due_queue.connect() as client:
        due_queue.send(client, due_queue.schedule("prefenligne", [entry("evry_91/a", HOST, 0, NOW)], now=NOW))
        (claim,) = due_queue.send(client, due_queue.claim("prefenligne", now=NOW, places=1, hold=25)).claims
        write(check("a", claim.token))
        later = NOW + timedelta(seconds=59)
        assert due_queue.send(
            client, due_queue.claim("prefenligne", now=later, places=1, hold=25)
        ).wake == NOW + timedelta(seconds=60)
        due_queue.send(client, due_queue.schedule("prefenligne", [entry("evry_91/b", HOST, 0, NOW)], now=NOW))
        early = due_queue.claim("prefenligne", now=NOW + timedelta(seconds=2.9), places=1, hold=25)
        assert due_queue.send(client, early).claims == ()  # 3 requests at 60 a minute
        assert due_queue.send(
            client, due_queue.claim("prefenligne", now=NOW + timedelta(seconds=3), places=1, hold=25)
        ).claims


def test_a_check_that_began_while_the_clock_was_ahead_counts_from_now(
    write: Callable[..., None], redis_server: redis.Redis
) -> None:
    """It would be the newest for a day, and its desk and its host be left alone for as long."""
    with due_queue.connect() as client:
        due_queue.send(client, due_queue.schedule("prefenligne", [entry("evry_91/a", HOST, 0, NOW)], now=NOW))
        (claim,) = due_queue.send(client, due_queue.claim("prefenligne", now=NOW, places=1, hold=25)).claims
        write(check("a", claim.token, slot(), started_at=NOW + timedelta(days=1)))
        later = due_queue.claim("prefenligne", now=NOW + timedelta(seconds=60), places=1, hold=25)
        assert due_queue.send(client, later).claims
    assert [row.started_at for row in rows_of(Check)] == [NOW]
    assert (state().last_check_at, rows_of(SlotRow)[0].seen_at) == (NOW, NOW)


@pytest.mark.rule("3.9")
def test_a_block_rests_the_host_in_the_table_and_in_redis(
    write: Callable[..., None], redis_server: redis.Redis
) -> None:
    write(
        check("a", 1, outcome=Outcome.BLOCKED), check("c", 1, outcome=Outcome.RATE_LIMITED, retry_after=90.0)
    )
    until = {row.host: row.rests_until for row in rows_of(HostState)}
    assert timedelta(seconds=300) <= until[HOST] - NOW <= timedelta(seconds=330)
    assert timedelta(seconds=90) <= until["127.77.0.92:8800"] - NOW <= timedelta(seconds=99)
    write(check("a", 2, outcome=Outcome.RATE_LIMITED))
    assert {row.host: row.rests_until for row in rows_of(HostState)} == until
    assert redis_server.get(f"crawler:rest:{HOST}") == str(until[HOST].timestamp()).encode()


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
    (host,) = rows_of(HostState)
    assert host.rests_until
    assert host.rests_until >= NOW + timedelta(minutes=90)
    assert redis_server.exists(f"crawler:rest:{HOST}")


@pytest.mark.rule("3.1", "3.6")
def test_a_row_that_poisons_its_batch_is_recorded_as_unreadable_and_the_others_are_kept(
    write: Callable[..., None], nudged: list[UUID], caplog: pytest.LogCaptureFixture
) -> None:
    write(check("a", 1, slot()), check("b", 1, reason="a \0 in it"), check("c", 1, slot()))
    found = {row.desk_id: row for row in rows_of(Check)}
    assert {desk: row.outcome for desk, row in found.items()} == {
        "evry_91/a": Outcome.SLOTS, "evry_91/b": Outcome.UNREADABLE, "evry_91/c": Outcome.SLOTS,
    }  # fmt: skip
    assert "ValueError" in (found["evry_91/b"].error or "")
    assert len(nudged) == 2
    assert "evry_91/b" in caplog.text


def test_a_check_that_cannot_be_recorded_at_all_costs_no_other(
    write: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    write(check("a", 1, process="a \0 in it"), check("b", 1))
    assert [row.desk_id for row in rows_of(Check)] == ["evry_91/b"]
    assert "cannot be recorded at all" in caplog.text


@pytest.mark.rule("3.1")
def test_a_key_that_no_index_takes_costs_its_own_check_alone(
    write: Callable[..., None], nudged: list[UUID], caplog: pytest.LogCaptureFixture
) -> None:
    words = random.Random(1)
    key = "".join(
        words.choice(string.ascii_letters) for _ in range(9000)
    )  # PostgreSQL compresses what repeats
    write(check("a", 1, slot(place=key)), check("c", 1, slot()))
    found = {row.desk_id: row for row in rows_of(Check)}
    assert {desk: row.outcome for desk, row in found.items()} == {
        "evry_91/a": Outcome.UNREADABLE, "evry_91/c": Outcome.SLOTS,
    }  # fmt: skip
    assert "ProgramLimitExceeded" in (found["evry_91/a"].error or "")
    assert len(nudged) == 1
    assert {each.levelname for each in caplog.records} == {"ERROR"}


def refusal(
    code: str | None, *, kind: type[sa.exc.DBAPIError] = sa.exc.OperationalError
) -> sa.exc.DBAPIError:
    """Return an error as SQLAlchemy raises it, of this SQLSTATE."""
    cause = Exception("refused")
    cause.pgcode = code  # type: ignore[attr-defined] # as psycopg2's have it
    return kind("INSERT", {}, cause)


@pytest.mark.parametrize(
    ("error", "at_fault"),
    [
        *((refusal(code), True) for code in ("22003", "22021", "23514", "54000", "P0001")),
        *(
            (refusal(code), False)
            for code in ("08006", "53100", "57014", "57P01", "40P01", "40001", "25006", "55P03", "42P01")
        ),
        (refusal(None), False),
        (refusal(None, kind=sa.exc.DatabaseError), False),
        (refusal("22003", kind=sa.exc.DataError), True),
        (sa.exc.TimeoutError("QueuePool limit"), False),
        (ValueError("A string literal cannot contain NUL (0x00) characters."), True),
    ],
)
def test_the_sqlstate_tells_whose_fault_it_is(error: Exception, at_fault: bool) -> None:
    assert is_row_fault(error) is at_fault


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Let a function raise what the database would; return the desks of each batch that was tried."""
    through, tried = batch_writer.record, list[list[str]]()

    def of(trouble: Callable[[list[CheckItem]], Exception | None]) -> list[list[str]]:
        def refusing(results: list[CheckItem]) -> Written:
            tried.append([result.desk_id[-1] for result in results])
            if error := trouble(results):
                raise error
            return through(results)

        monkeypatch.setattr(batch_writer, "record", refusing)
        monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
        return tried

    return of


def test_while_the_server_refuses_every_check_none_is_dropped(
    write: Callable[..., None], refuse: Callable[..., list[list[str]]], caplog: pytest.LogCaptureFixture
) -> None:
    left = iter(range(12))

    def trouble(_: list[CheckItem]) -> Exception | None:
        return refusal("42P01") if next(left, None) is not None else None

    refuse(trouble)
    write(check("a", 1, slot()), check("b", 1))
    assert {row.desk_id[-1]: row.outcome for row in rows_of(Check)} == {
        "a": Outcome.SLOTS,
        "b": Outcome.NO_SLOTS,
    }
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_a_server_that_goes_away_amid_the_savepoints_costs_no_check(
    write: Callable[..., None], nudged: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = list[str]()

    def leave(rows: Any, results: list[CheckItem], *clocks: datetime) -> Written:
        calls.append(results[0].desk_id[-1])
        if len(calls) == 3:  # the batch, then each check in its savepoint
            raise refusal("57P01")
        return write_batch(rows, results, *clocks)

    monkeypatch.setattr("crawler.recording.batch_writer.write_batch", leave)
    monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
    write(check("a", 1, slot()), check("b", 1, reason="a \0 in it"), check("c", 1, slot()))
    assert calls == ["a", "a", "b", "a", "a", "b", "b", "c"]
    assert {row.desk_id[-1]: row.outcome for row in rows_of(Check)} == {
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
    assert rows_of(Check) == []
    with session() as rows:
        make_partitions(rows, later.date())
    writer.close(60)
    assert [row.started_at for row in rows_of(Check)] == [later, later]
    assert len(rows_of(Detection)) == len(nudged) == 2


@pytest.mark.rule("3.5")
def test_the_nudge_comes_after_the_commit_and_breaks_nothing(
    write: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def look(detection: UUID) -> None:
        seen.extend(1 for row in rows_of(Detection) if row.id == detection)  # by another connection
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
        rows_before.append(len(rows_of(Check)))
        raise RuntimeError("not ready")

    monkeypatch.setattr(notifier, "get_ready", fail)
    write(check("a", 1, slot()))
    assert rows_before == [0]
    assert "not ready" in caplog.text
    assert len(rows_of(Check)) == 1


@pytest.mark.rule("3.5")
def test_a_detection_that_cannot_be_written_takes_its_check_and_its_slots_with_it(
    desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    from crawler.recording import slot_writer

    def fail() -> None:
        raise RuntimeError("the process dies here")

    monkeypatch.setattr(slot_writer, "new_id", fail)
    with pytest.raises(RuntimeError):
        batch_writer.record([check("a", 1, slot(), seen_at=NOW)])
    assert (rows_of(Check), rows_of(SlotRow), state().last_token) == ([], [], 0)


@pytest.mark.rule("3.5")
def test_checks_wait_while_the_database_is_away_and_none_is_lost(
    desks: dict[str, Desk],
    nudged: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = 0
    through = batch_writer.record

    def away(results: list[CheckItem]) -> Written:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))
        return through(results)

    monkeypatch.setattr(batch_writer, "record", away)
    monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(batch_writer, "BEHIND", 2)
    writer = batch_writer.Writer("prefenligne")
    writer.put(check("a", 1, slot()))
    writer.put(check("b", 1))
    behind = [writer.behind]
    writer.close(5)
    assert [*behind, writer.behind] == [True, False]
    assert len(rows_of(Check)) == 2
    assert caplog.text.count("the database is in trouble") == 1


@pytest.mark.parametrize(
    "error",
    [
        sa.exc.DatabaseError("SELECT 1", {}, Exception("error with status PGRES_TUPLES_OK")),
        sa.exc.DataError("SELECT 1", {}, Exception("lost"), connection_invalidated=True),
    ],
)
def test_a_connection_that_breaks_in_an_unusual_way_spoils_no_check(
    error: sa.exc.DBAPIError,
    desks: dict[str, Desk],
    nudged: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    through, errors = batch_writer.record, [error]

    def broken(results: list[CheckItem]) -> Written:
        if errors:
            raise errors.pop()
        return through(results)

    monkeypatch.setattr(batch_writer, "record", broken)
    monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
    writer = batch_writer.Writer("prefenligne")
    writer.put(check("a", 1, slot()))
    writer.close(5)
    (row,) = rows_of(Check)
    assert row.outcome is Outcome.SLOTS
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_checks_without_news_wait_for_each_other_and_leave_with_the_first_that_has_some(
    desks: dict[str, Desk], nudged: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    through, batches, written = batch_writer.record, list[list[str]](), threading.Event()

    def seen(results: list[CheckItem]) -> Written:
        batches.append([result.desk_id for result in results])
        return through(results)

    monkeypatch.setattr(batch_writer, "record", seen)
    monkeypatch.setattr(batch_writer, "LINGER", 60)
    writer = batch_writer.Writer("prefenligne")
    writer.on_finish = written.set
    for each in (check("a", 1), check("b", 1), check("c", 1, slot())):
        writer.put(each)
    assert written.wait(30)
    assert batches == [["evry_91/a", "evry_91/b", "evry_91/c"]]
    writer.put(check("a", 2))
    writer.close(5)
    assert batches[1:] == [["evry_91/a"]]


@pytest.mark.rule("3.6")
def test_whoever_hands_over_a_check_does_not_wait_for_the_database(
    desks: dict[str, Desk], nudged: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[threading.Thread] = []
    answer, through = threading.Event(), batch_writer.record

    def slow(results: list[CheckItem]) -> Written:
        writers.append(threading.current_thread())
        answer.wait(3)
        return through(results)

    monkeypatch.setattr(batch_writer, "record", slow)
    writer = batch_writer.Writer("prefenligne")
    writer.put(check("a", 1))
    writer.put(check("b", 1))
    written_meanwhile = len(rows_of(Check))
    answer.set()
    writer.close(5)
    assert threading.current_thread() not in writers
    assert [written_meanwhile, len(rows_of(Check))] == [0, 2]


@pytest.mark.rule("3.9")
def test_nothing_more_is_asked_while_the_database_is_away(
    desks: dict[str, Desk], nudged: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    again, through = threading.Event(), batch_writer.record
    away, tries = [True], iter(range(10**6))

    def refuse(results: list[CheckItem]) -> Written:
        if away:
            if next(tries) > 0:
                again.set()
            raise sa.exc.OperationalError("SELECT 1", {}, Exception("server closed the connection"))
        return through(results)

    monkeypatch.setattr(batch_writer, "record", refuse)
    monkeypatch.setattr(batch_writer, "_FIRST_WAIT", 0.001)
    writer = batch_writer.Writer("prefenligne")
    before = writer.behind
    writer.put(check("a", 1))
    assert again.wait(5)
    meanwhile = writer.behind
    away.clear()
    writer.close(5)
    assert [before, meanwhile, writer.behind] == [False, True, False]
    assert len(rows_of(Check)) == 1
