"""External tools that we measure against: each in its own environment, pinned by hashes."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

_LOCKS = Path(__file__).parent / "requirements"
_FOLDER = Path(".state/pinned")


class NotToBeHad(Exception):
    """The package index does not have the pinned version; the text is pip's error."""


def installed(name: str) -> Path:
    """Return the Python that has what tests/lab/requirements/<name>.txt pins, made under _FOLDER where it is not yet.

    Raises:
        NotToBeHad: no package index can be reached, or it has other files than those pinned.
    """
    pins, home = _LOCKS / f"{name}.txt", _FOLDER.resolve() / name
    python, mark = home / "bin" / "python", home / ".installed"
    pinned = hashlib.sha256(pins.read_bytes()).hexdigest()
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # tests beside each other want the same one
        if not (mark.exists() and mark.read_text() == pinned):
            shutil.rmtree(home, ignore_errors=True)
            # our own pip fills it: one of its own would take longer to install than most programs
            _run(sys.executable, "-m", "venv", "--without-pip", str(home))
            _run(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile",
                 "--disable-pip-version-check", "--retries", "1", "--require-hashes", "-r", str(pins))  # fmt: skip
            mark.write_text(pinned)
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotToBeHad(f"{' '.join(command[:4])}…: {done.stderr.strip()[-500:]}")
