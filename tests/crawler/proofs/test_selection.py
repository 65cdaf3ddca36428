"""The checks that get a proof key; key and page always go together."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.check import Check
from api.models.slot import Detection
from configs.ground.proofs import is_key
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.items import CheckItem, FinishedCheck
from crawler.proofs.outbox import Proof
from crawler.recording.batch_writer import record
from tests.crawler.checks import HOST, NOW, slot
from tests.crawler.proofs.made import capture, seen


@pytest.fixture
def write(
    redis_server: redis.Redis, planned_desks: Callable[..., dict[str, Desk]]
) -> Callable[..., list[Proof]]:
    """Record checks of one desk, one transaction each; return the proofs of the last."""
    planned_desks(a=HOST)

    def through(*checks: CheckItem) -> list[Proof]:
        return [record([FinishedCheck(each, each.token or 0, NOW)]) for each in checks][-1].proofs

    return through


def keys(kind: type[Any], order: Any) -> list[str | None]:
    with session() as rows:
        return [row.proof_key for row in rows.scalars(sa.select(kind).order_by(order))]


def test_a_detection_and_its_check_have_the_key_of_the_page_that_showed_what_is_new(
    write: Callable[..., list[Proof]],
) -> None:
    page = capture(b"1", slot())
    (proof,) = write(seen(capture(b"0"), page))
    assert (proof.capture, proof.desk.slug, proof.seen_at) == (page, "a", NOW)
    assert is_key(proof.key)
    assert keys(Detection, Detection.id) == keys(Check, Check.id) == [proof.key]


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
    assert keys(Check, Check.token) == [first.key, None, None, again.key]


def test_a_result_that_came_too_late_proves_nothing(write: Callable[..., list[Proof]]) -> None:
    assert write(seen(token=5, slots=(), outcome=Outcome.NO_SLOTS), seen(token=4)) == []
    assert keys(Check, Check.token) == [None, None]


def test_a_detection_without_a_page_has_no_key(write: Callable[..., list[Proof]]) -> None:
    blind = seen()
    object.__setattr__(blind, "captures", ())
    assert write(blind) == []
    assert keys(Detection, Detection.id) == [None]
