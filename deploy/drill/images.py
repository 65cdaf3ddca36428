"""Environments of the images: made as the Dockerfile makes them, at the same path, from the same lock.

Each is a folder that is mounted on /opt/rdvpriority for the time of its making, because programs of an environment
know its path.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.cut_lock import LOCK
from deploy.drill.build_context import copy_context, hash_files, list_context
from deploy.drill.machine import find_program, require_root, run_checked
from deploy.drill.step import StepFailed, Workplace
from deploy.program_imports import IMAGES

HOME = Path("/opt/rdvpriority")
# sh's $0 is the folder; the rest is the command
_MOUNTED = f'mount --bind "$0" {HOME}; exec "$@"'
_ENVIRONMENT = {"LANG": "C.UTF-8", "SOURCE_DATE_EPOCH": "315532800"}


@dataclass(frozen=True)
class ImageEnvironment:
    """An image's environment, and its size in MB on the disk."""

    image: str
    folder: Path
    megabytes: int


def build_environments(work: Workplace) -> dict[str, ImageEnvironment]:
    """Make the environments that are missing or out of date; return all.

    Raises:
        CannotRun: we are not root.
        StepFailed: a lock cannot be installed, lacks what its programs import, or is too large.
    """
    require_root()
    unshare = find_program("unshare", "util-linux")
    home = work.folder / "images"
    home.mkdir(parents=True, exist_ok=True)
    HOME.mkdir(parents=True, exist_ok=True)
    source = hash_files(list_context())
    builder = _Builder(home, unshare)
    return {image: builder.provide(image, source, work) for image in IMAGES}


@dataclass
class _Builder:
    home: Path
    unshare: str
    _wheel: Path | None = None

    def provide(self, image: str, source: str, work: Workplace) -> ImageEnvironment:
        """Return an image's environment, as it is where source and lock are the same."""
        folder, mark = self.home / image, self.home / f"{image}.made"
        made_of = f"{source} {hash_files([str(LOCK)])} {sys.base_prefix}"
        kept = mark.read_text().split("\n") if mark.exists() else []
        if kept[:1] != [made_of]:
            work.say(f"environment of {image}")
            mark.unlink(missing_ok=True)
            kept = [made_of, str(self._make(image, folder))]
            mark.write_text("\n".join(kept))
        return ImageEnvironment(image, folder, int(kept[1]))

    def _make(self, image: str, folder: Path) -> int:
        """Make it as the Dockerfile does; return its size."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        wheel = self._wheel = self._wheel or self._make_wheel()
        uv, python = str(self.home / "tools" / "bin" / "uv"), str(HOME / "bin" / "python")
        lock = self._cut_lock(image)
        base = str(Path(sys.base_prefix) / "bin" / "python3")
        self._run(folder, [uv, "venv", "--quiet", "--allow-existing", "--python", base, str(HOME)])
        self._run(folder, [uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock])
        self._run(folder, [uv, "pip", "install", "--quiet", "--python", python, "--no-deps", str(wheel)])
        if said := self._run(folder, [python, "-m", "deploy.program_imports", image]).strip():
            raise StepFailed(said)
        return measure(folder)

    def _cut_lock(self, *names: str) -> str:
        """Write what these names need of the lock to a file; return its path."""
        cut = self.home / f"{names[0]}.txt"
        program = str(self.home / "source" / "deploy" / "cut_lock.py")
        cut.write_text(run_checked([sys.executable, program, *names]))
        return str(cut)

    def _make_wheel(self) -> Path:
        """Make the project's wheel from the build context, by the tools that the lock pins."""
        copy_context(self.home / "source")
        tools = self.home / "tools"
        shutil.rmtree(tools, ignore_errors=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        run_checked([sys.executable, "-m", "venv", str(tools)])
        pip = str(tools / "bin" / "pip")
        run_checked([pip, "install", *quiet, "--require-hashes", "-r", self._cut_lock("setuptools", "uv")])
        wheels = self.home / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
        run_checked([pip, "wheel", *quiet, *options, str(self.home / "source")])
        (wheel,) = wheels.glob("rdvpriority-*.whl")
        return wheel

    def _run(self, folder: Path, command: Sequence[str]) -> str:
        """Run a command with the folder at /opt/rdvpriority, and with nothing of our own environment."""
        own = {"HOME": str(Path.home()), "PATH": f"{HOME}/bin:/usr/bin:/bin"} | _choose_index()
        enter = [self.unshare, "--mount", "--propagation", "private", "sh", "-ec", _MOUNTED, str(folder)]
        return run_checked([*enter, *command], cwd=self.home, env=_ENVIRONMENT | own, seconds=600)


def _choose_index() -> dict[str, str]:
    """Return the variables by which this machine reaches its package index."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "REQUESTS_", "SSL_", "UV_")) or name.lower().endswith("_proxy")
    }


def measure(folder: Path) -> int:
    """Return the size of a folder, in MB on the disk."""
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_blocks * 512 for file in files) // 1_000_000


def describe_sizes(made: dict[str, ImageEnvironment]) -> str:
    """Return the sizes of the environments."""
    return "MB: " + ", ".join(f"{name} {each.megabytes}" for name, each in sorted(made.items()))


def remove_mount_point() -> None:
    """Remove /opt/rdvpriority where it is ours: an empty folder."""
    if HOME.is_dir() and not any(HOME.iterdir()):
        HOME.rmdir()
