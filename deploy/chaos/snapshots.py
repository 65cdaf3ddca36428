"""Snapshots of Redis: its append-only files copied aside, and put back as an operator restores a backup."""

import shutil
from pathlib import Path

_FILES = "appendonlydir"  # Redis's own name for them


def save_redis(folder: Path, snapshot: Path) -> None:
    """Copy the files of a server that may be running: a last command that is cut off is left out when it loads."""
    shutil.copytree(folder / _FILES, snapshot / _FILES)


def put_back_redis(folder: Path, snapshot: Path) -> None:
    """Replace the files of a server that does not run."""
    shutil.rmtree(folder / _FILES)
    shutil.copytree(snapshot / _FILES, folder / _FILES)
