"""A disk of a few megabytes: mounted where one process alone sees it, reached by all others through /proc."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_MOUNT = 'mount -t tmpfs -o size={}m,mode=0777 none "$0" && echo mounted && exec cat'


@dataclass(frozen=True)
class SmallDisk:
    """A mounted disk, and where it is for everybody."""

    path: Path

    def fill(self, *, leave: int = 0) -> None:
        """Leave so many bytes of room."""
        with (self.path / "ballast").open("ab", buffering=0) as ballast:
            while (room := shutil.disk_usage(self.path).free - leave) > 0:
                ballast.write(bytes(min(room, 1 << 20)))

    def make_room(self) -> None:
        (self.path / "ballast").unlink()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk on a folder while the block lasts; the test is skipped where the machine forbids it."""
    folder.mkdir(parents=True, exist_ok=True)
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"]
    command = [*unshare, "sh", "-c", _MOUNT.format(megabytes), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        try:
            if holder.stdout.readline() != b"mounted\n":
                pytest.skip("this machine lets nobody mount a disk of its own")
            yield SmallDisk(Path(f"/proc/{holder.pid}/root{folder}"))
        finally:
            holder.stdin.close()
