"""The older version of a release: which one it is, and its files in a folder of their own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release.versions import LOCK, NoVersion, check_out, find_last_release, work_tree

Git = Callable[..., str]
_AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.org")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository of two commits that differ in one migration."""
    made = tmp_path / "repository"
    (made / LOCK).parent.mkdir(parents=True)
    (made / LOCK).write_text("alembic==1.14\n")
    versions = made / "api" / "migrations" / "versions"
    versions.mkdir(parents=True)
    git(made, "init", "--quiet")
    for name in ("0001_users", "0002_alerts"):
        (versions / f"{name}.py").write_text("")
        git(made, "add", ".")
        git(made, "commit", "--quiet", "--message", name)
    return made


def git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *_AUTHOR, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_without_a_tag_the_last_release_is_the_parent(root: Path) -> None:
    assert find_last_release(root) == git(root, "rev-parse", "--short", "HEAD^1")


def test_the_newest_tag_is_the_last_release(root: Path) -> None:
    git(root, "tag", "v1", "HEAD^1")
    assert find_last_release(root) == "v1"


def test_a_folder_without_history_names_the_option(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(NoVersion, match="name a version with --from"):
        find_last_release(tmp_path)


def test_a_version_has_its_own_files_and_shares_the_environment_of_an_equal_lock(
    root: Path, tmp_path: Path
) -> None:
    old = check_out("HEAD^1", tmp_path / "old", root)
    assert old.migrations == ("0001_users",)
    assert old.python == Path(sys.executable)
    assert not (tmp_path / "old.tar").exists()


def test_an_unknown_version_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(NoVersion, match="v9"):
        check_out("v9", tmp_path / "old", root)


def test_the_work_tree_is_this_code() -> None:
    assert (work_tree().tree / "deploy" / "release" / "versions.py").exists()
    assert work_tree().migrations[0] == "0001_users"
