"""Several processes write checks of the same desks at the same time: the newest claim decides, nothing opens twice."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from api.models.check import Check
from api.models.desk import DeskState
from api.models.slot import DetectionSlot, SlotRow
from configs.world.desk import Desk
from crawler.items import CheckItem
from crawler.reading import Slot
from crawler.recording.check_transaction import record_checks
from tests.crawler.checks import HOST, HOUR, NOW, check, slot
from tests.factories import rows

DESKS = ("a", "b", "c")
MOMENTS = tuple(HOUR + timedelta(minutes=30 * n) for n in range(4))
WRITERS, ROUNDS = 4, 12


@pytest.fixture(autouse=True)
def world(planned_desks: Callable[..., dict[str, Desk]]) -> None:
    planned_desks(a=HOST, b=HOST, c="127.77.0.92:8800")


def batches(chance: random.Random) -> tuple[list[list[CheckItem]], dict[str, tuple[Slot, ...]]]:
    """Return batches of all desks in any order, each claim in one of them; and what each desk's last claim shows."""
    claims = [(desk, token) for desk in DESKS for token in range(1, WRITERS * ROUNDS + 1)]
    shown = {
        claim: tuple(slot(each) for each in chance.sample(MOMENTS, k=chance.randint(0, 4)))
        for claim in claims
    }
    columns = [
        chance.sample([each for each in claims if each[0] == desk], k=WRITERS * ROUNDS) for desk in DESKS
    ]
    made = [
        [
            check(desk, token, *shown[desk, token], seen_at=NOW)
            for desk, token in chance.sample(row, k=len(DESKS))
        ]
        for row in zip(*columns, strict=True)
    ]
    return made, {desk: shown[desk, WRITERS * ROUNDS] for desk in DESKS}


@pytest.mark.rule("3.3")
@pytest.mark.parametrize("seed", range(2))
def test_writers_at_the_same_time_leave_what_the_last_claim_saw(seed: int) -> None:
    made, last = batches(random.Random(seed))
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(record_checks, made))
    slots, told = rows(SlotRow), rows(DetectionSlot)
    assert len(rows(Check)) == len(made) * len(DESKS)
    assert {each.last_token for each in rows(DeskState)} == {WRITERS * ROUNDS}
    assert {each.slot_id for each in told} == {each.id for each in slots}
    left = {(each.desk_id, each.starts_at) for each in slots if each.gone_at is None}
    assert left == {(f"evry_91/{desk}", each.moment) for desk, shown in last.items() for each in shown}
    assert len([each for each in slots if each.gone_at is None]) == len(left)
