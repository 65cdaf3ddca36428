import os
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import CacheStats
from structlog.testing import capture_logs

from api.models.base import engine
from api.models.notification import Notification
from notifier.workers import worker
from notifier.workers.worker import main, warm_up, warm_up_before_fork
from tests.notifier.world import all_of

_LOCKS_HERE = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


def note_built_statements() -> list[str]:
    """Return a list that grows by each statement that SQLAlchemy has to build from now on."""
    built: list[str] = []

    def note(_c: object, _k: object, said: str, _p: object, context: Any, _m: object) -> None:
        if context.cache_hit is CacheStats.CACHE_MISS:
            built.append(said)

    sa.event.listen(engine(), "before_cursor_execute", note)
    return built


def test_workers_are_forked_with_their_statements_built_and_without_a_connection(
    database: str, redis_server: object, sandbox: object
) -> None:
    warm_up_before_fork()
    assert engine().pool.checkedin() == 0  # type: ignore[attr-defined]
    built = note_built_statements()
    warm_up()
    assert built == []


def test_warming_up_connects_and_writes_nothing(database: str, sandbox: object) -> None:
    engine().dispose()  # connections of the test before
    warm_up()
    assert engine().pool.checkedin() == 1  # type: ignore[attr-defined]
    assert all_of(Notification) == []
    with engine().connect() as connection:
        assert connection.scalar(sa.text(_LOCKS_HERE)) == 0


def test_a_worker_warms_up_without_a_database_too(
    sandbox: object, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        warm_up()
    assert [each["event"] for each in logs] == ["database away: the first job connects"]


@pytest.mark.parametrize("given", [[], ["urgent"], ["critical", "urgent"]])
def test_queues_that_do_not_exist_are_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(given)
    assert caught.value.code == 2
    assert "WORK" in capsys.readouterr().err


@pytest.mark.parametrize(("work", "lowered"), [(("critical",), 0), (("email", "many"), 5), (("sms",), 0)])
def test_a_worker_of_crowds_lets_single_alerts_go_first(
    work: tuple[str, ...], lowered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [0]
    monkeypatch.setattr(os, "nice", given.append)
    monkeypatch.setattr(worker, "run_worker", lambda *_: 0)
    worker.run(work, "worker-of-tests")
    assert sum(given) == lowered
