import os
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from configs import deployed_files
from configs.deployed_files import code_version, desk_files_version


@pytest.fixture
def code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> Callable[[str, str], None]:
    """Replace our packages and desk files: `code("crawler/a.py", "text")` writes one of their files."""
    monkeypatch.setattr(deployed_files, "_OURS", tmp_path)
    settings_env(PREFECTURES_DIR=tmp_path / "desks")
    for name in ("api", "configs", "crawler/deep", "notifier", "tests", "desks"):
        (tmp_path / name).mkdir(parents=True)

    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    write("crawler/deep/one.py", "1")
    write("desks/evry_91.yaml", "grade: confirmed")
    return write


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("crawler/deep/one.py", "2"),
        ("configs/two.py", ""),
        ("crawler/deep/claim.lua", "return 1"),
        ("notifier/message_kinds.yaml", "a"),
        ("desks/evry_91.yaml", "grade: stale"),
    ],
)
def test_another_text_is_another_version(path: str, text: str, code: Callable[[str, str], None]) -> None:
    before = code_version()
    assert code_version() == before
    code(path, text)
    assert code_version() != before


@pytest.mark.parametrize("path", ["tests/one.py", "crawler/__pycache__/one.py", "crawler/notes.txt"])
def test_what_no_spider_loads_changes_nothing(path: str, code: Callable[[str, str], None]) -> None:
    before = code_version()
    code(path, "x")
    assert code_version() == before


def test_a_file_that_was_touched_and_says_the_same_is_the_same_version(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    before = code_version()
    os.utime(tmp_path / "crawler/deep/one.py", (1, 1))
    assert code_version() == before


def test_another_library_is_another_version(
    tmp_path: Path, code: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "__file__", str(tmp_path / "site" / "redis" / "__init__.py"))
    (tmp_path / "site" / "lxml-6.0.0.dist-info").mkdir(parents=True)
    before = code_version()
    (tmp_path / "site" / "lxml-6.0.0.dist-info").rename(tmp_path / "site" / "lxml-6.0.1.dist-info")
    assert code_version() != before


def test_a_file_that_a_deploy_takes_away_is_no_trouble(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    (tmp_path / "crawler" / "gone.py").symlink_to(tmp_path / "nowhere")
    assert len(code_version()) == 12


def test_a_file_of_another_text_with_the_same_size_and_times_is_another_version(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    path = tmp_path / "crawler/deep/one.py"
    kept, before = path.stat(), code_version()
    path.write_text("2")
    os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert path.stat().st_mtime_ns == kept.st_mtime_ns
    assert code_version() != before


def test_a_checkout_that_brings_old_files_back_is_the_old_version(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    before = code_version()
    code("crawler/deep/one.py", "2")
    (tmp_path / "crawler/deep/one.py").unlink()
    code("crawler/deep/one.py", "1")
    assert code_version() == before


@pytest.mark.parametrize("name", ["evry_91.yaml", "paris_75.yml"])
def test_desk_files_have_a_version_of_their_own(name: str, code: Callable[[str, str], None]) -> None:
    before = desk_files_version()
    code("crawler/deep/one.py", "2")
    assert desk_files_version() == before
    code(f"desks/{name}", "grade: stale")
    assert desk_files_version() != before


def test_rules_of_hosts_belong_to_the_desk_files(
    tmp_path: Path, code: Callable[[str, str], None], settings_env: Callable[..., None]
) -> None:
    code("elsewhere/hosts.yaml", "a")
    settings_env(PREFECTURES_DIR=tmp_path / "desks", HOSTS_FILE=tmp_path / "elsewhere" / "hosts.yaml")
    before = desk_files_version()
    code("elsewhere/hosts.yaml", "b")
    assert desk_files_version() != before


def test_files_that_are_away_or_unreadable_are_another_version(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    seen = {desk_files_version()}
    (tmp_path / "desks" / "loop_92.yaml").symlink_to("loop_92.yaml")
    seen.add(desk_files_version())
    (tmp_path / "desks").rename(tmp_path / "away")
    seen.add(desk_files_version())
    assert len(seen) == 3
