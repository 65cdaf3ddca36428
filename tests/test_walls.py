"""The lists of modules in the import contracts of setup.cfg forget none; `make lint` sees that the contracts hold."""

import configparser
import re
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = configparser.ConfigParser()
CONTRACTS.read(ROOT / "setup.cfg")


def test_the_list_of_blueprints_is_whole() -> None:
    made = re.compile(r"^blueprint = ((API)?Blueprint|make_blueprint)\(", re.MULTILINE)
    files = [file for file in (ROOT / "api").rglob("*.py") if made.search(file.read_text())]
    # a blueprint whose routes are in several files is imported by the one that names them
    found = {dotted(file.with_name("routes.py") if file.stem == "blueprint" else file) for file in files}
    assert found == set(CONTRACTS["importlinter:contract:blueprints"]["protected_modules"].split())


def test_the_list_of_what_is_free_of_flask_is_whole() -> None:
    listed = CONTRACTS["importlinter:contract:services"]["source_modules"].split()
    routes = [file for file in (ROOT / "api").rglob("routes.py") if "pages" not in file.parts]
    nouns = [file.parent for file in routes] + [ROOT / "api" / "admin"]
    modules = {
        dotted(file)
        for noun in nouns
        for file in noun.rglob("*.py")
        if file.stem not in ("__init__", "routes", "blueprint", "access", "actions", "live_report")
        and not file.stem.endswith("_views")
    }
    assert {each for each in modules if not any(fnmatchcase(each, pattern) for pattern in listed)} == set()
    assert len(nouns) > 5


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)
