"""The build context of the images: what .dockerignore sends, and that it changes with the files."""

import pytest

from deploy.drill.build_context import hash_files, is_sent, list_context, read_rules

RULES = read_rules("# a comment\n*\n\n!api\n!deploy\ndeploy/bench\n**/*.pyc\n**/__pycache__\n")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("api/app.py", True),
        ("deploy/draw_secrets.py", True),
        ("deploy/bench/report.py", False),
        ("deploy/benches.py", True),
        ("api/__pycache__/app.pyc", False),
        ("tests/conftest.py", False),
        ("README.md", False),
    ],
)
def test_the_last_rule_that_fits_decides(path: str, *, sent: bool) -> None:
    assert is_sent(path, RULES) is sent


def test_programs_are_sent_and_neither_tests_nor_the_drill() -> None:
    tops = {name.split("/")[0] for name in list_context()}
    assert tops == {"setup.cfg", "pyproject.toml", "api", "configs", "crawler", "deploy", "notifier"}
    assert not [name for name in list_context() if name.startswith(("deploy/drill/", "deploy/sandbox/"))]


def test_files_have_one_hash_that_their_names_are_part_of() -> None:
    assert hash_files(["setup.cfg"]) == hash_files(["setup.cfg"])
    assert hash_files(["setup.cfg", "pyproject.toml"]) != hash_files(["pyproject.toml", "setup.cfg"])
