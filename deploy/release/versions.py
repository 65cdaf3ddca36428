"""The two versions of a release: an older one from git in a folder of its own, and the work tree."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = Path("deploy/requirements/lock.txt")
_ENVIRONMENTS = ROOT / ".state" / "release-environments"


class NoVersion(RuntimeError):
    """The older version cannot be had; the text says why."""


@dataclass(frozen=True)
class Version:
    """Code in a folder, and the Python that has what its lock names."""

    name: str
    tree: Path
    python: Path

    @property
    def migrations(self) -> tuple[str, ...]:
        """Return the names of its migrations, in their order."""
        return tuple(sorted(file.stem for file in (self.tree / "api/migrations/versions").glob("[0-9]*.py")))


def work_tree() -> Version:
    """Return the code that runs now."""
    return Version("the work tree", ROOT, Path(sys.executable))


def find_last_release(root: Path = ROOT) -> str:
    """Return the newest tag; where there is none, the first parent of HEAD.

    Raises:
        NoVersion: this is no clone, or one without history.
    """
    tag = _git(root, "describe", "--tags", "--abbrev=0")
    if tag.returncode == 0:
        return tag.stdout.strip()
    parent = _git(root, "rev-parse", "--short", "HEAD^1")
    if parent.returncode:
        raise NoVersion(f"no tag and no parent commit: name a version with --from ({parent.stderr.strip()})")
    return parent.stdout.strip()


def check_out(ref: str, folder: Path, root: Path = ROOT) -> Version:
    """Write the files of a version to a folder, and find or make the environment of its lock.

    Raises:
        NoVersion: git does not know it, or its packages cannot be had.
    """
    archive = folder.with_suffix(".tar")
    done = _git(root, "archive", "--format=tar", f"--output={archive}", ref)
    if done.returncode:
        raise NoVersion(f"{ref}: {done.stderr.strip()}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    if not (folder / LOCK).exists():
        raise NoVersion(f"{ref} has no {LOCK}")
    return Version(ref, folder, _find_python(folder / LOCK, root / LOCK))


def _find_python(lock: Path, own: Path) -> Path:
    if lock.read_bytes() == own.read_bytes():
        return Path(sys.executable)
    home = _ENVIRONMENTS / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    python, mark = home / "bin" / "python", home / ".installed"
    if not mark.exists():
        shutil.rmtree(home, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(home))
        _uv("pip", "sync", "--python", str(python), "--require-hashes", str(lock))
        # its metadata are asked for; its code comes from the folder
        _uv(
            "pip",
            "install",
            "--python",
            str(python),
            "--no-deps",
            "--no-build-isolation",
            str(lock.parents[2]),
        )
        mark.touch()
    return python


def _uv(*arguments: str) -> None:
    command = [str(Path(sys.executable).parent / "uv"), "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoVersion(f"uv {arguments[0]} {arguments[1]}: {done.stderr.strip()[-500:]}")


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
