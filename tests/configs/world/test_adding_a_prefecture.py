"""docs/adding-a-prefecture.md explains every key and word, and its example works."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from configs.ground.strict_yaml import keys_of
from configs.world.desk import FASTEST, Desk, Grade, WatchLevel
from configs.world.host_rule import BUSIEST
from configs.world.prefecture import Prefecture, load_prefectures

TEXT = (Path(__file__).parents[3] / "docs" / "adding-a-prefecture.md").read_text(encoding="utf-8")


def _part(heading: str) -> str:
    return re.split(r"\n#+ ", TEXT.partition(f"# {heading}\n")[2])[0]


def _rows(heading: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", _part(heading), re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "model"), [("Keys of the prefecture", Prefecture), ("Keys of a desk", Desk)]
)
def test_every_key_has_its_row_and_no_other(heading: str, model: type[BaseModel]) -> None:
    assert sorted(_rows(heading)) == keys_of(model)


@pytest.mark.parametrize(("heading", "words"), [("Grades", Grade), ("Watch levels", WatchLevel)])
def test_every_word_has_its_row(heading: str, words: type[Grade | WatchLevel]) -> None:
    assert _rows(heading) == [word.value for word in words]


def test_the_bounds_are_those_that_are_enforced() -> None:
    assert f"at least {FASTEST} for a real site" in TEXT
    assert f"at most {BUSIEST} for a real site" in TEXT


def test_the_example_works(tmp_path: Path) -> None:
    example, host = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "melun_77.yaml").write_text(
        example + host.replace("essonne", "seine-et-marne"), encoding="utf-8"
    )
    (melun,) = load_prefectures(tmp_path).values()
    assert melun.desks[0].id == "melun_77/naturalisation-torcy"
    assert melun.hosts[melun.desks[0].host].budget == 3
