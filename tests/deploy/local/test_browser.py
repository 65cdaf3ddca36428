"""make browser: says which one is used, installs one where there is none, says what to do where it cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.ground.browser_binary import look_again
from deploy.local import browser
from deploy.local.browser import main

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


def test_one_that_is_there_is_named_and_nothing_is_installed(
    machine: Callable[[str, str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    path = machine("chromium", _LIVES)
    assert main() == 0
    assert capfd.readouterr().out == f"the browser for desks that need one: {path} (Chromium 9)\n"


def test_what_is_there_and_does_not_start_is_told(
    machine: Callable[[str, str], Path],
    settings_env: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings_env(BROWSER_PATH=machine("broken", _DEAD))
    assert main() == 1
    told = capfd.readouterr()
    assert "broken does not start: libnss3.so: cannot open shared object file" in told.out
    assert "BROWSER_PATH does not start: mend or empty it" in told.err


@pytest.mark.journey
def test_where_nothing_helps_it_says_what_a_person_can_do(
    machine: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine("apt-get", "#!/bin/sh\necho 'E: no network here' >&2\nexit 100\n")
    machine("sh", '#!/bin/sh\nexec /bin/sh "$@"\n')
    assert main() == 1
    told = capfd.readouterr()
    assert "trying Debian's package" in told.out
    assert "E: no network here" in told.err
    assert "install Chromium or Chrome by your system's means" in told.err
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main() == 1
    assert "Debian's package" not in capfd.readouterr().out
