"""`python -m deploy.local.browser` (make browser): finds the browser for desks that need one, or installs one.

In this order: the one that BROWSER_PATH names, one that is installed, Playwright's own download, on Debian as root
its package `chromium`. What is found is started once: a file may be there and its libraries not.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from configs.ground.browser_binary import arguments, browser_path, look_again, missing_browser
from configs.settings import SettingsRefused, settings

_OS_RELEASE = Path("/etc/os-release")
_PROOF = "lives"
_START_SECONDS, _INSTALL_SECONDS = 60, 900
_APT = "apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium"
_INSTALLERS = {
    # Playwright tries three servers five times each: one that cannot be reached is given up soon.
    "PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000",  # milliseconds
    "DEBIAN_FRONTEND": "noninteractive",
}


class NoBrowser(RuntimeError):
    """There is none and none could be had; the text says what to do."""


def find_or_install() -> tuple[Path, str]:
    """Return a browser that starts, and its version, installing one where there is none; installers print what they do.

    Raises:
        NoBrowser: none can be had, or the one named in BROWSER_PATH does not start.
    """
    if works := _try_browser():
        return works
    if settings().browser_path:
        raise NoBrowser(
            f"{missing_browser() or 'the browser of BROWSER_PATH does not start'}: mend or empty it"
        )
    for what, command in _list_installers():
        print(f"no browser yet: trying {what}", flush=True)
        _run(command, _INSTALL_SECONDS, output=None)
        look_again()
        if works := _try_browser():
            return works
    raise NoBrowser(
        "no browser could be installed: install Chromium or Chrome by your system's means (Debian, as root: apt-get"
        " install chromium), or name one in BROWSER_PATH. Until then desks with `fetch: browser` are not checked"
    )


def _try_browser() -> tuple[Path, str] | None:
    """Start the browser that is there; say why it does not start."""
    path = browser_path()
    if not path:
        return None
    with tempfile.TemporaryDirectory(prefix="rdv-browser-") as profile:
        page = ["--headless", f"--user-data-dir={profile}", "--dump-dom", f"data:text/html,{_PROOF}"]
        tried = _run([str(path), *arguments(), *page], _START_SECONDS)
    if _PROOF not in tried.stdout:
        print(f"{path} does not start: {tried.stderr.strip()[-300:]}", flush=True)
        return None
    return path, _run([str(path), "--version"], _START_SECONDS).stdout.strip()


def _list_installers() -> Iterator[tuple[str, list[str]]]:
    playwright = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    yield "Playwright's download", playwright
    is_debian = _OS_RELEASE.is_file() and "ID=debian" in _OS_RELEASE.read_text("utf-8").splitlines()
    if is_debian and os.geteuid() == 0:
        yield "Debian's package chromium", ["sh", "-c", _APT]


def _run(
    command: list[str], seconds: float, output: int | None = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Run a command; what cannot be run or lasts too long has failed."""
    try:
        return subprocess.run(
            command, env=os.environ | _INSTALLERS, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True,
            errors="replace", timeout=seconds, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def main() -> int:
    """Say which browser is used; return the exit code."""
    try:
        path, version = find_or_install()
    except (NoBrowser, SettingsRefused) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"the browser for desks that need one: {path} ({version})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
