"""make browser: says which one is used, installs one where there is none, says what to do where it cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.browser_binary import look_again
from deploy.local import browser
from deploy.local.browser import NoBrowser, fitting

_LIVES = '#!/bin/sh\ncase "$*" in *--version*) echo "Chromium 9";; *) echo "<p>lives</p>";; esac\n'
_DEAD = "#!/bin/sh\necho 'libnss3.so: cannot open shared object file' >&2\nexit 127\n"


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> Callable[[str, str], Path]:
    """Give a Debian without a browser, whose root we are; returns what puts scripts on its PATH."""
    release = tmp_path / "os-release"
    release.write_text('PRETTY_NAME="Debian"\nID=debian\n')
    monkeypatch.setattr(browser, "_OS_RELEASE", release)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")
    settings_env(BROWSER_PATH="")
    (tmp_path / "bin").mkdir()
    look_again()

    def put(name: str, script: str) -> Path:
        path = tmp_path / "bin" / name
        path.write_text(script)
        path.chmod(0o755)
        look_again()
        return path

    return put


def test_one_that_is_there_is_named_and_nothing_is_installed(machine: Callable[[str, str], Path]) -> None:
    said: list[str] = []
    path = machine("chromium", _LIVES)
    assert fitting(said.append) == (path, "Chromium 9")
    assert said == []


def test_what_is_there_and_does_not_start_is_told(
    machine: Callable[[str, str], Path], settings_env: Callable[..., None]
) -> None:
    said: list[str] = []
    settings_env(BROWSER_PATH=machine("broken", _DEAD))
    with pytest.raises(NoBrowser, match="BROWSER_PATH does not start: mend or empty it"):
        fitting(said.append)
    assert said[0].endswith("broken does not start: libnss3.so: cannot open shared object file")


@pytest.mark.journey
def test_where_nothing_helps_it_says_what_a_person_can_do(
    machine: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    machine("apt-get", "#!/bin/sh\necho 'E: no network here' >&2\nexit 100\n")
    with pytest.raises(NoBrowser, match="install Chromium or Chrome by your system's means"):
        fitting(said.append)
    assert said[-1] == "that failed: E: no network here"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    said.clear()
    with pytest.raises(NoBrowser):
        fitting(said.append)
    assert not [line for line in said if "Debian" in line]
