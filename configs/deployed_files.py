"""Version of the deployed files: our code, the desk files, the rules of hosts, the installed libraries.

It is made of the files' content. What else is known of a file (times, size, number) only says when to read it again:
`git checkout` and rsync set times back, and a clock may step.
"""

import hashlib
import os
import platform
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import redis

from configs.settings import settings

_OURS = Path(__file__).parents[1]
_PACKAGES = ("api", "configs", "crawler", "notifier")
_KINDS = (".py", ".lua", ".yaml", ".yml")
_Stamp = tuple[str, int, int, int, int]  # path, file number, change of content and of anything (ns), size
_GONE = (0, 0, 0, 0)


def code_version() -> str:
    """Return twelve digits that change with our code, the desk files, hosts.yaml, the libraries or Python.

    Files are read again only when one of them was touched.
    """
    libraries = sorted(each.name for each in Path(redis.__file__).parents[1].glob("*.dist-info"))
    return _digest(tuple(_stamp_all()), (platform.python_version(), *libraries))


def desk_files_version() -> str:
    """Return twelve digits that change with the desk files and hosts.yaml."""
    return _digest(tuple(_stamp_desk_files()), ())


def _stamp_all() -> Iterator[_Stamp]:
    yield from _stamp_folders(*(_OURS / name for name in _PACKAGES))
    yield from _stamp_desk_files()


def _stamp_desk_files() -> Iterator[_Stamp]:
    current = settings()
    yield from _stamp_folders(current.prefectures_dir.resolve())
    yield _stamp(str(current.hosts_file.resolve()))


def _stamp_folders(*folders: Path) -> Iterator[_Stamp]:
    for folder in folders:
        for path in sorted(_files(str(folder))):
            yield _stamp(path)


def _files(folder: str) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (f"{here}/{name}" for name in names if name.endswith(_KINDS))


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 -- hundreds of files, every few seconds
    except OSError:  # a deploy is at work, or a link leads nowhere
        return path, *_GONE
    # A program may set st_mtime, none may set st_ctime: https://man7.org/linux/man-pages/man7/inode.7.html
    return path, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


@lru_cache(maxsize=2)  # one for each kind of version
def _digest(stamps: tuple[_Stamp, ...], libraries: tuple[str, ...]) -> str:
    """Digest the files' content and paths."""
    digest = hashlib.sha256("\n".join(libraries).encode())
    for path, *_ in dict.fromkeys(stamps):
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            text = str(
                error.errno
            ).encode()  # unreadable and away are versions, too: a start with them would fail
        digest.update(path.encode(errors="surrogateescape") + b"\0" + hashlib.sha256(text).digest())
    return digest.hexdigest()[:12]
