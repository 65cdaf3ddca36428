"""Search for the browser that checks desks which need one; it is not started here."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from configs.settings import settings

HOW_TO_GET_ONE = "run make browser, or name one in BROWSER_PATH"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Where Playwright keeps what it downloads: https://playwright.dev/python/docs/browsers#managing-browser-binaries
_CACHES = {"darwin": "Library/Caches", "win32": "AppData/Local"}
_PROGRAMS = (
    "chrome-linux*/chrome",
    "chrome-mac*/*.app/Contents/MacOS/*",
    "chrome-win*/chrome.exe",
    "chrome-*/headless_shell",
    "chrome-*/chrome-headless-shell",
)
_ELSEWHERE = (
    "api",
    "background",
    "notifier",
)  # programs that start no browser and may run on a machine without


def browser_path() -> Path | None:
    """Return the browser to use: the one that BROWSER_PATH names, else one of this machine's, else None.

    Of this machine's, one that is installed goes before one that Playwright downloaded.
    """
    named = settings().browser_path
    if named:
        return named if settings().program in _ELSEWHERE or _runs(named) else None
    return _find_browser(os.environ.get("PATH", ""), _playwrights_folder())


def look_again() -> None:
    """Forget what was found: one was installed meanwhile."""
    _find_browser.cache_clear()


def missing_browser() -> str | None:
    """Return why there is no browser, as the end of a sentence; None where there is one."""
    if browser_path():
        return None
    named = settings().browser_path
    if named:
        return f"BROWSER_PATH names {named}, which is no program that can be run"
    return f"none is installed: {HOW_TO_GET_ONE}"


def arguments() -> list[str]:
    """Return what a browser is started with: without it, it talks to its maker's servers at every start."""
    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-default-apps",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-quic",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ]
    return [*quiet, *([] if sandboxed() else ["--no-sandbox"])]


def sandboxed() -> bool:
    """Whether the browser's own sandbox is on: Chromium refuses to start with it as root."""
    return not (hasattr(os, "geteuid") and os.geteuid() == 0)


@lru_cache(maxsize=8)
def _find_browser(path: str, downloads: Path) -> Path | None:
    installed = (shutil.which(name, path=path) for name in _NAMES)
    return next((Path(each) for each in (*installed, *_downloaded(downloads)) if each), None)


def _downloaded(folder: Path) -> Iterator[Path]:
    """Yield what Playwright downloaded: a whole Chromium before its headless part, the newest first."""
    for kind in ("chromium-*", "chromium_headless_shell-*"):
        for release in sorted(folder.glob(kind), key=_revision, reverse=True):
            yield from (found for each in _PROGRAMS for found in release.glob(each) if _runs(found))


def _playwrights_folder() -> Path:
    named = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    cache = os.environ.get("XDG_CACHE_HOME") if sys.platform.startswith("linux") else None
    return Path(named or Path(cache or Path.home() / _CACHES.get(sys.platform, ".cache")) / "ms-playwright")


def _revision(folder: Path) -> int:
    digits = re.search(r"[0-9]+$", folder.name)
    return int(digits.group()) if digits else 0


def _runs(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)
