"""Prefecture files: what a good one gives, and that each wrong one is refused by file and key."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from api.web.gunicorn_hooks import on_reload
from configs.ground.strict_yaml import ConfigFileError
from configs.settings.groups import PREFECTURES
from configs.world.desk import Desk, Grade, Procedure, WatchLevel
from configs.world.prefecture import (
    Prefecture,
    UnknownDesk,
    UnknownPrefecture,
    desk,
    load_prefectures,
    prefecture,
)
from tests.in_turn import in_turn

NAME = "evry-courcouronnes_91.yaml"
GOOD = (Path(__file__).parent / NAME).read_text(encoding="utf-8")
Edit = Callable[..., int]


def _problems(folder: Path) -> list[str]:
    with pytest.raises(ConfigFileError) as caught:
        load_prefectures(folder)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def _copy(folder: Path, name: str, **replaced: str) -> Path:
    text = GOOD
    for old, new in replaced.items():
        text = text.replace(f"{old}: ", f"{old}: {new} #", 1)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_good_file_is_read_whole(folder: Path) -> None:
    essonne = load_prefectures(folder)["evry-courcouronnes_91"]
    assert (essonne.department, essonne.tier, essonne.chef_lieu) == ("91", 1, "Évry-Courcouronnes")
    first, second = essonne.desks
    assert first.id == "evry-courcouronnes_91/naturalisation"
    assert first.procedures == {Procedure.NATURALISATION}
    assert (first.interval, first.horizon, first.watch, first.site) == (None, 90, WatchLevel.FULL, None)
    assert first.host == "www.essonne.gouv.fr:443"
    assert str(first.zone) == "Europe/Paris"
    assert second.procedures == {Procedure.TITRE_SEJOUR, Procedure.AUTRE}
    assert (second.interval, second.horizon, second.watch) == (45, 30, WatchLevel.PRESENCE)
    assert second.parameters == {"plannings": [1, 2]}
    assert second.grade is Grade.CONFIRMED
    assert essonne.hosts["www.essonne.gouv.fr:443"].budget == 3


@pytest.mark.rule("3.10")
@in_turn(
    "case",
    [
        ("tier: 1", "tier: 4", "tier", "less than or equal to 3"),
        ("tier: 1", "teir: 1", "teir", "is no key here"),
        ("tier: 1\n", "", "tier", "is missing"),
        ("tier: 1\n", "tier: 1\nproxy: http://u:p@gate:1\n", "proxy", "should match"),
        ('"91"', "91", "department", "must be a text: write it in quotes"),
        ('"91"', '"92"', "department", "does not match the file's name evry-courcouronnes_91.yaml"),
        ("name: Essonne", 'name: "Ess\\nonne"', "name", "line break"),
        ("name: Essonne", "id: x\nname: Essonne", "id", "is no key here"),
        ("Europe/Paris", "Europe/Pari", "time_zone", "write an IANA name"),
        ("https://www.essonne.gouv.fr\n", "www.essonne.gouv.fr\n", "site", "begins with http:// or https://"),
        ("slug: naturalisation", "slug: Naturalisation", "desks.0.slug", "pattern"),
        ("slug: titre-sejour", "slug: naturalisation", "desks.1.slug", "another desk's"),
        ("[NATURALISATION]", "[NATURALIZATION]", "desks.0.procedures.0", "'TITRE_SEJOUR'"),
        ("[NATURALISATION]", "[]", "desks.0.procedures", "at least 1 item"),
        ("[NATURALISATION]", "NATURALISATION", "desks.0.procedures", "must be a list: write [one, another]"),
        ("date: 2026-03-31", "date: 2026-02-30", "desks.0.date", "write it as 2026-03-31"),
        ("url: https://www.essonne.gouv.fr/booking/create/2", "url: ftp://x/", "desks.0.url", "http"),
        ("url: https://www", "url: https://user:word@www", "desks.0.url", "names a host"),
        ("url: https://www.essonne.gouv.fr/", "url: http://192.168.1.4/", "desks.0.url", "private network"),
        ("url: https://www.essonne.gouv.fr/", "url: https://[::1/", "desks.0.url", "IPv6"),
        ("interval: 45", "interval: 29", "desks.1.interval", "only stand-ins on loopback"),
        ("    watch: presence\n", "    time_zone: Europe/Rome\n", "desks.1.time_zone", "is no key here"),
        ("    watch: presence\n", "    prefecture_id: a_01\n", "desks.1.prefecture_id", "is no key here"),
        ("www.essonne.gouv.fr:443:", "www.fr:443:", "hosts.www.fr:443", "their hosts: www.essonne"),
        ("budget: 3", "budget: 61", "hosts.www.essonne.gouv.fr:443.budget", "at most 60"),
        ("    reason: it answered 429\n", "", "hosts.www.essonne.gouv.fr:443.reason", "is missing"),
    ],
)
def test_a_wrong_value_is_refused_by_file_and_key(
    folder: Path, edit: Edit, case: tuple[str, str, str, str]
) -> None:
    _copy(folder, NAME)
    old, new, key, said = case
    edit(old, new)
    problems = _problems(folder)
    own = [problem for problem in problems if problem.startswith(f"{folder / NAME}: {key}: ")]
    assert own, problems
    assert said in " ".join(own)


@pytest.mark.parametrize(
    "name", ["essonne.yaml", "Evry_91.yaml", "évry_91.yaml", "evry 91.yaml", "evry_91.yml", "_91.yaml"]
)
def test_a_file_name_that_is_no_id_is_refused(folder: Path, name: str) -> None:
    (folder / NAME).rename(folder / name)
    assert "name the file <chef-lieu>_<department>.yaml" in "\n".join(_problems(folder))


def test_two_files_of_one_department_are_refused(folder: Path) -> None:
    _copy(folder, "palaiseau_91.yaml")
    (problem,) = _problems(folder)
    assert problem.startswith(f"{folder / 'palaiseau_91.yaml'}: department: ")
    assert "evry-courcouronnes_91.yaml" in problem


def test_two_files_with_two_rules_for_a_host_are_refused(folder: Path, edit: Edit) -> None:
    _copy(folder, "melun_77.yaml", department='"77"')
    edit("budget: 3", "budget: 4")
    (problem,) = _problems(folder)
    assert "melun_77.yaml" in problem
    assert "a host has one budget" in problem


def test_desks_take_the_time_zone_of_their_prefecture(folder: Path, edit: Edit) -> None:
    edit("Europe/Paris", "Indian/Reunion")
    (prefecture,) = load_prefectures(folder).values()
    assert {str(desk.zone) for desk in prefecture.desks} == {"Indian/Reunion"}


@in_turn("said", ["confirmed", "unconfirmed", "stale", "retired"])
def test_a_prefecture_says_why_nothing_is_watched(folder: Path, edit: Edit, said: str) -> None:
    _copy(folder, NAME)
    edit("grade: confirmed", f"grade: {said}")
    edit("grade: unconfirmed", "grade: retired")
    (prefecture,) = load_prefectures(folder).values()
    assert prefecture.paused_because == ("no known page" if said in ("stale", "retired") else None)


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


def test_labels_are_for_customers_and_none_stands_twice_on_a_page(shipped: dict[str, Prefecture]) -> None:
    notes = re.compile(r"\bsource\b|précisé|\bcité|inconnu|\?|watcher|stale", re.IGNORECASE)
    assert [desk.id for desk in every_desk(shipped) if notes.search(desk.label)] == []
    for place in shipped.values():
        names = Counter((desk.label.casefold(), desk.site) for desk in place.desks)
        assert [name for name, times in names.items() if times > 1] == [], place.id


def test_shipped_desk_ids_never_change(shipped: dict[str, Prefecture]) -> None:
    with IDS.open(encoding="utf-8", newline="") as file:
        known = {row["desk"]: row["procedures"] for row in csv.DictReader(file)}
    assert known == {desk.id: " ".join(sorted(desk.procedures)) for desk in every_desk(shipped)}


def test_shipped_pages_are_https_on_known_hosts(shipped: dict[str, Prefecture]) -> None:
    known = re.compile(r"(https|wss)://([a-z0-9.-]+\.gouv\.fr|esii-orion\.com|rendezvousonline\.fr)/")
    assert [each.url for each in every_desk(shipped) if not known.match(each.url)] == []


def test_the_sandbox_lives_on_loopback() -> None:
    hosts = {desk.host for each in load_prefectures(SANDBOX).values() for desk in each.desks}
    assert all(host.startswith("127.") for host in hosts)


TEXT = (Path(__file__).parents[3] / "docs" / "adding-a-prefecture.md").read_text(encoding="utf-8")


def test_the_example_works(tmp_path: Path) -> None:
    example, host = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "melun_77.yaml").write_text(
        example + host.replace("essonne", "seine-et-marne"), encoding="utf-8"
    )
    (melun,) = load_prefectures(tmp_path).values()
    assert melun.desks[0].id == "melun_77/naturalisation-torcy"
    assert melun.hosts[melun.desks[0].host].budget == 3
