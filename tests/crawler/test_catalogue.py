"""The entries that are the same in every desk file: generated, and compared with what the files hold."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.settings import PREFECTURES
from configs.world.prefecture import reload_desk_files
from crawler import catalogue


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    def carry_out(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["catalogue", *arguments])
        reload_desk_files()
        code = catalogue.main()
        return code, "".join(capsys.readouterr())

    return carry_out


def test_the_shipped_entries_are_as_generated(
    run: Callable[..., tuple[int, str]], settings_env: Callable[..., None]
) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    assert run()[0] == 0


def test_an_entry_that_was_edited_or_is_missing_is_named_and_written_anew(
    run: Callable[..., tuple[int, str]], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    folder = tmp_path / "prefectures"
    folder.mkdir()
    for name in ("cayenne_973", "paris_75", "vesoul_70"):
        shutil.copy(PREFECTURES / f"{name}.yaml", folder)
    before = {path: path.read_text() for path in folder.iterdir()}
    edited, cut = folder / "cayenne_973.yaml", folder / "vesoul_70.yaml"
    edited.write_text(before[edited].replace("longitude: -51.803}}", "longitude: -51.9}}"))
    cut.write_text(before[cut].partition("  - slug: mairies-rendezvousonline")[0])
    settings_env(PREFECTURES_DIR=folder)
    code, said = run()
    assert (code, said.count("python -m crawler.catalogue --write")) == (1, 2)
    assert run("--write")[0] == run()[0] == 0
    assert {path: path.read_text() for path in folder.iterdir()} == before


def test_desk_files_of_another_world_need_no_such_entries(
    run: Callable[..., tuple[int, str]], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    text = (PREFECTURES / "vesoul_70.yaml").read_text().partition("  - slug: mairies-rendezvousonline")[0]
    (tmp_path / "vesoul_70.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path)
    assert run() == (0, "1 desks of 1 prefectures fit their platforms\n")
