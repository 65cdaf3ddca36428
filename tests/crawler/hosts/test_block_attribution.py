from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, Outage
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.recording import batch_writer
from tests.crawler.checks import HOST, NOW, check
from tests.factories import get, rows

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def desks(planned_desks: Callable[..., dict[str, Desk]]) -> dict[str, Desk]:
    """Four desks with their rows: a, b and c on one host."""
    return planned_desks(a=HOST, b=HOST, c=HOST, d="127.77.0.92:8800")


def end(minute: float, *ends: tuple[str, Outcome | None]) -> None:
    """Let checks end at that minute, as one batch; None: a plain 403."""
    at = NOW + minute * MINUTE
    refused = {"outcome": Outcome.BLOCKED, "reason": "HTTP 403", "refused": True}
    with time_machine.travel(at, tick=False):
        batch_writer.record(
            [
                check(
                    desk,
                    int(60 * minute) + 1,
                    started_at=at,
                    **({"outcome": outcome} if outcome else refused),
                )
                for desk, outcome in ends
            ]
        )


def last(desk: str) -> Outcome:
    found: Check = rows(Check, Check.desk_id == f"evry_91/{desk}")[-1]
    return found.outcome


def state(desk: str) -> DeskState:
    return get(DeskState, f"evry_91/{desk}")


def rests() -> bool:
    return any(host.rests_until for host in rows(HostState))


def test_a_403_for_one_page_while_another_was_just_read_closes_that_page() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(59, ("a", None))
    assert (last("a"), state("a").status, rests()) == (Outcome.CLOSED, DeskStatus.ERROR, False)
    assert state("a").refused_at == NOW + 59 * MINUTE


def test_a_403_where_nothing_was_read_for_an_hour_is_a_block() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(61, ("a", None))
    assert (last("a"), rests()) == (Outcome.BLOCKED, True)


def test_a_wall_of_the_host_is_a_block_whatever_else_was_read() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(1, ("a", Outcome.BLOCKED))
    assert (last("a"), rests()) == (Outcome.BLOCKED, True)


def test_what_ended_in_the_same_batch_counts() -> None:
    end(1, ("a", None), ("b", Outcome.NO_SLOTS))
    assert last("a") is Outcome.CLOSED


@pytest.mark.rule("3.9")
def test_a_host_that_begins_to_refuse_everything_closes_one_page_and_no_more() -> None:
    end(0, ("a", Outcome.NO_SLOTS), ("b", Outcome.NO_SLOTS), ("c", Outcome.NO_SLOTS))
    end(1, ("a", None))
    assert last("a") is Outcome.CLOSED
    end(2, ("b", None))
    assert (last("b"), rests()) == (Outcome.BLOCKED, True)


def test_a_block_opens_again_what_it_closed_shortly_before() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(1, ("a", None))
    end(2, ("b", None))
    assert (state("a").status, state("a").last_outcome) == (DeskStatus.PAUSED, Outcome.BLOCKED)
    assert state("a").check_requested_at == NOW + 2 * MINUTE
    assert [each.reason.value for each in rows(Outage, Outage.desk_id == "evry_91/a")] == [
        "closed",
        "blocked",
    ]


def test_a_page_that_is_really_closed_stays_closed_when_its_host_blocks_later() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(1, ("a", None))
    end(2, ("b", Outcome.NO_SLOTS))
    end(3, ("c", Outcome.BLOCKED))
    assert (state("a").status, state("a").last_outcome) == (DeskStatus.ERROR, Outcome.CLOSED)
