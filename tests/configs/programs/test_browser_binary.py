"""The browser that is used: the named one, an installed one, a downloaded one, none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.programs.browser_binary import arguments, browser_path, missing_browser

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]) -> Program:
    """Make programs on a machine that has no other; returns their maker."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    settings_env(BROWSER_PATH="")

    def make(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
        return path

    return make


def test_without_any_it_says_how_to_get_one(program: Program) -> None:
    assert browser_path() is None
    assert missing_browser() == "none is installed: run make browser, or name one in BROWSER_PATH"


def test_an_installed_one_goes_before_a_download_and_a_named_one_before_both(
    program: Program, settings_env: Callable[..., None]
) -> None:
    program("downloads/chromium-999/chrome-linux64/chrome")
    newest = program("downloads/chromium-1255/chrome-linux64/chrome")
    assert browser_path() == newest
    chrome = program("bin/google-chrome")
    assert browser_path() == chrome
    chromium = program("bin/chromium")
    assert browser_path() == chromium
    named = program("elsewhere/browser")
    settings_env(BROWSER_PATH=named)
    assert (browser_path(), missing_browser()) == (named, None)


def test_a_download_that_is_not_whole_is_none(program: Program) -> None:
    program("downloads/chromium-1255/chrome-linux64/chrome").chmod(0o644)
    assert browser_path() is None


def test_one_that_is_named_and_cannot_be_run_is_not_replaced_by_another(
    program: Program, settings_env: Callable[..., None], tmp_path: Path
) -> None:
    program("bin/chromium")
    settings_env(BROWSER_PATH=tmp_path / "gone")
    assert browser_path() is None
    assert missing_browser() == f"BROWSER_PATH names {tmp_path}/gone, which is no program that can be run"


def test_who_starts_none_believes_what_is_named(
    program: Program, settings_env: Callable[..., None], tmp_path: Path
) -> None:
    settings_env(BROWSER_PATH=tmp_path / "on-another-machine", PROGRAM="api")
    assert missing_browser() is None
    settings_env(PROGRAM="crawler")
    assert missing_browser() is not None


def test_only_root_goes_without_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "--no-sandbox" in arguments()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "--no-sandbox" not in arguments()
