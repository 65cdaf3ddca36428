"""Code and tables of different releases: older tables stop a start, newer ones are named, a missing server does not."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from structlog.testing import capture_logs

from api.app import create_app
from api.background.__main__ import main as run_background
from api.middleware.gunicorn_hooks import BEFORE_FORK
from api.migrations.__main__ import config
from api.models.base import session
from api.models.revision import check_tables, expected_revision
from configs.ground.startup import NotReady
from crawler.loops import plan
from notifier.workers import main as run_notifier


@pytest.fixture
def put_revision(database: str) -> Iterator[Callable[[str], None]]:
    def put(revision: str) -> None:
        with session() as s:
            s.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": revision})

    yield put
    put(expected_revision())  # a database keeps its revision for the next test


def test_the_expected_revision_is_alembic_s_newest() -> None:
    assert expected_revision() == ScriptDirectory.from_config(config()).get_current_head()


@pytest.mark.usefixtures("redis_server")
@pytest.mark.parametrize(
    ("program", "start"),
    [
        ("the notifier", lambda: run_notifier([])),
        ("the background program", lambda: run_background([])),
        ("the planner", plan),
    ],
)
def test_a_program_does_not_start_on_older_tables(
    program: str, start: Callable[[], object], put_revision: Callable[[str], None]
) -> None:
    put_revision("0007")
    with pytest.raises(SystemExit) as ended:
        start()
    assert str(ended.value) == (
        f"{program} does not start: the tables are of revision 0007, this code needs {expected_revision()}:"
        " run `python -m api.migrations upgrade`"
    )


@pytest.mark.usefixtures("redis_server")
def test_the_api_asks_before_its_workers_fork(put_revision: Callable[[str], None]) -> None:
    put_revision("0007")
    first = create_app().extensions[BEFORE_FORK][0]
    with pytest.raises(NotReady, match="the tables are of revision 0007"):
        first()


def test_tables_that_are_not_there_are_said_to_be_missing(database: str) -> None:
    with session() as s:
        s.execute(sa.text("DROP TABLE alembic_version"))
    with pytest.raises(NotReady, match="the tables are not there"):
        check_tables()
    assert database


def test_old_code_says_that_the_tables_are_newer_and_starts(put_revision: Callable[[str], None]) -> None:
    put_revision("9999")
    with capture_logs() as lines:
        check_tables()
    (line,) = lines
    assert (line["tables"], line["code"]) == ("9999", expected_revision())


def test_a_server_that_is_away_stops_no_start(settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")
    check_tables()
