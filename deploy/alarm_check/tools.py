"""Programs of Debian's prometheus packages: those installed, or unpacked, so that none runs as a service."""

import shutil
import subprocess
from pathlib import Path

# https://packages.debian.org/bookworm/prometheus: the programs of each package
_PACKAGES = {
    "prometheus": ("prometheus", "promtool"),
    "prometheus-alertmanager": ("prometheus-alertmanager", "amtool"),
    "prometheus-node-exporter": ("prometheus-node-exporter",),
}
_DOWNLOAD_SECONDS = 300


class ToolMissing(Exception):
    """A program is not there, and its package cannot be had; the text says what to do."""


def find_tools(folder: Path) -> dict[str, str]:
    """Return the path of each program by its name; packages that are not installed are unpacked into `folder`.

    Raises:
        ToolMissing: apt-get is not there, or has no such package.
    """
    found: dict[str, str] = {}
    for package, programs in _PACKAGES.items():
        for program in programs:
            installed = shutil.which(program) or _find_unpacked(folder, program)
            found[program] = installed or _unpack(package, program, folder)
    return found


def _find_unpacked(folder: Path, program: str) -> str | None:
    path = folder / "usr" / "bin" / program
    return str(path) if path.exists() else None


def _unpack(package: str, program: str, folder: Path) -> str:
    """Download and unpack a package; return the path of one of its programs."""
    folder.mkdir(parents=True, exist_ok=True)
    advice = f"`apt-get install {package}` as root, which also starts it as a service"
    if not shutil.which("apt-get"):
        raise ToolMissing(f"{program} is not there, and without apt-get {package} cannot be had: install it")
    _run(["apt-get", "download", "--quiet", package], folder, advice)
    for file in folder.glob(f"{package}_*.deb"):
        _run(["dpkg-deb", "--extract", file.name, "."], folder, advice)
        file.unlink()
    path = _find_unpacked(folder, program)
    if path is None:
        raise ToolMissing(f"{package} has no {program}: {advice}")
    return path


def _run(command: list[str], folder: Path, advice: str) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["no error text"]
        raise ToolMissing(f"{' '.join(command)}: {said[0]}; try `apt-get update`, or {advice}")
