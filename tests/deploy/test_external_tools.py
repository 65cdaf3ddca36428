"""Separate environments for external tools: made once, made again when another version is pinned."""

import sys
from pathlib import Path

import pytest

from deploy import external_tools

Commands = list[tuple[str, ...]]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Commands:
    """Carry out nothing, and return what would have been; `tool` is pinned."""
    ran: Commands = []

    def run(*command: str) -> None:
        ran.append(command)
        (tmp_path / "made" / "tool").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(external_tools, "_run", run)
    monkeypatch.setattr(external_tools, "_LOCKS", tmp_path)
    (tmp_path / "tool.txt").write_text("tool==1")
    return ran


def test_it_is_installed_once_with_its_hashes(commands: Commands, tmp_path: Path) -> None:
    python = tmp_path / "made" / "tool" / "bin" / "python"
    assert [external_tools.installed("tool", tmp_path / "made") for _ in range(2)] == [python, python]
    assert [command[2] for command in commands] == ["venv", "pip"]
    assert {"--require-hashes", str(tmp_path / "tool.txt")} <= set(commands[1])


def test_what_is_pinned_anew_is_installed_anew(commands: Commands, tmp_path: Path) -> None:
    external_tools.installed("tool", tmp_path / "made")
    (tmp_path / "tool.txt").write_text("tool==2")
    external_tools.installed("tool", tmp_path / "made")
    assert len(commands) == 4


def test_an_index_that_does_not_give_it_is_said_in_its_own_words() -> None:
    with pytest.raises(external_tools.NotToBeHad, match="no such luck"):
        external_tools._run(sys.executable, "-c", "raise SystemExit('no such luck')")
