"""Search for the browser that checks desks which need one; it is not started here."""

import os
import shutil
import sys
from pathlib import Path

from configs.settings import settings

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DOWNLOADED = ("chrome-linux*/chrome", "chrome-mac*/*.app/Contents/MacOS/*")
# Programs that start no browser and may run on a machine without
_ELSEWHERE = ("api", "background", "notifier")


def browser_path() -> Path | None:
    """Return the browser to use: the one that BROWSER_PATH names, else one of this machine's, else None.

    Of this machine's, one that is installed goes before one that Playwright downloaded.
    """
    named = settings().browser_path
    if named:
        return named if settings().program in _ELSEWHERE or _runs(named) else None
    installed = (shutil.which(name) for name in _NAMES)
    return next((Path(each) for each in (*installed, *_list_downloads(_downloads_folder())) if each), None)


def missing_browser() -> str | None:
    """Return why there is no browser, as the end of a sentence; None where there is one."""
    if browser_path():
        return None
    named = settings().browser_path
    if named:
        return f"BROWSER_PATH names {named}, which is no program that can be run"
    return "none is installed: run make browser, or name one in BROWSER_PATH"


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
    return os.geteuid() != 0


def _downloads_folder() -> Path:
    """Return where Playwright keeps them: https://playwright.dev/python/docs/browsers#managing-browser-binaries."""
    cache = "Library/Caches" if sys.platform == "darwin" else os.environ.get("XDG_CACHE_HOME") or ".cache"
    return Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / cache / "ms-playwright")


def _list_downloads(folder: Path) -> list[Path]:
    """Return the browsers that Playwright downloaded, the newest first."""
    releases = sorted(folder.glob("chromium-*[0-9]"), key=lambda each: int(each.name.rpartition("-")[2]))
    return [
        found for each in releases[::-1] for name in _DOWNLOADED for found in each.glob(name) if _runs(found)
    ]


def _runs(program: Path) -> bool:
    return program.is_file() and os.access(program, os.X_OK)
