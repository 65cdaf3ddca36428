from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crawler.catalogue import WrongArgument, choose_desks
from tests.in_turn import in_turn
from tests.sample_desk_files import DEPARTMENT, desk_entry, prefecture_file


@pytest.fixture(autouse=True)
def _world(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    def write(name: str, code: str, **desks: tuple[str, str, str]) -> None:
        url = f"https://www.x{code}.gouv.fr/booking/create/1"
        entries = [
            desk_entry(slug, url, date(2026, 11, 20), procedures=[procedure], grade=grade, watch=watch)
            for slug, (procedure, grade, watch) in desks.items()
        ]
        text = prefecture_file(tier=1, hosts=[], desks=entries, capital=name)
        text = text.replace(DEPARTMENT, f'department: "{code}"').replace("name: Essonne", f"name: N{code}")
        (tmp_path / f"{name}_{code}.yaml").write_text(text)

    write("one", "01", card=("CARTE_IDENTITE", "confirmed", "full"), visa=("VISA", "confirmed", "presence"))
    write(
        "two",
        "02",
        visa=("VISA", "confirmed", "full"),
        old=("VISA", "stale", "full"),
        login=("VISA", "confirmed", "none"),
    )
    write("none", "03")
    settings_env(PREFECTURES_DIR=tmp_path)


def ids(**arguments: str) -> list[str]:
    return [desk.id for desk in choose_desks("prefenligne", arguments)]


@in_turn(
    "arguments, chosen",
    [
        ({"fetch": "browser", "_job": "1"}, []),
        ({"prefecture": "one_01"}, ["one_01/card", "one_01/visa"]),
        ({"procedure": "VISA"}, ["one_01/visa", "two_02/visa"]),
        ({"procedure": "visa", "prefecture": "two_02"}, ["two_02/visa"]),
        ({"desk": "one_01/card"}, ["one_01/card"]),
        ({"desk": "card"}, ["one_01/card"]),
        ({"desk": "visa", "prefecture": "two_02"}, ["two_02/visa"]),
    ],
)
def test_arguments_narrow_what_is_scheduled(arguments: dict[str, str], chosen: list[str]) -> None:
    assert ids(**arguments) == chosen


@in_turn("slug", ["old", "login"])
def test_a_desk_that_is_not_scheduled_is_checked_when_named(slug: str) -> None:
    assert ids(desk=f"two_02/{slug}") == [f"two_02/{slug}"]


@pytest.mark.rule("3.10")
@in_turn(
    "arguments, said",
    [
        ({"procedure": "VISAS"}, "no procedure 'VISAS'; did you mean VISA"),
        ({"desk": "one_01/cards"}, "did you mean one_01/card"),
        (
            {"desk": "two_02/visa", "prefecture": "one_01"},
            "no desk 'two_02/visa'; did you mean one_01/visa[?] those that exist: one_01/card, one_01/visa$",
        ),
        ({"desk": "two_02/passport"}, "those that exist: two_02/visa, two_02/old, two_02/login$"),
        ({"desk": "visa"}, "fits several: .*one_01/visa, two_02/visa"),
        ({"desks": "visa"}, "no argument 'desks'; did you mean desk"),
        ({"url": "http://127.0.0.1:1"}, "no argument 'url'"),
        ({"desk": " "}, "desk= is empty"),
        (
            {"prefecture": "none_03"},
            "no desk to check with prefecture=none_03; those that exist: one_01/card",
        ),
        ({"prefecture": "one_01", "procedure": "PASSEPORT"}, r"one_01/visa \(VISA; prefenligne; confirmed\)"),
    ],
)
def test_what_names_nothing_is_answered_with_what_would(arguments: dict[str, str], said: str) -> None:
    with pytest.raises(WrongArgument, match=said):
        ids(**arguments)
