from collections.abc import Callable

from structlog.testing import capture_logs

from notifier.workers import get_ready


def test_a_worker_gets_ready_without_a_database_too(
    sandbox: object, redis_server: object, settings_env: Callable[..., None], closed_port: int
) -> None:
    settings_env(DATABASE_URL=f"postgresql://nobody@127.0.0.1:{closed_port}/none")
    with capture_logs() as logs:
        get_ready()
    assert [each["event"] for each in logs] == ["database away: the first job connects"]
