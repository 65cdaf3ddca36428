"""Folders in which the processes of a server count requests, as prometheus_client's multi-process mode writes them.

Each server has a folder below STATE_DIR/metrics. It holds its lock for as long as it or a process that it forked runs:
the kernel frees it however they end. So the exporter reads the running servers' folders, and a start removes the rest.
https://prometheus.github.io/client_python/multiprocess/
"""

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.settings import settings

_LOCK, _MERGING = "lock", "merging"
_held: list[int] = []  # descriptors of locks: closed with the process


def find_folder() -> Path:
    """Return the folder of all servers."""
    return settings().state_dir / "metrics"


def claim_folder() -> Path:
    """Make this server's folder, empty, and remove those of servers that ended.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    parent = find_folder()
    parent.mkdir(parents=True, exist_ok=True)
    with _hold(parent / _LOCK, fcntl.LOCK_EX):
        for each in parent.iterdir():
            if each.is_dir() and not _is_held(each):
                shutil.rmtree(each, ignore_errors=True)
        own = parent / f"{socket.gethostname()}-{os.getpid()}"
        own.mkdir(exist_ok=True)
        (own / _MERGING).touch()
        descriptor = os.open(own / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _held.append(descriptor)
    return own


def list_folders() -> list[Path]:
    """Return the folders of the servers that run."""
    parent = find_folder()
    return (
        sorted(each for each in parent.iterdir() if each.is_dir() and _is_held(each))
        if parent.is_dir()
        else []
    )


@contextmanager
def reading(folder: Path) -> Iterator[list[Path]]:
    """Give a server's files; meanwhile none is merged into another.

    Raises:
        OSError: the folder is gone.
    """
    with _hold(folder / _MERGING, fcntl.LOCK_SH):
        yield sorted(folder.glob("*.db"))


@contextmanager
def merging(folder: Path) -> Iterator[None]:
    """Keep readers away while files are merged.

    Raises:
        BlockingIOError: they are being read; a reader that is stopped must not stop a server.
        OSError: the folder is gone.
    """
    with _hold(folder / _MERGING, fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


def _is_held(folder: Path) -> bool:
    try:
        with _hold(folder / _LOCK, fcntl.LOCK_SH | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


@contextmanager
def _hold(file: Path, how: int) -> Iterator[None]:
    creates = 0 if how & fcntl.LOCK_SH else os.O_CREAT
    descriptor = os.open(file, os.O_RDONLY | creates, 0o600)  # the exporter may not write here
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
