"""The whole screen: within 80 columns, without colours in a pipe, and every part for itself."""

import json
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from api.health.parallel_probe import ProbeDown, ask
from api.health.status_report import find_trouble
from api.models.base import session
from api.models.desk import DeskStatus, HostState
from deploy.status.__main__ import main
from deploy.status.screen import ask_all, show
from deploy.status.target_environment import NothingRuns, attach
from tests.deploy.status.conftest import FIRST, SECOND

World = Callable[..., None]
PARTS = {
    "health", "alarms", "desks", "hosts", "outages", "due", "lateness", "jobs", "runs", "messages", "providers", "payments",
    "proofs", "discovery", "nodes", "spiders", "workers",
}  # fmt: skip


def shown(*, terminal: bool = False) -> str:
    out = StringIO()
    show(Console(file=out, width=80, force_terminal=terminal, highlight=False), ask_all(None))
    return out.getvalue()


def test_all_parts_fit_into_80_columns_without_colours_where_nobody_looks(world: World) -> None:
    world(
        FIRST, status=DeskStatus.ERROR, status_reason="the page could not be read: " + "unknown [layout] " * 9
    )
    with session() as s:
        s.add(HostState(host=f"www.{'long-' * 20}name.gouv.fr:443", budget_share=0.25))
    text = shown()
    assert {line.split()[0] for line in text.splitlines() if line[:1].islower()} == PARTS
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "[layout]" in text
    assert "\x1b[1;31m" in shown(terminal=True)


def test_a_server_that_is_down_hides_no_other_part(world: World, settings_env: Callable[..., None]) -> None:
    world(FIRST)
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/nowhere")
    found = ask_all(None)
    assert {name for name, part in found.items() if isinstance(part, ProbeDown)} == {
        "alarms", "desks", "hosts", "lateness", "outages", "runs", "messages", "providers", "payments", "discovery",
    }  # fmt: skip
    assert "Connection refused" in found["desks"].down
    assert "database" in find_trouble(found)
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    found = ask_all(None)
    assert {name for name, part in found.items() if isinstance(part, ProbeDown)} == PARTS - {"health"}


def test_a_part_that_hangs_or_is_faulty_says_so() -> None:
    import threading

    never = threading.Event()

    def faulty() -> None:
        raise ZeroDivisionError("a fault of ours\nwith a second line")

    found = ask({"well": lambda: 1, "hung": never.wait, "faulty": faulty}, patience=0.2)
    never.set()
    assert found == {
        "well": 1,
        "hung": ProbeDown("no answer within 0.2 s"),
        "faulty": ProbeDown("a fault of ours"),
    }


def test_json_says_the_same_and_the_exit_code_that_something_is_down(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world(FIRST)
    world(SECOND, status=DeskStatus.CAPTCHA, status_reason="a captcha")
    assert main(["--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told.keys() >= PARTS | {"at", "works", "down", "environment"}
    assert set(told["down"]) == {"scrapyd", "workers", "planner", "checks"}
    assert told["desks"]["troubles"] == [{"status": "CAPTCHA", "reason": "a captcha", "desks": [SECOND]}]
    assert told["desks"]["newest_check_at"] == "2026-11-20T08:59:40Z"


def test_where_nothing_runs_that_is_said(
    tmp_path: Path,
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings_env(STATE_DIR=tmp_path)
    assert main([]) == 1
    assert f"nothing runs: no stack holds {tmp_path}" in capsys.readouterr().out
    assert main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["works"] is False
    with pytest.raises(NothingRuns, match="make run"):
        attach()


def test_the_stack_that_runs_is_joined_unless_another_database_is_named(
    tmp_path: Path, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.local.private_files import keep
    from deploy.local.state_dir import ENVIRONMENT, alone

    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ) | {"STATE_DIR": str(tmp_path)})
    with alone(tmp_path):
        keep(tmp_path / ENVIRONMENT, {"DATABASE_URL": "postgresql://here", "REDIS_URL": "redis://here"})
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
    assert main([]) == 1
    assert "settings refused:" in capsys.readouterr().out


def test_a_redis_that_nobody_named_is_what_its_parts_say(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.conftest import forget

    monkeypatch.delenv("REDIS_URL")
    forget()
    found = ask_all(None)
    assert (
        found["due"]
        == found["spiders"]
        == ProbeDown("REDIS_URL is not set: set it in the environment (see .env.example)")
    )
    assert not isinstance(found["desks"], ProbeDown)
