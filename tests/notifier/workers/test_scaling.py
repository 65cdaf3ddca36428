from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine

from configs.job_queues import queue
from notifier.workers import scaling
from notifier.workers.__main__ import CHILDREN
from notifier.workers.queues import names_of
from notifier.workers.scaling import SCALED, WorkerScaling, list_spares, read_ages

START = datetime(2026, 11, 20, 8, tzinfo=UTC)


class Notifier:
    """A parent whose queues and machine a test sets; a look is taken every 5 seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ages = dict.fromkeys(SCALED, 0.0)
        self.is_free = True
        self.fault: Exception | None = None
        self._now = START
        self._scaling = WorkerScaling(list(CHILDREN), self._read)
        monkeypatch.setattr(scaling, "has_free_core", lambda: self.is_free)

    def _read(self, workers: Iterable[str]) -> dict[str, float]:
        if self.fault:
            raise self.fault
        return {worker: self.ages[worker] for worker in workers}

    def run(self, minutes: float) -> list[str]:
        """Return the workers that run beyond the first ones after so many minutes."""
        chosen: frozenset[str] = frozenset()
        for _ in range(round(minutes * 12)):
            with time_machine.travel(self._now, tick=False):
                chosen = self._scaling.choose()
            self._now += timedelta(seconds=5)
        assert chosen >= set(CHILDREN)
        return sorted(chosen - set(CHILDREN))


@pytest.fixture
def notifier(settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Notifier:
    settings_env(WORKERS_MAX="3")
    return Notifier(monkeypatch)


def test_workers_of_a_late_queue_grow_to_the_most_and_back(notifier: Notifier) -> None:
    notifier.ages["worker-sms"] = 1.1
    assert notifier.run(2) == []
    assert notifier.run(0.1) == ["worker-sms-2"]
    assert notifier.run(2) == ["worker-sms-2", "worker-sms-3"]
    assert notifier.run(10) == ["worker-sms-2", "worker-sms-3"]
    notifier.ages["worker-sms"] = 1.0
    assert notifier.run(30) == ["worker-sms-2", "worker-sms-3"]
    assert notifier.run(0.1) == ["worker-sms-2"]
    assert notifier.run(30) == []


def test_without_a_free_core_none_is_added_and_those_that_were_leave(notifier: Notifier) -> None:
    notifier.ages["worker-many"], notifier.is_free = 60, False
    assert notifier.run(60) == []
    notifier.is_free = True
    assert notifier.run(2.1) == ["worker-many-2"]
    notifier.is_free = False
    assert notifier.run(30) == ["worker-many-2"]
    assert notifier.run(0.1) == []


def test_of_several_late_queues_the_latest_gets_a_worker_and_the_others_wait_for_a_new_load(
    notifier: Notifier,
) -> None:
    notifier.ages |= {"worker-many": 5, "worker-email": 9, "worker-telegram": 7}
    assert notifier.run(2.1) == ["worker-email-2"]
    notifier.ages["worker-email"] = 2
    assert notifier.run(1.8) == ["worker-email-2"]
    assert notifier.run(0.3) == ["worker-email-2", "worker-telegram-2"]


@pytest.mark.parametrize("fault", [redis.ConnectionError(), ValueError("no instant")])
def test_ages_that_cannot_be_read_change_nothing(notifier: Notifier, fault: Exception) -> None:
    notifier.fault = fault
    assert notifier.run(1) == []
    notifier.fault = None
    notifier.ages["worker-email"] = 9
    assert notifier.run(2.1) == ["worker-email-2"]
    notifier.fault = fault
    assert notifier.run(1) == ["worker-email-2"]


def test_one_worker_of_each_kind_is_the_default() -> None:
    assert [each for name in CHILDREN for each in list_spares(name)] == []


def test_each_kind_that_grows_has_a_worker_and_those_that_do_not_have_none(
    settings_env: Callable[..., None],
) -> None:
    settings_env(WORKERS_MAX="2")
    assert set(SCALED) < set(CHILDREN)
    assert {each for name in CHILDREN for each in list_spares(name)} == {f"{name}-2" for name in SCALED}


@pytest.mark.usefixtures("redis_server")
def test_the_age_of_work_is_that_of_the_oldest_job_of_all_its_queues() -> None:
    assert read_ages(SCALED) == dict.fromkeys(SCALED, 0)
    names = names_of("email")
    with time_machine.travel(START, tick=False):
        queue(names[-1]).enqueue_call("notifier.jobs.deliver")
    with time_machine.travel(START + timedelta(seconds=3), tick=False):
        queue(names[-1]).enqueue_call("notifier.jobs.deliver")
        queue(names[0]).enqueue_call("notifier.jobs.deliver")
    with time_machine.travel(START + timedelta(seconds=4.5), tick=False):
        assert read_ages(SCALED) == dict.fromkeys(SCALED, 0) | {"worker-email": 4.5}


def test_ages_cannot_be_read_without_redis(settings_env: Callable[..., None], closed_port: int) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    with pytest.raises(redis.ConnectionError):
        read_ages(SCALED)
