"""A walk of the stand-in of a prefecture's own site, in the test's process or in processes of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.local.environment import write_desk_files

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

ROOT = Path(__file__).parents[3]
SITE = "own_site"
SHORT = {
    "DISCOVERY_DELAY_SECONDS": "0.02",
    "DISCOVERY_SECONDS": "120",
    "HTTP_DEADLINE_SECONDS": "5",
}


@pytest.fixture
def place(sandbox: "Running", tmp_path: Path, settings_env: Callable[..., None]) -> str:
    """Give the desk files of the one prefecture that has a stand-in for its own site; return its address."""
    port = sandbox.site("91").rpartition(":")[2]
    source = tmp_path / "source"
    source.mkdir()
    kept = ROOT / "deploy" / "sandbox" / "prefectures" / "melun_77.yaml"
    (source / kept.name).write_text(kept.read_text("utf-8"), "utf-8")
    write_desk_files(source, tmp_path / "prefectures", lambda text: text.replace(":8800", f":{port}"))
    settings_env(PREFECTURES_DIR=tmp_path / "prefectures", STATE_DIR=tmp_path / "state", **SHORT)
    return sandbox.site(SITE)


class Walks:
    """Processes that walk; each writes to a log of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one."""
        log = self._folder / f"walk{len(self.started)}.log"
        command = [sys.executable, "-m", "scrapy", "crawl", "discovery", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        with log.open("wb") as sink:
            self.started.append(
                subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink, env=environment)
            )
        return self.started[-1]

    def log(self, number: int = 0) -> str:
        """Return what one wrote."""
        return (self._folder / f"walk{number}.log").read_text("utf-8", "replace")


@pytest.fixture
def walks(place: str, database: str, redis_server: Any, tmp_path: Path) -> Iterator[Walks]:
    """Give processes that walk, on a database and a Redis of the test's own; none outlives it."""
    made = Walks(tmp_path)
    yield made
    for process in made.started:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
