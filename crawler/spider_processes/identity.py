"""Identity of this process: its name, and the version of the code that it loaded."""

import hashlib
import os
import platform
import socket
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import redis

from configs.settings import settings

_OURS = Path(__file__).parents[1]
_PACKAGES = ("api", "configs", "crawler", "notifier")
_KINDS = (".py", ".lua", ".yaml")
_Stamp = tuple[str, int, int]  # path, time of the last change (ns), size


@cache
def process_name() -> str:
    """Return host:pid, as checks are signed."""
    return f"{socket.gethostname()}:{os.getpid()}"


def version() -> str:
    """Return twelve digits that change with our code, the desk files, the installed libraries or Python.

    Files are read again only when one of them was touched.
    """
    libraries = sorted(each.name for each in Path(redis.__file__).parents[1].glob("*.dist-info"))
    return _digest(tuple(sorted(_stamps())), (platform.python_version(), *libraries))


def _stamps() -> Iterator[_Stamp]:
    for folder in (*(_OURS / name for name in _PACKAGES), settings().prefectures_dir.resolve()):
        for path in _files(str(folder)):
            try:
                found = os.stat(path)  # noqa: PTH116 -- hundreds of files, each look of the keeper
            except FileNotFoundError:
                continue  # a deploy is at work; the next look sees what it left
            yield path, found.st_mtime_ns, found.st_size


def _files(folder: str) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (f"{here}/{name}" for name in names if name.endswith(_KINDS))


@lru_cache(maxsize=1)
def _digest(stamps: tuple[_Stamp, ...], libraries: tuple[str, ...]) -> str:
    digest = hashlib.sha256("\n".join(libraries).encode())
    for path, _, _ in stamps:
        try:
            digest.update(path.encode() + b"\0" + Path(path).read_bytes())
        except FileNotFoundError:
            continue
    return digest.hexdigest()[:12]
