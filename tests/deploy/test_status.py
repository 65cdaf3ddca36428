"""`make status`: every part for itself within 80 columns, and why there is nothing to see."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from rich.console import Console
from sqlalchemy.engine import make_url

from api.admin.health.findings import PartAway, read_each
from api.admin.health.status_report import HEALTH, READS, find_trouble
from api.migrations.logins import make_logins, parse_logins
from api.models.base import session
from api.models.desk import DeskStatus
from api.models.user import User
from configs.settings import SettingMissing
from deploy.local.processes import stop_with_descendants, wait_until
from deploy.local.programs import read_programs, write_supervisor
from deploy.local.state_dir import ENVIRONMENT, LOGS, alone, write_variables
from deploy.status import ask_all, attach, main, show
from tests.api.admin.health.parts_in_trouble import HOST, make_parts
from tests.api.world import PREFECTURES
from tests.factories import BOBIGNY, add_desk
from tests.in_turn import in_turn

POSTGRES = {
    "alarms", "desks", "hosts", "lateness", "outages", "runs", "messages", "providers", "payments", "discovery",
}  # fmt: skip


def shown(parts: dict[str, Any], *, width: int = 80, terminal: bool = False) -> str:
    out = StringIO()
    show(Console(file=out, width=width, force_terminal=terminal, highlight=False), parts)
    return out.getvalue()


@in_turn(
    "part, texts",
    [
        ("health", ["planner · down · silent", "well: redis"]),
        ("alarms", [f"7 · {HOST} · blocked · told 10 min ago · repeated 10 min ago"]),
        ("desks", ["watched 3 · unwatched 2 · newest check never", "by status · ACTIVE 1 · ERROR 1 · UNPLANNED 1", f"troubles · ERROR · unreachable · {BOBIGNY} and 1 more", f"worst 2.5 · {BOBIGNY}"]),
        ("hosts", [f"stopped · {HOST} · since 10 min · essai", "resting · rest:443 · 5 min left · blocked", "slow:443 · share 50%"]),
        ("outages", ["9 · stopped 9", "and 5 more"]),
        ("due", ["ants · desks 101 · overdue 3 · latest 4.5 s · held back 2 · pushed 1"]),
        ("lateness", ["ratio 1.2 · p50 0.1 s · p95 3.5 s"]),
        ("jobs", ["slots · jobs 3 · oldest 9.5 s · failed 1", "well: sms"]),
        ("runs", ["sum_days · ended 10 min ago · failed · KeyError · runs", "done · failed 2 · due 10 min", "well: keep_partitions"]),
        ("messages", ["on the way 2 · oldest 99 s", "by state · sent 4", "dead · 3", "dead · sms · 21211 · number 3"]),
        ("providers", ["sms · failed 2 · again 1", "twilio 30 s", "email · nothing in 15 min"]),
        ("payments", ["events 1 · oldest 30 s", "differences 1", "left alone 60 s"]),
        ("proofs", ["waiting 3 · oldest 10 min · given up 1 · away since 10 min · refused"]),
        ("discovery", ["ended 10 min ago · cut · pages 90 · found 2", f"drifts · {BOBIGNY} · silent · 404"]),
        ("spiders", ["ants · 01234567 · ending · started 10 min · memory mb 90 · running 1 · checks 400"]),
        ("workers", ["worker-1 · slots · idle · since 10 min · jobs 5 · failed 1"]),
    ],
)  # fmt: skip
def test_each_part_in_trouble_is_said(part: str, texts: list[str]) -> None:
    said = shown({"health": [], part: make_parts()[part]}, width=300)
    for text in texts:
        assert text in said


def test_all_parts_fit_into_80_columns_without_colours_where_nobody_looks() -> None:
    text = shown(make_parts())
    assert {line.split()[0] for line in text.splitlines() if line[:1].islower()} == {HEALTH, *READS}
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\x1b[1;31m" in shown(make_parts(), terminal=True)


def test_a_server_that_is_down_hides_no_other_part(
    database: str, redis_server: Any, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/nowhere")
    found = ask_all(None)
    assert {name for name, part in found.items() if isinstance(part, PartAway)} == POSTGRES
    assert "Connection refused" in found["desks"].down
    assert "database" in find_trouble(found)
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    found = ask_all(None)
    assert {name for name, part in found.items() if isinstance(part, PartAway)} == set(READS)


def test_a_part_that_hangs_or_is_faulty_says_so() -> None:
    never = threading.Event()

    def faulty() -> None:
        raise ZeroDivisionError("a fault of ours\nwith a second line")

    found = read_each({"well": lambda: 1, "hung": never.wait, "faulty": faulty}, patience=0.2)
    never.set()
    assert found == {
        "well": 1,
        "hung": PartAway("no answer within 0.2 s"),
        "faulty": PartAway("a fault of ours"),
    }


def test_programs_of_a_local_stack_are_shown_as_its_supervisor_knows_them(tmp_path: Path) -> None:
    conf = write_supervisor(tmp_path / LOGS, {"sandbox": ["sleep", "60"]}, tmp_path, {})
    command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(conf)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as supervisor:
        try:
            wait_until(lambda: "RUNNING" in _read_states(tmp_path), what="sleep", process=supervisor)
            screen = shown({"programs": read_programs(tmp_path), HEALTH: []})
        finally:
            stop_with_descendants(supervisor)
    assert re.search(r"programs +sandbox · RUNNING · since .* · memory mb \d+", screen)


def _read_states(state: Path) -> list[str]:
    with suppress(OSError, KeyError):  # it does not listen yet
        return [each["state"] for each in read_programs(state)]
    return []


@pytest.mark.usefixtures("database", "redis_server", "frozen")
def test_the_screen_and_the_exit_code_say_that_something_is_down(
    settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    add_desk(status=DeskStatus.CAPTCHA, status_reason="a captcha")
    assert main() == 1
    told = " ".join(capsys.readouterr().out.split())
    assert all(name in told for name in (HEALTH, *READS))
    (down,) = re.findall("DOWN: ((?:[a-z]+, )+[a-z]+)", told)
    assert set(down.split(", ")) == {"scrapyd", "workers", "planner"}
    assert f"troubles · CAPTCHA · a captcha · {BOBIGNY}" in told


def test_where_nothing_runs_that_is_said(
    tmp_path: Path,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings_env(STATE_DIR=tmp_path)
    assert main() == 1
    assert f"nothing runs: no stack holds {tmp_path}" in capsys.readouterr().out
    with pytest.raises(SettingMissing, match="make run"):
        attach()


def test_the_stack_that_runs_is_joined_unless_another_database_is_named(
    tmp_path: Path, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ) | {"STATE_DIR": str(tmp_path)})
    with alone(tmp_path):
        write_variables(
            tmp_path / ENVIRONMENT, {"DATABASE_URL": "postgresql://here", "REDIS_URL": "redis://here"}
        )
        assert attach() == tmp_path
        assert os.environ["REDIS_URL"] == "redis://here"
        os.environ["DATABASE_URL"] = "postgresql://elsewhere"
        assert attach() is None
        assert os.environ["DATABASE_URL"] == "postgresql://elsewhere"


def test_wrong_settings_are_named_and_no_traceback(
    tmp_path: Path,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings_env(STATE_DIR=tmp_path, APP_ENV="production")
    assert main() == 1
    assert "settings refused:" in capsys.readouterr().out


# The status is asked with the rights of a reader, which sees no address and writes nothing


def test_every_part_answers_a_reader(
    database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> None:
    add_desk()
    url: Any = make_url(database).set(username="reader_of_tests", password="reader-of-tests")
    address = url.render_as_string(hide_password=False)
    make_logins(database, parse_logins({"reader": address}), 60)
    settings_env(PROGRAM="reader", DATABASE_URL_READER=address)
    found = ask_all(None)
    assert {name: part.down for name, part in found.items() if isinstance(part, PartAway)} == {}
    assert [each for each in found["health"] if "ProgrammingError" in each["reason"]] == []
    assert [each["reason"] for each in found["health"] if each["name"] == "database"] == ["answers"]
    with session() as s, pytest.raises(sa.exc.ProgrammingError, match="permission denied for table users"):
        s.scalars(sa.select(User)).all()
