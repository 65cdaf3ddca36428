"""The wheel that images install: it has each file of our packages, also those that are imported by path."""

import configparser
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("api", "configs", "crawler", "notifier")
BESIDE = {"README.md"}  # for people who read the code


def packed() -> set[str]:
    """Return what setuptools packs: modules of packages, and what setup.cfg lists for each."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    found = {
        file for package in PACKAGES for file in (ROOT / package).rglob("*.py") if is_package(file.parent)
    }
    for package in PACKAGES:
        for pattern in parser["options.package_data"][package].split():
            found |= set((ROOT / package).glob(pattern))
    return {str(file.relative_to(ROOT)) for file in found}


def is_package(folder: Path) -> bool:
    return folder == ROOT or ((folder / "__init__.py").exists() and is_package(folder.parent))


def test_the_wheel_has_every_file_of_our_packages() -> None:
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tracked = {name for name in listed.stdout.splitlines() if Path(name).name not in BESIDE}
    assert len(tracked) > 500
    assert tracked - packed() == set()
