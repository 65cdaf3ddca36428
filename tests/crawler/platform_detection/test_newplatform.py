"""`scrapy newplatform` as a person runs it, in a copy of the checkout."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from crawler.platform_detection.scaffold import NotWritten, write
from tests.crawler.commanded import Run, scrapy

ROOT = Path(__file__).parents[3]
NAMES = ("agence", "a" * 40)
_COPIED = (
    "api",
    "configs",
    "crawler",
    "deploy",
    "notifier",
    "tests/golden",
    "tests/crawler",
    "docs/platforms",
)


@pytest.fixture
def newplatform(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(scrapy, capsys, "newplatform")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    for each in _COPIED:
        shutil.copytree(ROOT / each, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
    for each in ("pyproject.toml", "setup.cfg", "scrapy.cfg", "tests/budgets.py", "tests/in_turn.py"):
        shutil.copy2(ROOT / each, folder / each)
    if (ROOT / ".mypy_cache").exists():  # `make lint` was here: its work is not done again
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, timeout=100
    )


@pytest.mark.processes
@pytest.mark.journey
def test_what_it_writes_passes_the_linters_and_tells_what_to_fill_in(copy: Path) -> None:
    done = run(copy, "scrapy", "newplatform", NAMES[0])
    assert (done.returncode, done.stderr) == (0, "")
    files = [line for line in done.stdout.split("\n\n")[0].splitlines() if line]
    assert [each for each in files if not (copy / each).is_file()] == []
    assert {each.split("/")[0] for each in files} == {"crawler", "tests", "deploy", "docs"}
    assert "docs/adding-a-platform.md" in done.stdout
    write(copy, NAMES[1], "doctolib")
    code = [
        f"{folder}/{name}.py"
        for name in NAMES
        for folder in ("crawler/platforms", "deploy/sandbox/platforms")
    ]
    for linter in (("ruff", "check", "--no-cache"), ("ruff", "format", "--no-cache", "--check"), ("mypy",)):
        checked = run(copy, *linter, *code)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = run(copy, "pytest", "--noconftest", "-q", "tests/crawler/test_golden.py")
    assert tested.returncode == 1, tested.stdout
    assert f"{NAMES[0]}/slots/expected.json expects nothing: GOLDEN=write writes it" in tested.stdout
    again = run(copy, "scrapy", "newplatform", NAMES[0])
    assert (again.returncode, again.stdout) == (2, "")
    assert f"crawler/platforms/{NAMES[0]}.py exists already" in again.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ezbooking", "crawler/platforms/ezbooking exists already: choose another name"),
        ("class", "'class' cannot be a platform's name"),
        ("Agence", "cannot be a platform's name"),
        ("deux mots", "cannot be a platform's name"),
        ("../agence", "cannot be a platform's name"),
        ("1agence", "cannot be a platform's name"),
        ("__init__", "cannot be a platform's name"),
        ("a" * 41, "cannot be a platform's name"),
        ("", "cannot be a platform's name"),
    ],
    ids=range(9),
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    newplatform: Run, name: str, said: str
) -> None:
    before = sorted((ROOT / "crawler" / "platforms").iterdir())
    code, out, err = newplatform(name)
    assert code == 2
    assert said in out + err
    assert sorted((ROOT / "crawler" / "platforms").iterdir()) == before


@pytest.mark.parametrize("there", ["deploy/sandbox/platforms/agence/__init__.py", "docs/platforms/agence.md", "tests/golden/agence/x"])  # fmt: skip
def test_nothing_that_is_there_is_touched(tmp_path: Path, there: str) -> None:
    (tmp_path / "tests/golden").mkdir(parents=True)
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(NotWritten, match="exists already"):
        write(tmp_path, "agence", "custom")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / there]


def test_two_stand_ins_share_neither_an_address_nor_a_number(tmp_path: Path) -> None:
    (tmp_path / "tests/golden").mkdir(parents=True)
    for name in ("one", "two"):
        write(tmp_path, name, "custom")
    one, two = ((tmp_path / f"deploy/sandbox/platforms/{name}.py").read_text() for name in ("one", "two"))
    assert ('platform_host("custom", 1)' in one, 'platform_host("custom", 2)' in two) == (True, True)
    assert ("Form(997001," in one, "Form(997002," in two) == (True, True)


def test_outside_of_a_checkout_it_says_where_to_run_it(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="is no checkout"):
        write(tmp_path, "agence", "custom")


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a", "--system", "none")])
def test_wrong_arguments_are_refused(newplatform: Run, arguments: tuple[str, ...]) -> None:
    assert newplatform(*arguments)[0] == 2
