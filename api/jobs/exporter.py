"""Child that answers Prometheus: `python -m deploy.metrics`, executed anew so that nothing of ours is in its memory.

It is given the login `reader` to the database and to Redis, and no other secret (docs/decisions.md#prefork-workers).
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from configs.settings import Constant, Settings, settings
from configs.settings.program_settings import folder_in_use, list_allowed, list_secrets

# Port on which Prometheus is answered
metrics_port = Constant("METRICS_PORT", 9464)

_MINE = "metrics"  # the folder of its secret files, in that of ours
_OF_READER = ("DATABASE_URL", "REDIS_URL")  # the owner's without one of its own, as on a developer's machine

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls: the same on x86-64 and arm64
_READ_FILE = 1 << 2
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

log = structlog.get_logger(__name__)


def run(host: str) -> int:
    """Become the exporter, listening on this address; never returns."""
    folder = folder_in_use(settings().secrets_dir)
    environment = build_environment(os.environ, folder)
    if folder and not hide_folder(folder, folder / _MINE):
        log.warning("the exporter of metrics could read our secret files: this kernel has no Landlock")
    command = [sys.executable, "-m", "deploy.metrics", "--host", host]
    os.execve(sys.executable, command, environment)  # noqa: S606 -- our own program


def build_environment(ours: Mapping[str, str], folder: Path | None) -> dict[str, str]:
    """Return the exporter's environment, made from ours: of the secrets only those that it may have."""
    withheld = {*list_secrets(Settings.model_fields)} - list_allowed("reader")
    given = {name: value for name, value in ours.items() if name.lower() not in withheld}
    own = {name: given[f"{name}_READER"] for name in _OF_READER if f"{name}_READER" in given}
    return given | own | {"PROGRAM": "reader"} | ({"SECRETS_DIR": str(folder / _MINE)} if folder else {})


def hide_folder(folder: Path, shown: Path) -> bool:
    """Keep this process from reading files below `folder` but those of `shown`; return whether the kernel can.

    By Landlock, which needs no right of root (Linux 5.13 or later). It also keeps such a process, where it has no
    capabilities, from the memory of one that is not bound in the same way, as its parent is.
    https://docs.kernel.org/userspace-api/landlock.html
    """
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
    """Yield each path that does not lead to the folder: Landlock is told what is allowed, with all beneath it.

    A link needs no rule: what it leads to is judged where it lies.
    """
    way = (folder, *folder.parents)
    for parent in folder.parents:
        yield from (each for each in parent.iterdir() if each not in way and not each.is_symlink())
