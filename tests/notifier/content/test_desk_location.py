from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from notifier.content.desk_location import location_of, name_city
from tests.notifier.world import DESK, PREFECTURE


def test_a_place_has_its_prefectures_name_and_department() -> None:
    where = location_of(DESK, PREFECTURE)
    assert (where.name, where.department, where.zone.key) == ("Essonne", "91", "Europe/Paris")


def test_a_desk_that_left_its_file_keeps_its_prefecture() -> None:
    assert location_of(f"{PREFECTURE}/gone", PREFECTURE).name == "Essonne"


@pytest.mark.parametrize(
    ("prefecture_id", "name", "department"),
    [("nowhere_2a", "Nowhere", "2A"), ("fort-of-nobody_972", "Fort-Of-Nobody", "972"), ("odd", "Odd", "")],
)
def test_a_prefecture_without_a_file_is_read_off_its_id(
    prefecture_id: str, name: str, department: str
) -> None:
    where = location_of(f"{prefecture_id}/desk", prefecture_id)
    assert (where.name, where.department) == (name, department)


def test_hours_are_those_of_the_desk(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    (tmp_path / "fort-de-france_972.yaml").write_text(
        "name: Martinique\ndepartment: '972'\nregion: Martinique\nchef_lieu: Fort-de-France\nlatitude: 14.604\nlongitude: -61.074\n"
        "site: https://www.martinique.gouv.fr\ntime_zone: America/Martinique\ntier: 3\ndesks: []\n"
    )
    settings_env(PREFECTURES_DIR=tmp_path)
    assert location_of("fort-de-france_972/x", "fort-de-france_972").zone.key == "America/Martinique"


@pytest.mark.parametrize(
    ("zone", "language", "city"),
    [("Europe/Paris", "fr", "Paris"), ("Europe/Paris", "ru", "Париж"), ("Indian/Reunion", "de", "Réunion"),
     ("America/Cayenne", "zh", "卡宴")],
)  # fmt: skip
def test_a_desks_city_is_called_as_its_reader_calls_it(zone: str, language: str, city: str) -> None:
    assert name_city(ZoneInfo(zone), language) == city
