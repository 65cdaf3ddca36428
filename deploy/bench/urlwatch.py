"""urlwatch on the same pages, in an environment of its own (deploy/external_tools.py)."""

import os
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Urlwatch:
    """An installed urlwatch."""

    python: Path

    def unchanged(self, folder: Path, addresses: Sequence[str]) -> float:
        """Return the CPU milliseconds of a page that did not change since the last run, its start left out."""
        jobs = self._jobs(folder / "urlwatch", addresses)
        nothing = self._jobs(folder / "urlwatch-nothing", addresses[:1])
        for each in (jobs, nothing):
            self._run(each)  # now it knows the pages
        start = min(self._run(nothing) for _ in range(2))
        return 1000 * (self._run(jobs) - start) / (len(addresses) - 1)

    def _jobs(self, folder: Path, addresses: Sequence[str]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "urls.yaml").write_text("---\n".join(f"url: {each}\n" for each in addresses), "utf-8")
        return folder

    def _run(self, folder: Path) -> float:
        """Let it look once at all its pages; return its CPU seconds."""
        files = [f"--{name}={folder / file}" for name, file in _FILES.items()]
        before = _children()
        subprocess.run(
            [str(self.python.with_name("urlwatch")), *files],
            check=True,
            capture_output=True,
            env=_apart(folder),
        )
        return _children() - before


_FILES = {"urls": "urls.yaml", "config": "config.yaml", "hooks": "hooks.py", "cache": "cache.db"}


def _apart(folder: Path) -> dict[str, str]:
    return os.environ | {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
