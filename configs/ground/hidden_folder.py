"""A folder that a process can no longer read, nor what it executes: by Landlock, which needs no right of root.

https://docs.kernel.org/userspace-api/landlock.html: Linux 5.13 or later. It also keeps such a process, where it has no
capabilities, from the memory of one that is not bound in the same way, as its parent is.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls: the same on x86-64 and arm64
_READ_FILE = 1 << 2
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38


def hide_folder(folder: Path, shown: Path) -> bool:
    """Keep this process from reading files below `folder` but those of `shown`; return whether the kernel can."""
    kernel = ctypes.CDLL(None, use_errno=True)
    handled = struct.pack("=Q", _READ_FILE)
    rules = kernel.syscall(_CREATE_RULESET, handled, len(handled), 0)
    if rules < 0:
        return False
    for each in (*_list_beside(folder.resolve()), shown.resolve()):
        with suppress(OSError):  # what has gone needs no rule
            opened = os.open(each, os.O_PATH | os.O_CLOEXEC)
            kernel.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", _READ_FILE, opened), 0)
            os.close(opened)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    bound: int = kernel.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)
    return bound == 0


def _list_beside(folder: Path) -> Iterator[Path]:
    """Yield all that does not lead to the folder: Landlock is told what is allowed, with all beneath it.

    A link needs no rule: what it leads to is judged where it lies.
    """
    way = (folder, *folder.parents)
    for parent in folder.parents:
        yield from (each for each in parent.iterdir() if each not in way and not each.is_symlink())
