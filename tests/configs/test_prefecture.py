"""What is asked of the configured prefectures, and the files that we ship."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.desk import Grade, Procedure
from configs.prefecture import (
    UnknownDesk,
    UnknownPrefecture,
    desk,
    desks,
    host_rules,
    load_prefectures,
    prefecture,
    prefectures,
)
from configs.settings import PREFECTURES

ROOT = Path(__file__).parents[2]
SANDBOX = ROOT / "deploy" / "sandbox" / "prefectures"
EZBOOKING = {
    "melun_77": {48803},
    "evry-courcouronnes_91": {23014},
    "bobigny_93": {9845, 16105},
    "creteil_94": {4963},
}


@pytest.fixture
def configured(folder: Path, settings_env: Callable[..., None]) -> Path:
    settings_env(PREFECTURES_DIR=folder)
    return folder


def test_the_configured_folder_is_read_once(configured: Path) -> None:
    assert list(prefectures()) == ["evry-courcouronnes_91"]
    (configured / "evry-courcouronnes_91.yaml").unlink()
    assert list(desks()) == ["evry-courcouronnes_91/naturalisation", "evry-courcouronnes_91/titre-sejour"]
    assert host_rules()["www.essonne.gouv.fr:443"].budget == 3


def test_a_desk_and_a_prefecture_are_found_by_id(configured: Path) -> None:
    assert desk("evry-courcouronnes_91/naturalisation").label == "Naturalisation"
    assert prefecture("evry-courcouronnes_91").name == "Essonne"


def test_an_unknown_id_names_those_that_exist(configured: Path) -> None:
    with pytest.raises(UnknownDesk, match=r"did you mean evry-courcouronnes_91/titre-sejour.*naturalisation"):
        desk("evry-courcouronnes_91/titre-sejours")
    with pytest.raises(UnknownPrefecture, match=r"those that exist: evry-courcouronnes_91$"):
        prefecture("x")


def test_a_rule_of_one_file_holds_for_its_host_everywhere(configured: Path) -> None:
    other = (configured / "evry-courcouronnes_91.yaml").read_text(encoding="utf-8")
    other = other.replace('"91"', '"77"').partition("hosts:")[0]
    (configured / "melun_77.yaml").write_text(other, encoding="utf-8")
    assert host_rules()[desk("melun_77/naturalisation").host].budget == 3


@pytest.fixture(scope="module", params=[PREFECTURES, SANDBOX], ids=["shipped", "sandbox"])
def shipped(request: pytest.FixtureRequest) -> Path:
    folder = request.param
    assert isinstance(folder, Path)
    return folder


def test_the_eight_prefectures_of_ile_de_france_load(shipped: Path) -> None:
    found = load_prefectures(shipped)
    assert {each.department for each in found.values()} == {"75", "77", "78", "91", "92", "93", "94", "95"}
    assert {(each.region, each.tier, each.time_zone) for each in found.values()} == {
        ("Île-de-France", 1, "Europe/Paris")
    }


def test_desk_ids_are_unique_and_of_the_agreed_shape(shipped: Path) -> None:
    ids = [desk.id for each in load_prefectures(shipped).values() for desk in each.desks]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z-]+_[0-9]{2}/[a-z0-9-]+", each) for each in ids)


def test_the_known_ezbooking_pages_are_desks_and_unconfirmed() -> None:
    found = load_prefectures(PREFECTURES)
    pages = {each.id: {int(desk.url.rpartition("/")[2]) for desk in each.desks} for each in found.values()}
    assert {name: forms for name, forms in pages.items() if forms} == EZBOOKING
    every = [desk for each in found.values() for desk in each.desks]
    assert {(desk.platform, desk.grade, desk.schedulable) for desk in every} == {
        ("ezbooking", Grade.UNCONFIRMED, True)
    }
    assert {desk.site for desk in every} == {"Torcy", "Évry-Courcouronnes", "Bobigny", "Créteil"}


def test_shipped_desk_ids_never_change() -> None:
    # alerts and history hold them: to rename one is to lose both
    assert {
        desk.id: set(desk.procedures)
        for each in load_prefectures(PREFECTURES).values()
        for desk in each.desks
    } == {
        "bobigny_93/titre-sejour-remise": {Procedure.TITRE_SEJOUR},
        "bobigny_93/titre-sejour-vie-privee-familiale": {Procedure.TITRE_SEJOUR},
        "creteil_94/naturalisation": {Procedure.NATURALISATION},
        "evry-courcouronnes_91/naturalisation": {Procedure.NATURALISATION},
        "melun_77/naturalisation-torcy": {Procedure.NATURALISATION},
    }


def test_prefectures_without_a_page_say_so() -> None:
    paused = {name: each.paused_because for name, each in load_prefectures(PREFECTURES).items()}
    empty = {"paris_75", "versailles_78", "nanterre_92", "cergy_95"}
    assert paused == {name: "no known page" if name in empty else None for name in paused}


def test_the_pages_of_bobigny_are_asked_where_they_were_seen() -> None:
    found = load_prefectures(PREFECTURES)["bobigny_93"]
    assert all("/index.php/booking/create/" in desk.url for desk in found.desks)


def test_shipped_pages_are_https_on_the_states_own_hosts() -> None:
    urls = [desk.url for each in load_prefectures(PREFECTURES).values() for desk in each.desks]
    assert all(re.match(r"https://[a-z.-]+\.gouv\.fr/", url) for url in urls)


def test_the_sandbox_lives_on_loopback() -> None:
    hosts = {desk.host for each in load_prefectures(SANDBOX).values() for desk in each.desks}
    assert all(host.startswith("127.") for host in hosts)
