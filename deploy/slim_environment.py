"""`python -m deploy.slim_environment`: removes from an image's environment what libraries carry and no program reads.

Babel brings the names of 800 regions and languages (33 MB), botocore the calls of all services of AWS (27 MB).
"""

import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

HOME = Path("/opt/rdvpriority")
LANGUAGES = {"ar", "de", "en", "es", "fr", "hi", "pt", "ru", "zh"}  # of our pages and messages
_SERVICES = {"s3", "sts", "sso", "sso-oidc"}  # the store, and the ways to sign in to it


def find_unread(libraries: Path) -> Iterator[Path]:
    """Yield the files and folders that can go, of libraries in this folder."""
    for file in sorted(libraries.glob("babel/locale-data/*.dat")):
        if file.stem.split("_")[0] not in LANGUAGES | {"root"}:
            yield file
    for folder in sorted(libraries.glob("botocore/data/*/")):
        if folder.name not in _SERVICES:
            yield folder


def main() -> int:
    """Remove them; return 0, or 1 where a library that is there has none: its layout has changed."""
    if Path(sys.prefix) != HOME:
        raise SystemExit(f"only an image's environment is made smaller, in {HOME}; this one is {sys.prefix}")
    libraries = Path(__file__).parents[1]
    unread = list(find_unread(libraries))
    for path in unread:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = {path.relative_to(libraries).parts[0] for path in unread}
    missed = [name for name in ("babel", "botocore") if find_spec(name) and name not in found]
    for name in missed:
        print(f"{name} keeps its data elsewhere than before: change deploy/slim_environment.py")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
