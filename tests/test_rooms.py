"""The house has rooms by concept: a file has one header and can be read whole, a folder has a few files."""

import ast
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES, LEAST_FILES, MOST_FILES = 500, 3, 20

OTHER_FOLDERS = {
    "api/models": "a list by nature: a table each",
    "crawler/spiders": "Scrapy's: one class a booking system is found here",
    "deploy/sandbox/platforms": "a description in YAML for each platform; one needs code",
}

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
NUMERIC = (ast.BinOp, ast.UnaryOp, ast.Tuple, ast.operator, ast.unaryop, ast.expr_context)
SETTING, LENGTH = "Constant(", "timedelta("


def tracked(*folders: str) -> list[Path]:
    command = ["git", "ls-files", "--", *(f"{folder}/*.py" for folder in folders)]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [Path(each) for each in listed if (ROOT / each).exists()]


PRODUCT = tracked("api", "configs", "crawler", "deploy", "notifier")
HOUSE = [*PRODUCT, *tracked("tests/lab")]


def lines(file: Path) -> int:
    return (ROOT / file).read_text().count("\n")


def test_no_file_is_too_long() -> None:
    assert len(PRODUCT) > 100
    assert {str(file): lines(file) for file in HOUSE if lines(file) > MOST_LINES} == {}


def test_folders_have_three_to_twenty_modules_but_for_those_with_a_reason() -> None:
    counted = (file for file in PRODUCT if file.name != "__init__.py")
    modules = Counter(str(file.parent) for file in counted if file.parent.name != "versions")  # Alembic's
    found = {folder for folder, number in modules.items() if not LEAST_FILES <= number <= MOST_FILES}
    assert found == OTHER_FOLDERS.keys()


def test_no_module_has_a_second_header_below_its_first_function_or_class() -> None:
    assert {str(file): late for file in HOUSE if (late := second_header((ROOT / file).read_text()))} == {}


@pytest.mark.parametrize(
    ("late", "found"),
    [
        ("log = logging.getLogger(__name__)", ["log"]),
        ('a = Constant("A", 1.0)', ["a"]),
        ("_A, _B = 2 * 3, -1", ["_A", "_B"]),
        ("_A: Final = timedelta(days=1)", ["_A"]),
        ("TABLE = {1: first}", []),  # of what stands above
        ('_NAME = "a"', []),
        ("_A = 1\ndef second(): return _A", []),  # directly before its only user
        ("_A = 1\ndef second(): return _A\ndef third(): return _A", ["_A"]),
        ("_A = 1\ndef second(): pass\ndef third(): return _A", ["_A"]),
    ],
)
def test_what_is_a_second_header(late: str, found: list[str]) -> None:
    assert second_header(f"{late}\n") == []
    assert second_header(f"def first(): pass\n{late}\n") == found


def test_a_constant_that_is_called_is_named_in_small_letters_as_what_is_called_is() -> None:
    texts = {str(file): (ROOT / file).read_text() for file in PRODUCT}
    assert {
        file: wrong for file, text in texts.items() if SETTING in text and (wrong := misnamed(text))
    } == {}
    assert misnamed('_a_b = Constant("A_B", 1)\nC = 1.0') == []
    assert misnamed('A_B = Constant("A_B", 1)\na = Constant("A_B", 1)') == ["A_B", "a"]


def misnamed(text: str) -> list[str]:
    """Return the Constants of a module that do not bear, in small letters, the name that TEST_PERIODS has for them."""
    settings = [
        (header_names(node)[0], node.value.args[0])
        for node in ast.parse(text).body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call)
        if is_setting(node.value)
    ]
    return [name for name, own in settings if name.lstrip("_") != ast.literal_eval(own).lower()]


def second_header(text: str) -> list[str]:
    """Return the names of logs, settings and numbers that a module declares below its first function or class."""
    body = ast.parse(text).body
    first = next((place for place, node in enumerate(body) if isinstance(node, DEFINITIONS)), len(body))
    declared = [(place, names) for place in range(first, len(body)) if (names := header_names(body[place]))]
    return [
        name for place, names in declared if users(body, names) - {place} != {place + 1} for name in names
    ]


def header_names(node: ast.stmt) -> list[str]:
    """Return what a statement declares, if it is the log, a setting or only numbers."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
    of_header = names == ["log"] or is_setting(node.value) or is_number(node.value)
    return names if of_header else []


def is_setting(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and f"{ast.unparse(node.func)}(" == SETTING


def is_number(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.Call):
        return ast.unparse(node).startswith(LENGTH) and all(is_number(each.value) for each in node.keywords)
    return isinstance(node, NUMERIC) and all(map(is_number, ast.iter_child_nodes(node)))


def users(body: list[ast.stmt], names: list[str]) -> set[int]:
    """Return the places of the statements that name one of them."""
    named = {
        place: {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        for place, node in enumerate(body)
    }
    return {place for place, used in named.items() if used & {*names}}
