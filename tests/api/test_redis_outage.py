import pytest

from api.redis_outage import RedisOutage


def test_while_redis_answers_everybody_asks() -> None:
    outage = RedisOutage()
    outage.note(answers=True)
    assert [outage.may_ask() for _ in range(3)] == [True] * 3


def test_after_a_failure_nobody_asks_for_a_while() -> None:
    outage = RedisOutage()
    outage.note(answers=False)
    assert [outage.may_ask() for _ in range(3)] == [False] * 3


def test_then_one_asks_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    outage = RedisOutage()
    monkeypatch.setattr("api.redis_outage.AWAY_SECONDS", 0.0)
    outage.note(answers=False)
    monkeypatch.undo()
    assert [outage.may_ask() for _ in range(3)] == [True, False, False]
    outage.note(answers=True)
    assert outage.may_ask()
