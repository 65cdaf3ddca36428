"""The prediction of proofs, compared with the proofs that are kept."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from configs.desk import Desk
from configs.outcome import Outcome
from crawler.items import FinishedCheck
from crawler.proofs.selection import ProofPredictor
from crawler.reading import Slot
from crawler.recording.batch_writer import record
from tests.crawler.checks import HOST, HOUR, NOW, check, slot
from tests.crawler.proofs.made import capture

LATER = timedelta(hours=1)
Answer = tuple[Outcome, tuple[Slot, ...]]
NONE: Answer = (Outcome.NO_SLOTS, ())
CAPTCHA: Answer = (Outcome.CAPTCHA, ())
BLOCKED: Answer = (Outcome.BLOCKED, ())
ONE: Answer = (Outcome.SLOTS, (slot(),))
TWO: Answer = (Outcome.SLOTS, (slot(), slot(HOUR + LATER)))


@pytest.fixture
def kept(redis_server: object, planned_desks: Callable[..., dict[str, Desk]]) -> Callable[..., list[bool]]:
    """Record a desk's answers, one after the other; tell of each whether its proof is kept."""
    planned_desks(a=HOST)

    def each(*answers: Answer) -> list[bool]:
        found = []
        for token, (outcome, slots) in enumerate(answers, 1):
            item = check("a", token, *slots, outcome=outcome, captures=(capture(b"x", *slots),))
            found.append(bool(record([FinishedCheck(item, token, NOW)]).proofs))
        return found

    return each


@pytest.mark.parametrize(
    "answers",
    [
        [NONE, ONE, ONE, TWO, TWO, ONE, NONE, ONE],
        [CAPTCHA, CAPTCHA, BLOCKED, CAPTCHA, NONE, CAPTCHA],
        [ONE, CAPTCHA, ONE, CAPTCHA, CAPTCHA, TWO],
    ],
    ids=["slots come and go", "runs of trouble", "trouble closes nothing"],
)
def test_what_is_expected_is_what_is_kept(answers: list[Answer], kept: Callable[..., list[bool]]) -> None:
    predictor = ProofPredictor()
    assert [predictor.is_likely("a", *each) for each in answers] == kept(*answers)


def test_desks_are_told_apart() -> None:
    predictor = ProofPredictor()
    assert [predictor.is_likely(desk, *CAPTCHA) for desk in ("a", "b", "a")] == [True, True, False]
