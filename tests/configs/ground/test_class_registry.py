"""Each module of a folder defines one class of the folder's base, no more and no less."""

from pathlib import Path

import pytest

from configs.ground.class_registry import load_folder
from notifier.channels.provider_base import Provider

HEAD = "from notifier.channels.provider_base import Provider\n"
ONE = """
class {}(Provider):
    def warm_up(self): ...
    def hand_over(self, messages): ...
"""


def folder(path: Path, text: str) -> tuple[str, list[str]]:
    package = path / f"folder_{path.name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "pigeon.py").write_text(HEAD + text)
    return package.name, [str(package)]


def test_the_class_is_found_by_the_files_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = load_folder(*folder(tmp_path, ONE.format("Pigeon")), Provider)  # type: ignore[type-abstract]
    assert [(name, type(each).__name__) for name, each in found.items()] == [("pigeon", "Pigeon")]


@pytest.mark.parametrize(("text", "number"), [("", 0), (ONE.format("Pigeon") + ONE.format("Dove"), 2)])
def test_a_file_without_one_class_of_the_base_is_an_error(
    text: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TypeError, match=f"pigeon must define one subclass of Provider, it defines {number}"):
        load_folder(*folder(tmp_path, text), Provider)  # type: ignore[type-abstract]
