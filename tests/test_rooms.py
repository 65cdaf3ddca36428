"""The house has whole rooms: no file and no folder is too large, no folder too small, no small module serves one alone."""

import ast
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES, MOST_FILES, LEAST_FILES, SMALL = 500, 15, 5, 60

LARGE_FOLDERS = {
    "api/models": "a list by nature: a table each",
    "api/pages/admin": "a page of operators each",
    "configs/ground": "what any program stands on, a library or a server each; none imports a program",
}
SMALL_FOLDERS = {
    "api": "what is started; all else is in its wings",
    "api/bot": "updates of Telegram, in the API as they change what people own",
    "api/pages/alerts": "an area of pages, whose templates have a folder of the same name",
    "crawler/proofs": "a program of its own, with the address of the store",
    "crawler/recording": "one transaction, on a thread of its own",
    "crawler/scheduling": "due queue, intervals, planning, with its Lua",
    "crawler/spider_processes": "scrapyd loads it, and must load little else",
    "crawler/spiders": "Scrapy's: one class a booking system is found here",
    "deploy/metrics": "a program of its own, with a login of its own",
    "deploy/sandbox/platforms": "a description in YAML for each platform; one needs code",
    "deploy/sandbox/sites": "the made sites, beside the made providers",
    "notifier/matching": "detections matched with alerts, a layer of its own",
    "notifier/receipts": "what providers say later, a layer of its own",
}
SERVING_ONE: dict[str, str] = {}
# an application imports the routes of each noun by one list
IMPORTED_BY_LIST = {"routes.py"}


def tracked(*folders: str) -> list[Path]:
    command = ["git", "ls-files", "--", *(f"{folder}/*.py" for folder in folders)]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [Path(each) for each in listed if (ROOT / each).exists()]


PRODUCT = tracked("api", "configs", "crawler", "deploy", "notifier")
HOUSE = [*PRODUCT, *tracked("tests/lab")]


def lines(file: Path) -> int:
    return (ROOT / file).read_text().count("\n")


def dotted(file: Path) -> str:
    return ".".join(file.with_suffix("").parts)


def test_no_file_is_too_long() -> None:
    assert len(PRODUCT) > 100
    assert {str(file): lines(file) for file in HOUSE if lines(file) > MOST_LINES} == {}


def test_folders_with_too_many_or_too_few_modules_are_those_with_a_reason() -> None:
    modules = Counter(str(file.parent) for file in PRODUCT if file.name != "__init__.py")
    assert {folder for folder, number in modules.items() if number > MOST_FILES} == LARGE_FOLDERS.keys()
    assert {folder for folder, number in modules.items() if number < LEAST_FILES} == SMALL_FOLDERS.keys()


def test_small_modules_that_serve_one_alone_are_those_with_a_reason() -> None:
    importers = defaultdict(set)
    for file in HOUSE:
        for name in imported(file):
            importers[name].add(file)
    found = {
        str(file)
        for file in PRODUCT
        if file.name not in {"__init__.py", *IMPORTED_BY_LIST}
        and lines(file) < SMALL
        and len(importers[dotted(file)]) == 1
    }
    assert found == SERVING_ONE.keys()
    assert len(SERVING_ONE) + len(LARGE_FOLDERS) + len(SMALL_FOLDERS) <= 25


def imported(file: Path) -> set[str]:
    """Return the dotted names that a file imports, modules and what is taken from them."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return names
