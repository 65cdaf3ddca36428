"""The machine: root's rights, programs on the PATH, and the output of commands that fail."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.drill.step import CannotRun, StepFailed

_ROOT = Path(__file__).resolve().parents[2]
_SHOWN = 1500  # characters of output in an error
_WHERE = os.pathsep.join(
    (os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")
)  # a user's PATH lacks these


def require_root() -> None:
    """Refuse where we are not root.

    Raises:
        CannotRun: we are not.
    """
    if os.geteuid() != 0:
        raise CannotRun("needs root: for packages, mounts, and to run programs as other users")


def find_program(name: str, package: str) -> str:
    """Return a program's path.

    Raises:
        CannotRun: it is not installed.
    """
    if found := shutil.which(name, path=_WHERE):
        return found
    raise CannotRun(f"needs {name}: install Debian's {package} (the step `packages` does)")


def run_checked(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 300,
    log: Path | None = None,
) -> str:
    """Run a command to its end; return its output, both streams together, which `log` keeps too.

    Raises:
        StepFailed: its exit code is not 0, or it takes longer; the text has the end of its output.
    """
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, timeout=seconds, check=False, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        if log:
            log.write_bytes(late.stdout or b"")
        raise StepFailed(f"{command[0]} did not end within {seconds:g} s") from None
    if log:
        log.write_text(done.stdout)
    if done.returncode:
        raise StepFailed(f"{command[0]} ended with {done.returncode}: {done.stdout.strip()[-_SHOWN:]}")
    return done.stdout


def run_tests(*options: str, seconds: float = 300, log: Path | None = None) -> str:
    """Run tests one after the other, with root's programs on the PATH; return pytest's last line.

    Raises:
        StepFailed: one fails or is left out.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", *options]
    said = run_checked(command, cwd=_ROOT, env=os.environ | {"PATH": _WHERE}, seconds=seconds, log=log)
    last = said.strip().splitlines()[-1].strip("= ")
    if "skipped" in last:
        raise StepFailed(f"tests were left out: {last}")
    return last
