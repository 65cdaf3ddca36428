"""The configured prefectures, and the files that we ship."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from api.middleware.gunicorn_hooks import on_reload
from configs.settings import PREFECTURES
from configs.world.desk import Desk, Grade
from configs.world.prefecture import (
    Prefecture,
    UnknownDesk,
    UnknownPrefecture,
    desk,
    load_prefectures,
    prefecture,
)

ROOT = Path(__file__).parents[3]
SANDBOX = ROOT / "deploy" / "sandbox" / "prefectures"
IDS = Path(__file__).parent / "shipped_desks.csv"  # alerts and history hold these ids: none is ever renamed
OVERSEAS = {
    "971": "America/Guadeloupe",
    "972": "America/Martinique",
    "973": "America/Cayenne",
    "974": "Indian/Reunion",
    "976": "Indian/Mayotte",
}
METROPOLE = {f"{number:02}" for number in range(1, 96)} - {"20"} | {"2A", "2B"}


@pytest.fixture
def configured(folder: Path, settings_env: Callable[..., None]) -> Path:
    settings_env(PREFECTURES_DIR=folder)
    return folder


def test_files_that_are_read_again_count_once_they_are_right(configured: Path) -> None:
    path = configured / "evry-courcouronnes_91.yaml"
    assert prefecture(path.stem).name == "Essonne"
    path.write_text(path.read_text("utf-8").replace("name: Essonne", "name: Essonne du Sud"), "utf-8")
    (configured / "wrong_93.yaml").write_text("name: [", "utf-8")
    on_reload(None)
    assert prefecture(path.stem).name == "Essonne"
    (configured / "wrong_93.yaml").unlink()
    on_reload(None)
    assert prefecture(path.stem).name == "Essonne du Sud"


def test_an_unknown_id_names_those_that_exist(configured: Path) -> None:
    with pytest.raises(UnknownDesk, match=r"did you mean evry-courcouronnes_91/titre-sejour.*naturalisation"):
        desk("evry-courcouronnes_91/titre-sejours")
    with pytest.raises(UnknownPrefecture, match=r"those that exist: evry-courcouronnes_91$"):
        prefecture("x")


@pytest.fixture(scope="module")
def shipped() -> dict[str, Prefecture]:
    return load_prefectures(PREFECTURES)


def every_desk(found: Mapping[str, Prefecture]) -> list[Desk]:
    return [desk for each in found.values() for desk in each.desks]


def test_all_101_departments_load_with_their_zones(shipped: dict[str, Prefecture]) -> None:
    assert {each.department for each in shipped.values()} == METROPOLE | OVERSEAS.keys()
    assert len({each.region for each in shipped.values()}) == 18
    for each in shipped.values():
        assert each.time_zone == OVERSEAS.get(each.department, "Europe/Paris")


@pytest.mark.parametrize("folder", [PREFECTURES, SANDBOX], ids=["shipped", "sandbox"])
def test_desk_ids_are_unique_and_of_the_agreed_shape(folder: Path) -> None:
    ids = [desk.id for desk in every_desk(load_prefectures(folder))]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z-]+_([0-9]{2,3}|2[ab])/[a-z0-9-]+", each) for each in ids)


def test_nothing_is_confirmed_before_somebody_opened_it(shipped: dict[str, Prefecture]) -> None:
    assert {desk.grade for desk in every_desk(shipped)} == {Grade.UNCONFIRMED, Grade.STALE}


def test_no_address_is_two_desks(shipped: dict[str, Prefecture]) -> None:
    addresses = Counter((desk.url, str(sorted(desk.parameters.items()))) for desk in every_desk(shipped))
    assert [address for address, times in addresses.items() if times > 1] == []


def test_shipped_desk_ids_never_change(shipped: dict[str, Prefecture]) -> None:
    with IDS.open(encoding="utf-8", newline="") as file:
        known = {row["desk"]: row["procedures"] for row in csv.DictReader(file)}
    assert known == {desk.id: " ".join(sorted(desk.procedures)) for desk in every_desk(shipped)}


def test_shipped_pages_are_https_on_known_hosts(shipped: dict[str, Prefecture]) -> None:
    known = re.compile(r"(https|wss)://([a-z0-9.-]+\.gouv\.fr|esii-orion\.com)/")
    assert [each.url for each in every_desk(shipped) if not known.match(each.url)] == []


def test_the_sandbox_lives_on_loopback() -> None:
    hosts = {desk.host for each in load_prefectures(SANDBOX).values() for desk in each.desks}
    assert all(host.startswith("127.") for host in hosts)
