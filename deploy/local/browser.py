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

from configs.programs.browser_binary import arguments, browser_path, missing_browser
from configs.programs.startup import exit_on_config_error
from configs.settings import settings

_OS_RELEASE = Path("/etc/os-release")
_PROOF = "lives"
_SECONDS = 60  # in which it starts
_PLAYWRIGHT = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
_APT = "apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium"
_INSTALLERS = {
    # Playwright tries three servers five times each: one that cannot be reached is given up soon.
    "PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000",  # milliseconds
    "DEBIAN_FRONTEND": "noninteractive",
}
_HELP = (
    "no browser could be installed: install Chromium or Chrome by your system's means (Debian, as root: apt-get"
    " install chromium), or name one in BROWSER_PATH. Until then desks with `fetch: browser` are not checked"
)


@exit_on_config_error("make browser")
def main() -> int:
    """Say which browser is used; return the exit code: 1 where none starts and none can be had."""
    if _try_browser():
        return 0
    if settings().browser_path:
        said = missing_browser() or "the browser of BROWSER_PATH does not start"
        print(f"{said}: mend or empty it", file=sys.stderr)
        return 1
    for what, command in _list_installers():
        print(f"no browser yet: trying {what}", flush=True)
        subprocess.run(command, env=os.environ | _INSTALLERS, check=False)
        if _try_browser():
            return 0
    print(_HELP, file=sys.stderr)
    return 1


def _try_browser() -> bool:
    """Start the browser that is there; say which one it is, or why it does not start."""
    path = browser_path()
    if not path:
        return False
    with tempfile.TemporaryDirectory(prefix="rdv-browser-") as profile:
        page = ["--headless", f"--user-data-dir={profile}", "--dump-dom", f"data:text/html,{_PROOF}"]
        tried = _start(path, *arguments(), *page)
    lives = _PROOF in tried.stdout
    what = f"the browser for desks that need one: {path} ({_start(path, '--version').stdout.strip()})"
    print(what if lives else f"{path} does not start: {tried.stderr.strip()[-300:]}", flush=True)
    return lives


def _start(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it with what it prints; what cannot be run or lasts too long has failed."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _list_installers() -> Iterator[tuple[str, list[str]]]:
    yield "Playwright's download", _PLAYWRIGHT
    is_debian = _OS_RELEASE.is_file() and "ID=debian" in _OS_RELEASE.read_text("utf-8").splitlines()
    if is_debian and os.geteuid() == 0:
        yield "Debian's package chromium", ["sh", "-c", _APT]


if __name__ == "__main__":
    sys.exit(main())
