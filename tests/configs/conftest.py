"""An empty environment in an empty folder, and prefecture files written for one test."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.settings import Settings
from configs.settings.program_settings import list_secrets

GOOD = Path(__file__).parent / "world" / "evry-courcouronnes_91.yaml"


@pytest.fixture
def bare(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings_env: Callable[..., None]
) -> Callable[..., None]:
    """Remove our variables and any .env; the function sets these and no others: in production, secrets by files."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    settings_env()
    ours, before = set[Path](), set[str]()

    def put(**values: Any) -> None:
        for name in before:
            monkeypatch.delenv(name, raising=False)
        before.update(values)
        if values.get("APP_ENV") == "production":
            folder = Path(values.setdefault("SECRETS_DIR", tmp_path / "of-production"))
            folder.mkdir(exist_ok=True)
            while ours:
                ours.pop().unlink()
            for name in {each.upper() for each in list_secrets(Settings.model_fields)} & values.keys():
                file, value = folder / name.lower(), values.pop(name)
                if value:
                    file.write_text(value)
                    ours.add(file)
                monkeypatch.delenv(name, raising=False)
        settings_env(**values)

    return put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one good prefecture file."""
    made = tmp_path / "prefectures"
    made.mkdir()
    shutil.copy(GOOD, made)
    return made


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str], int]:
    """Replace text in the good file; return the line where it stands."""

    def replace(old: str, new: str, name: str = "evry-courcouronnes_91.yaml") -> int:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.count(old) >= 1, f"{old!r} is not in the file"
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    return replace
