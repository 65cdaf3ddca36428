"""The account of messages by push."""

from datetime import UTC, datetime

from api.models.notification import State
from deploy.chaos.push_accounts import OurPush, settle_push

AT = datetime(2026, 11, 23, tzinfo=UTC)


def settle(*ours: OurPush, browsers: tuple[str, ...] = ("a",), **came: int) -> list[str]:
    return settle_push(ours, lambda key: [AT] * came.get(key, 0), browsers, {"a"}).differences


def test_what_was_sent_has_come() -> None:
    assert settle(OurPush("x", State.SENT, 0), OurPush("y", State.FAILED, 0), x=1) == []
    assert settle(OurPush("x", State.SENT, 0)) == ["push x: sent, and never came"]


def test_a_copy_needs_an_attempt_of_unknown_fate() -> None:
    assert settle(OurPush("x", State.SENT, 1), x=2) == []
    assert settle(OurPush("x", State.SENT, 0), x=2) == ["push x: came 2 times"]


def test_no_stranger_gets_one() -> None:
    assert settle(browsers=("a", "b")) == ["b got a push, and has no device"]
