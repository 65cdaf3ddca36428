"""Files for their owner alone: passwords drawn at the first start, configurations and environments that hold one."""

import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path


def kept_secret(path: Path, prefix: str = "") -> str:
    """Return the secret that the file holds; where there is none it is drawn and written first.

    It is there whole or not at all: a disk that was full must not leave an empty password to the next start.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = path.with_name(f"{path.name}.new")
        write_private(half, prefix + secrets.token_urlsafe(32))
        half.replace(path)
    return path.read_text("utf-8").strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, even where more could read the one before."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def keep(file: Path, variables: Mapping[str, str]) -> None:
    """Write variables as a shell reads them (`set -a; . file`), for us alone: there are secrets among them."""
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()), "utf-8")


def read_kept(file: Path) -> dict[str, str]:
    """Return what `keep` wrote.

    Raises:
        OSError: there is no such file, or it is not ours to read.
    """
    return dict(line.split("=", 1) for line in shlex.split(file.read_text("utf-8")))
