"""`python -m deploy.local.browser` (make browser): finds the browser for desks that need one, or installs one.

In this order: the one that BROWSER_PATH names, one that is installed, Playwright's own download, on Debian as root
its package `chromium`. What is found is started once: a file may be there and its libraries not.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from configs.browser_binary import arguments, browser_path, look_again, missing_browser
from configs.settings import SettingsRefused, settings

_OS_RELEASE = Path("/etc/os-release")
_PROOF = "lives"
_START_SECONDS = 60
_DOWNLOAD_SECONDS = 600
_APT_SECONDS = 900
# Playwright tries three servers five times each: one that cannot be reached is given up soon.
_PATIENCE = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000"}  # milliseconds
Command = tuple[list[str], dict[str, str], float]


class NoBrowser(RuntimeError):
    """There is none and none could be had; the text says what to do."""


def fitting(say: Callable[[str], None]) -> tuple[Path, str]:
    """Return a browser that starts, and its version, installing one where there is none.

    Raises:
        NoBrowser: none can be had, or the one named in BROWSER_PATH does not start.
    """
    if works := _working(say):
        return works
    if settings().browser_path:
        raise NoBrowser(
            f"{missing_browser() or 'the browser of BROWSER_PATH does not start'}: mend or empty it"
        )
    for what, commands in _ways():
        say(f"no browser yet: trying {what}")
        for command in commands:
            if trouble := _trouble(command):
                say(f"that failed: {trouble}")
                break
        look_again()
        if works := _working(say):
            return works
    raise NoBrowser(
        "no browser could be installed: install Chromium or Chrome by your system's means (Debian, as root: apt-get"
        " install chromium), or name one in BROWSER_PATH. Until then desks with `fetch: browser` are not checked"
    )


def _working(say: Callable[[str], None]) -> tuple[Path, str] | None:
    path = browser_path()
    if not path:
        return None
    with tempfile.TemporaryDirectory(prefix="rdv-browser-") as profile:
        page = ["--headless", f"--user-data-dir={profile}", "--dump-dom", f"data:text/html,{_PROOF}"]
        tried = _run([str(path), *arguments(), *page], {}, _START_SECONDS)
    if _PROOF not in tried.stdout:
        say(f"{path} does not start: {_error_line(tried)}")
        return None
    return path, _run([str(path), "--version"], {}, _START_SECONDS).stdout.strip()


def _ways() -> Iterator[tuple[str, list[Command]]]:
    playwright = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    yield "Playwright's download", [(playwright, _PATIENCE, _DOWNLOAD_SECONDS)]
    if _is_debian() and os.geteuid() == 0:
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends", "chromium"]
        yield (
            "Debian's package chromium",
            [(["apt-get", "update", "-qq"], quiet, _APT_SECONDS), (install, quiet, _APT_SECONDS)],
        )


def _is_debian() -> bool:
    return _OS_RELEASE.is_file() and "ID=debian" in _OS_RELEASE.read_text("utf-8").splitlines()


def _trouble(command: Command) -> str | None:
    done = _run(*command)
    return _error_line(done) if done.returncode else None


def _run(command: list[str], more: dict[str, str], seconds: float) -> "subprocess.CompletedProcess[str]":
    """Run a command without a word of its own; what cannot be run or lasts too long has failed."""
    try:
        return subprocess.run(
            command,
            env={**os.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _error_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return its last line that speaks of an error (Playwright's is followed by a trace), else its last line."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("Error", "E:"))]
    return (errors or lines)[-1][:300] if lines else f"exit code {done.returncode}, without a word"


def main() -> int:
    """Say which browser is used; return the exit code."""
    try:
        path, version = fitting(lambda line: print(line, flush=True))
    except (NoBrowser, SettingsRefused) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"the browser for desks that need one: {path} ({version})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
