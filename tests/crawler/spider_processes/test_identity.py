import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from crawler.spider_processes import identity
from crawler.spider_processes.identity import process_name, version


@pytest.fixture
def code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> Callable[[str, str], None]:
    """Replace our packages and desk files: `code("crawler/a.py", "text")` writes one of their files."""
    monkeypatch.setattr(identity, "_OURS", tmp_path)
    settings_env(PREFECTURES_DIR=tmp_path / "desks")
    for name in ("api", "configs", "crawler/deep", "notifier", "tests", "desks"):
        (tmp_path / name).mkdir(parents=True)

    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    write("crawler/deep/one.py", "1")
    write("desks/evry_91.yaml", "grade: confirmed")
    return write


def test_a_process_is_named_by_its_machine_and_number() -> None:
    assert process_name() == f"{socket.gethostname()}:{os.getpid()}"


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
    before = version()
    assert version() == before
    code(path, text)
    assert version() != before


@pytest.mark.parametrize("path", ["tests/one.py", "crawler/__pycache__/one.py", "crawler/notes.txt"])
def test_what_no_spider_loads_changes_nothing(path: str, code: Callable[[str, str], None]) -> None:
    before = version()
    code(path, "x")
    assert version() == before


def test_a_file_that_was_touched_and_says_the_same_is_the_same_version(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    before = version()
    os.utime(tmp_path / "crawler/deep/one.py", (1, 1))
    assert version() == before


def test_another_library_is_another_version(
    tmp_path: Path, code: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis, "__file__", str(tmp_path / "site" / "redis" / "__init__.py"))
    (tmp_path / "site" / "lxml-6.0.0.dist-info").mkdir(parents=True)
    before = version()
    (tmp_path / "site" / "lxml-6.0.0.dist-info").rename(tmp_path / "site" / "lxml-6.0.1.dist-info")
    assert version() != before


def test_a_file_that_a_deploy_takes_away_is_no_trouble(
    tmp_path: Path, code: Callable[[str, str], None]
) -> None:
    (tmp_path / "crawler" / "gone.py").symlink_to(tmp_path / "nowhere")
    assert len(version()) == 12
