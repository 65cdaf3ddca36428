"""An unexpected exit is reported once in a minute, with the log to read."""

from pathlib import Path

import pytest

from deploy.local.program_exits import Exits

KILLED = "2026-11-20 09:24:36,664 WARN exited: worker (terminated by SIGKILL; not expected)\n"
OLD = "2026-11-20 09:24:36,664 INFO exited: sweep (exit status 0; expected)\n"
FAILED = "2026-11-20 09:24:37,001 WARN exited: worker-critical (exit status 1; not expected)\n"
FORKED = (
    "2026-11-20T13:06:03.086886Z [warning  ] child died and is started again [configs.prefork] "
    "child=worker-sms how='terminated by SIGKILL' pid=31989 program=workers seconds=0.5\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "supervisor.out"
    path.write_text(KILLED)
    return path


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def test_what_a_run_before_wrote_is_no_news(log: Path) -> None:
    assert Exits(log).new() == []


def test_each_program_that_ended_unexpectedly_is_told_with_its_log(log: Path) -> None:
    exits = Exits(log)
    write(log, KILLED + OLD + FAILED)
    assert exits.new() == [
        f"worker ended (terminated by SIGKILL) and is started again; why: {log.with_name('worker.log')}",
        f"worker-critical ended (exit status 1) and is started again; why: {log.with_name('worker-critical.log')}",
    ]
    assert exits.new() == []


def test_a_child_that_its_parent_had_to_start_again_is_told_with_the_parents_log(log: Path) -> None:
    exits = Exits(log)
    write(log, FORKED)
    assert exits.new() == [f"worker-sms ended (terminated by SIGKILL) and is started again; why: {log}"]


def test_a_log_that_was_put_away_is_read_from_its_beginning(log: Path) -> None:
    log.write_text(KILLED * 3)
    exits = Exits(log)
    log.write_text(FORKED)
    assert len(exits.new()) == 1


def test_a_program_that_ends_again_and_again_is_told_of_once_in_a_minute(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instants = iter((1000.0, 1002.0, 1059.0, 1061.0))
    monkeypatch.setattr("deploy.local.program_exits.time.monotonic", lambda: next(instants))
    exits, told = Exits(log), []
    for _ in range(4):
        write(log, FAILED)
        told.append(len(exits.new()))
    assert told == [1, 0, 0, 1]


def test_half_a_line_waits_for_its_end(log: Path) -> None:
    exits = Exits(log)
    write(log, FAILED[:60])
    assert exits.new() == []
    write(log, FAILED[60:])
    assert len(exits.new()) == 1


def test_no_log_is_no_exit(tmp_path: Path) -> None:
    assert Exits(tmp_path / "none").new() == []
