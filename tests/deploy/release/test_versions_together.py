"""Code of the last release on the tables of this one, as between migration and restart, and after a rollback.

The last release's own tests run on tables that this version's migrations made. The other way round there is nothing to
try but the command that migrates, which `make release-check` runs: no program of this code starts on older tables.
"""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.release.versions import NoVersion, Version, check_out, find_last_release, work_tree

pytestmark = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.xdist_group("stacks"),
    pytest.mark.timeout(3600),
]
HERE = Path(__file__).parent
FOLDERS = (
    "tests/api", "tests/notifier", "tests/crawler/recording", "tests/crawler/scheduling", "tests/crawler/incidents",
)  # fmt: skip
# These tests compare tables with the code beside them: here they differ on purpose.
OF_THE_TABLES = ("tests/api/models", "tests/api/migrations")
AGREE = (0, 5)  # pytest's exit codes: all passed, nothing was selected


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Give the last release; RELEASE_FROM names another version."""
    try:
        ref = os.environ.get("RELEASE_FROM") or find_last_release()
        found = check_out(ref, tmp_path_factory.mktemp("release") / "old")
    except NoVersion as error:
        pytest.skip(str(error))
    if found.migrations == work_tree().migrations:
        pytest.skip(f"there is no migration since {ref}")
    return found


def run_tests(code: Version, tables: Version, *arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    paths = os.pathsep.join((str(code.tree), str(HERE)))
    about = {"PYTHONPATH": paths, "TABLES_TREE": str(tables.tree), "TABLES_PYTHON": str(tables.python)}
    chosen = [each for each in arguments if each.startswith("-") or (code.tree / each).exists()]
    left_out = [f"--ignore={each}" for each in OF_THE_TABLES]
    select = ["-p", "foreign_tables", "-m", "not journey and not processes", "-q", "-n", "2", "-x", *left_out]
    return subprocess.run(
        [str(code.python), "-m", "pytest", *select, *chosen],
        cwd=code.tree,
        env=kept | about,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_last_release_works_on_the_tables_of_this_one(old: Version, folder: str) -> None:
    done = run_tests(old, work_tree(), folder)
    assert done.returncode in AGREE, done.stdout[-5000:] + done.stderr[-2000:]
