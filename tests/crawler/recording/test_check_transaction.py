import random
import string
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
import sqlalchemy as sa
import time_machine

from api.models.base import session
from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, Publication, Source
from api.models.slot import Detection, GoneReason, SlotRow
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome
from crawler.items import CheckItem
from crawler.reading import CoveredWindow, Release, Slot
from crawler.recording.check_transaction import is_row_fault, record_checks, write_batch
from crawler.scheduling import due_queue
from tests.crawler.checks import HOST, HOUR, NOW, check, entry, put, refusal, slot, take
from tests.factories import change, get, rows
from tests.in_turn import in_turn


@pytest.mark.rule("3.1")
def test_every_check_becomes_one_row(write: Callable[..., None]) -> None:
    windows = (CoveredWindow("23018", date(2026, 11, 20), None), CoveredWindow())
    write(check(covered=windows), check("b", 4, outcome=Outcome.UNREACHABLE, error="TimeoutError: 20 s"))
    first, second = sorted(rows(Check), key=lambda row: row.desk_id)
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
    first = {each.released_at: each for each in rows(Publication)}
    assert {
        (each.desk_id, each.released_at, each.first_day, each.last_day, each.source)
        for each in first.values()
    } == {("evry_91/a", each.at, each.first, each.last, Source.CHECK) for each in releases}
    write(check("a", 2, publications=(releases[1], releases[1])))
    again = {each.released_at: each for each in rows(Publication)}
    assert again.keys() == first.keys()
    named, other = releases[1].at, releases[0].at
    assert again[named].seen_at == first[named].seen_at
    assert again[named].seen_last_at >= first[named].seen_last_at
    assert again[other].seen_last_at == first[other].seen_last_at


def test_a_slot_becomes_a_row_and_a_detection_with_what_the_desk_is(
    write: Callable[..., None], nudged: list[UUID]
) -> None:
    write(check("a", 1, slot()))
    (row,) = rows(SlotRow)
    assert (row.place_key, row.place_label, row.starts_at, row.seats) == ("23018", "Guichet A", HOUR, 2)
    assert (row.opened_at, row.seen_at, row.gone_at, row.url) == (NOW, NOW, None, check().booking_url)
    with session() as s:
        (detection,) = s.scalars(sa.select(Detection))
        assert [each.id for each in detection.slots] == [row.id]
    assert (detection.prefecture_id, detection.label, detection.site) == ("evry_91", "Guichet a", "Évry")
    assert detection.procedures == ["NATURALISATION", "TITRE_SEJOUR"]
    assert (detection.seen_at, detection.committed_at) == (NOW, NOW)
    assert nudged == [detection.id]
    assert get(DeskState, "evry_91/a").last_slot_at == NOW


def test_a_desk_knows_what_its_visits_lately_took(write: Callable[..., None]) -> None:
    def taken() -> float | None:
        return get(DeskState, "evry_91/a").visit_requests

    write(check("a", 1, outcome=Outcome.UNREACHABLE, requests=1))
    assert taken() is None
    write(check("a", 2, requests=3))
    assert taken() == 3
    write(check("a", 3, requests=7))
    assert taken() == pytest.approx(3.2)
    write(check("a", 4, outcome=Outcome.BLOCKED, requests=1))
    assert taken() == pytest.approx(3.2)


def test_a_slot_that_was_called_gone_does_not_come_back(write: Callable[..., None]) -> None:
    write(check("a", 1, slot()))
    write(check("a", 2))
    change(SlotRow, gone_told_at=NOW)
    write(check("a", 3, slot()))
    assert len(rows(SlotRow)) == 2


@pytest.mark.rule("3.3")
def test_where_absence_is_doubtful_a_slot_goes_at_the_second_answer_in_a_row_without_it(
    write: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    doubt = (CoveredWindow(doubtful=True),)

    def gone(token: int, *slots: Slot, **more: Any) -> list[GoneReason | None]:
        frozen.shift(30)
        write(check("a", token, *slots, covered=doubt, started_at=clock(), **more))
        return [row.gone_reason for row in rows(SlotRow)]

    assert gone(1, slot()) == [None]
    assert gone(2) == [None]
    assert gone(3, slot()) == [None]
    assert gone(4) == [None]
    assert gone(5, outcome=Outcome.OVERLOADED) == [None]
    assert gone(6) == [GoneReason.TAKEN]


@pytest.mark.rule("3.3")
def test_a_result_older_than_the_last_one_records_its_check_and_nothing_else(
    write: Callable[..., None],
) -> None:
    write(check("a", 7, slot()))
    write(check("a", 6, outcome=Outcome.CAPTCHA), check("b", 1))
    write(check("a", 7, outcome=Outcome.CAPTCHA))
    assert len(rows(Check)) == 4
    assert (get(DeskState, "evry_91/a").last_token, get(DeskState, "evry_91/a").status) == (
        7,
        DeskStatus.ACTIVE,
    )
    assert [row.gone_at for row in rows(SlotRow)] == [None]


@pytest.mark.rule("3.3")
def test_a_page_read_more_than_two_intervals_ago_records_its_check_and_changes_no_slot(
    desks: dict[str, Desk], frozen: time_machine.Traveller
) -> None:
    late = check("a", 1, slot(), outcome=Outcome.BLOCKED, seen_at=NOW - timedelta(seconds=121))
    written = record_checks([late])
    assert [row.outcome for row in rows(Check)] == [Outcome.BLOCKED]
    assert rows(SlotRow) == []
    assert (get(DeskState, "evry_91/a").last_token, get(DeskState, "evry_91/a").last_check_at) == (0, None)
    assert [visit.token for visit in written.visits] == [1]
    record_checks([check("a", 2, slot(), seen_at=NOW - timedelta(seconds=119))])
    assert len(rows(SlotRow)) == 1


def test_the_achieved_interval_follows_what_really_happens(
    write: Callable[..., None], frozen: time_machine.Traveller
) -> None:
    for token, second in enumerate([0, 60, 120, 220], start=1):
        frozen.move_to(NOW + timedelta(seconds=second))
        write(check("a", token, started_at=NOW + timedelta(seconds=second)))
    assert get(DeskState, "evry_91/a").achieved_seconds == pytest.approx((4 * 60 + 100) / 5)


@pytest.mark.rule("3.9")
def test_a_finished_check_gives_its_desk_and_its_host_back(
    write: Callable[..., None], redis_server: redis.Redis
) -> None:
    with due_queue.connect() as client:
        put(client, entry("evry_91/a", HOST), system="prefenligne")
        (claim,) = take(client, system="prefenligne").claims
        write(check("a", claim.token))
        later = take(client, NOW + timedelta(seconds=59), system="prefenligne")
        assert later.wake == NOW + timedelta(seconds=60)
        put(client, entry("evry_91/b", HOST), system="prefenligne")
        for seconds, free in ((2.9, 0), (3, 1)):  # 3 requests at 60 a minute
            claims = take(client, NOW + timedelta(seconds=seconds), system="prefenligne").claims
            assert len(claims) == free


def test_a_check_that_began_while_the_clock_was_ahead_counts_from_now(
    write: Callable[..., None], redis_server: redis.Redis
) -> None:
    """It would be the newest for a day, and its desk and its host be left alone for as long."""
    with due_queue.connect() as client:
        put(client, entry("evry_91/a", HOST), system="prefenligne")
        (claim,) = take(client, system="prefenligne").claims
        write(check("a", claim.token, slot(), started_at=NOW + timedelta(days=1)))
        assert take(client, NOW + timedelta(seconds=60), system="prefenligne").claims
    assert [row.started_at for row in rows(Check)] == [NOW]
    assert (get(DeskState, "evry_91/a").last_check_at, rows(SlotRow)[0].seen_at) == (NOW, NOW)


@pytest.mark.rule("3.9")
def test_a_block_rests_the_host_in_the_table_and_in_redis(
    write: Callable[..., None], redis_server: redis.Redis
) -> None:
    write(
        check("a", 1, outcome=Outcome.BLOCKED), check("c", 1, outcome=Outcome.RATE_LIMITED, retry_after=90.0)
    )
    until = {row.host: row.rests_until for row in rows(HostState)}
    assert timedelta(seconds=300) <= until[HOST] - NOW <= timedelta(seconds=330)
    assert timedelta(seconds=90) <= until["127.77.0.92:8800"] - NOW <= timedelta(seconds=99)
    write(check("a", 2, outcome=Outcome.RATE_LIMITED))
    assert {row.host: row.rests_until for row in rows(HostState)} == until
    assert redis_server.get(f"crawler:rest:{HOST}") == str(until[HOST].timestamp()).encode()


# PostgreSQL compresses what repeats.
_LONG = "".join(random.Random(1).choices(string.ascii_letters, k=9000))


@pytest.mark.rule("3.1", "3.6")
@pytest.mark.parametrize(
    ("poison", "error"),
    [
        (lambda: check("b", 1, reason="a \0 in it"), "UntranslatableCharacter"),
        (lambda: check("b", 1, slot(place=_LONG)), "ProgramLimitExceeded"),
    ],
)
def test_a_row_that_poisons_its_batch_is_recorded_as_unreadable_and_the_others_are_kept(
    poison: Callable[[], CheckItem],
    error: str,
    write: Callable[..., None],
    nudged: list[UUID],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(check("a", 1, slot()), poison(), check("c", 1, slot()))
    found = {row.desk_id[-1]: row for row in rows(Check)}
    assert {desk: row.outcome for desk, row in found.items()} == {
        "a": Outcome.SLOTS, "b": Outcome.UNREADABLE, "c": Outcome.SLOTS,
    }  # fmt: skip
    assert error in (found["b"].error or "")
    assert len(nudged) == 2
    assert {each.levelname for each in caplog.records} == {"ERROR"}
    assert "evry_91/b" in caplog.text


def test_a_check_that_cannot_be_recorded_at_all_costs_no_other(
    write: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    write(check("a", 1, process="a \0 in it"), check("b", 1))
    assert [row.desk_id for row in rows(Check)] == ["evry_91/b"]
    assert "cannot be recorded at all" in caplog.text


@in_turn(
    "error, at_fault",
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


@pytest.mark.rule("3.5")
def test_a_detection_that_cannot_be_written_takes_its_check_and_its_slots_with_it(
    desks: dict[str, Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    from crawler.recording import slot_writer

    def fail() -> None:
        raise RuntimeError("the process dies here")

    monkeypatch.setattr(slot_writer, "new_id", fail)
    with pytest.raises(RuntimeError), session() as s:
        write_batch(s, [check("a", 1, slot(), seen_at=NOW)])
    assert (rows(Check), rows(SlotRow), get(DeskState, "evry_91/a").last_token) == ([], [], 0)


def test_a_check_of_a_clock_that_was_days_behind_holds_up_no_other(
    planned_desks: Callable[..., None],
) -> None:
    """No day of the table is made for it: its visit began before its machine's clock was set right."""
    planned_desks(a=HOST, b=HOST)
    record_checks([check("a", 1, started_at=NOW - timedelta(days=40)), check("b", 1)])
    assert "evry_91/b" in {row.desk_id for row in rows(Check)}
