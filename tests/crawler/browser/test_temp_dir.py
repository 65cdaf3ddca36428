"""Temporary folders: none is left after any end of a browser or spider, and those of others stay."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from configs.world.outcome import Outcome
from crawler.browser import process_tree
from crawler.browser.temp_dir import PREFIX, TempDir, tidy
from tests.crawler.browser.browser_page import NONE, browsers, desk_at, page, site, spider_at
from tests.crawler.held import Held
from tests.waiting import outlive, until

_HOLDER = """
import subprocess, sys
from crawler.browser import process_tree
from crawler.browser.temp_dir import TempDir
folder = TempDir()
with folder.lent():
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
(folder.path / "profile").mkdir()
(folder.path / "profile" / "lock").write_text("x")
print(folder.path, child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder(temporary: Path) -> Iterator[tuple["subprocess.Popen[str]", Path, psutil.Process]]:
    """Give a process that uses a folder, that folder, and what it started to use it too."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        path, pid = process.stdout.readline().split()
        user = psutil.Process(int(pid))
        # While the kernel still loads a program, from a cold disk for 20 ms, its environment cannot be read.
        until(lambda: user.pid in process_tree.find_by_environment(f"TMPDIR={path}"))
        yield process, Path(path), user
        process.kill()
    if user.is_running():
        user.kill()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not(
    temporary: Path, holder: tuple["subprocess.Popen[str]", Path, psutil.Process]
) -> None:
    process, path, user = holder
    (other := temporary / "somebody-elses").mkdir()
    (linked := temporary / f"{PREFIX}link").symlink_to(other)
    mine = TempDir()
    tidy()
    assert all(each.exists() for each in (path, mine.path, other))
    assert user.is_running()
    process.kill()
    process.wait()
    tidy()
    assert sorted(temporary.iterdir()) == sorted([mine.path, other, linked])
    assert outlive([user]) == []
    mine.leave()
    mine.leave()
    assert sorted(temporary.iterdir()) == sorted([other, linked])


def test_a_folder_is_lent_for_a_while(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    folder = TempDir()
    with folder.lent():
        inner = subprocess.run(
            [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert inner.stdout.strip() == str(folder.path)
    assert "TMPDIR" not in os.environ
    assert folder.path.parent == temporary
    folder.leave()


def folder_of(browser: psutil.Process) -> Path:
    return Path(browser.environ()["TMPDIR"])


@pytest.mark.journey
@pytest.mark.xdist_group("browser")
@pytest.mark.usefixtures("browser")
@pytest.mark.parametrize("how", [None, signal.SIGKILL])
def test_a_browser_leaves_no_file_when_it_ends_or_is_killed(
    held: Held, browser: Path, settings_env: Callable[..., None], how: signal.Signals | None
) -> None:
    settings_env(BROWSER_PATH=browser, BROWSER_CHECKS="1", BROWSER_IDLE_SECONDS="0.2")
    with site({"/": page(NONE)}) as served:
        held.check(desk_at(served.address))  # it ends the browser of earlier checks
    until(lambda: not browsers())
    seen: list[Path] = []

    def look(connection: Any, request: bytes) -> None:
        for each in browsers():
            seen.append(folder_of(each))
            assert list(seen[-1].glob("playwright_chromiumdev_profile-*"))
            if how:
                each.send_signal(how)
        page(NONE)(connection, request)

    with site({"/": look}) as served:
        outcome = held.check(desk_at(served.address)).outcome
    assert outcome is (Outcome.UNREACHABLE if how else Outcome.NO_SLOTS)
    until(lambda: not any(each.exists() for each in seen))
    assert len(seen) == 1


@pytest.mark.journey
@pytest.mark.xdist_group("browser")
def test_what_a_killed_spider_left_is_removed_by_the_next_start(browser: Path, tmp_path: Path) -> None:
    seen: list[Path] = []

    def strike(*_: object) -> None:
        seen.extend(folder_of(each) for each in browsers(spider.pid))
        spider.kill()

    with site({"/": strike}) as served:
        spider = spider_at(served.address, browser, tmp_path)
        spider.communicate(timeout=120)
    assert spider.returncode == -signal.SIGKILL
    (left,) = seen
    assert left.name.startswith(PREFIX)
    tidy()
    until(lambda: not left.exists())  # another process that tidies at this moment may hold it
    assert process_tree.find_by_environment(f"TMPDIR={left}") == []
