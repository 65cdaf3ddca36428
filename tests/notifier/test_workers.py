import os
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from notifier import workers
from notifier.workers import get_ready, main


def test_a_worker_gets_ready_without_a_database_too(
    sandbox: object, redis_server: object, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        get_ready()
    assert [each["event"] for each in logs] == ["database away: the first job connects"]


@pytest.mark.parametrize("given", [["urgent"], ["critical", "urgent"]])
def test_queues_that_do_not_exist_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(given)
    assert caught.value.code == 2
    assert "QUEUE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("queues", "lowered"), [(("critical",), 0), (("email-rest", "many"), 5), (("sms-rest",), 0)]
)
def test_a_worker_of_crowds_lets_single_alerts_go_first(
    queues: tuple[str, ...], lowered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [0]
    monkeypatch.setattr(os, "nice", given.append)
    monkeypatch.setattr(workers, "run_worker", lambda *_: 0)
    workers.run(queues, "worker-of-tests")
    assert sum(given) == lowered
