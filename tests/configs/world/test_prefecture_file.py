"""Prefecture files: what a good one gives, and that each wrong one is refused by file and key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from configs.ground.strict_yaml import ConfigFileError
from configs.world.desk import Grade, Procedure, WatchLevel
from configs.world.prefecture import load_prefectures

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
@pytest.mark.parametrize(
    "case",
    [
        ("tier: 1", "tier: 4", "tier", "less than or equal to 3"),
        ("latitude: 48", "latitude: 148", "latitude", "less than or equal to 90"),
        ("longitude: 2.441", "longitude: east", "longitude", "valid number"),
        ("tier: 1", "tier: '1'", "tier", "valid integer"),
        ("tier: 1", "tier: true", "tier", "valid integer"),
        ("tier: 1", "teir: 1", "teir", "is no key here; keys: chef_lieu, department, desks"),
        ("tier: 1", "teir: 1", "teir", "hosts, latitude, longitude, name, region, site, tier, time_zone"),
        ("tier: 1\n", "", "tier", "is missing"),
        ("tier: 1", "tier: 01", "tier", "valid integer"),
        ('"91"', "91", "department", "must be a text: write it in quotes"),
        ('"91"', '"92"', "department", "does not match the file's name evry-courcouronnes_91.yaml"),
        ('"91"', '"Essonne"', "department", "does not match"),
        ("name: Essonne", "name: ''", "name", "at least 1 character"),
        ("name: Essonne", 'name: "Ess\\nonne"', "name", "line break"),
        ("name: Essonne", "id: x\nname: Essonne", "id", "comes from the file's name"),
        ("Europe/Paris", "Europe/Pari", "time_zone", "write an IANA name"),
        ("Europe/Paris", "Europe", "time_zone", "write an IANA name"),
        ("Europe/Paris", "../../etc/passwd", "time_zone", "write an IANA name"),
        ("https://www.essonne.gouv.fr\n", "www.essonne.gouv.fr\n", "site", "begins with http:// or https://"),
        ("slug: naturalisation", "slug: Naturalisation", "desks.0.slug", "pattern"),
        ("slug: naturalisation", "slug: a b", "desks.0.slug", "pattern"),
        ("slug: naturalisation", "slug: ''", "desks.0.slug", "pattern"),
        ("slug: titre-sejour", "slug: naturalisation", "desks.1.slug", "another desk's"),
        ("slug: naturalisation", "slug: 2024", "desks.0.slug", "write it in quotes"),
        ("label: Naturalisation", "label:", "desks.0.label", "must be a text"),
        ("[NATURALISATION]", "[NATURALIZATION]", "desks.0.procedures.0", "'TITRE_SEJOUR'"),
        ("[NATURALISATION]", "[]", "desks.0.procedures", "at least 1 item"),
        ("[NATURALISATION]", "NATURALISATION", "desks.0.procedures", "must be a list: write [one, another]"),
        ("grade: unconfirmed", "grade: sure", "desks.0.grade", "'confirmed'"),
        ("date: 2026-03-31", "date: 2045-03-31", "desks.0.date", "lies in the future, today is 20"),
        ("date: 2026-03-31", "date: 20260331", "desks.0.date", "write it as 2026-03-31"),
        ("date: 2026-03-31", "date: 2026-02-30", "desks.0.date", "write it as 2026-03-31"),
        ("date: 2026-03-31", "date: 03/10/2025", "desks.0.date", "write it as 2026-03-31"),
        ("date: 2026-03-31", "date: '20260331'", "desks.0.date", "write it as 2026-03-31"),
        ("/booking/create/23014", " /booking", "desks.0.url", "begins with http:// or https://"),
        ("url: https://www.essonne.gouv.fr/booking/create/2", "url: ftp://x/", "desks.0.url", "http"),
        (
            "url: https://www.essonne.gouv.fr/booking/create/2",
            "url: https:///",
            "desks.0.url",
            "names a host",
        ),
        ("url: https://www", "url: https://user:word@www", "desks.0.url", "names a host"),
        ("url: https://www.essonne.gouv.fr/", "url: http://192.168.1.4/", "desks.0.url", "private network"),
        (
            "url: https://www.essonne.gouv.fr/",
            "url: https://www.essonne.gouv.fr:99999/",
            "desks.0.url",
            "ort",
        ),
        ("url: https://www.essonne.gouv.fr/", "url: https://[::1/", "desks.0.url", "IPv6"),
        ("interval: 45", "interval: 29", "desks.1.interval", "only stand-ins on loopback"),
        ("interval: 45", "interval: 0", "desks.1.interval", "greater than or equal to 1"),
        ("interval: 45", "interval: 9999999", "desks.1.interval", "less than or equal to 604800"),
        ("interval: 45", "interval: 45.0", "desks.1.interval", "valid integer"),
        ("horizon: 30", "horizon: 0", "desks.1.horizon", "greater than or equal to 1"),
        ("horizon: 30", "horizon: 4000", "desks.1.horizon", "less than or equal to 730"),
        ("watch: presence", "watch: off", "desks.1.watch", "'full'"),
        (
            "watch: presence",
            "watsh: full",
            "desks.1.watsh",
            "is no key here; keys: because, date, fetch, grade, horizon, interval, label, neutral_label, parameters, platform, procedures, releases, site, slug",
        ),
        ("parameters: {plannings: [1, 2]}", "parameters: [1]", "desks.1.parameters", "valid dictionary"),
        (
            "    watch: presence\n",
            "    watch: full\n    time_zone: Europe/Rome\n",
            "desks.1.time_zone",
            "file around",
        ),
        ("    watch: presence\n", "    prefecture_id: a_01\n", "desks.1.prefecture_id", "file around"),
        (
            "www.essonne.gouv.fr:443:",
            "www.essone.gouv.fr:443:",
            "hosts.www.essone.gouv.fr:443",
            "their hosts: www.ess",
        ),
        (
            "www.essonne.gouv.fr:443:",
            "www.essonne.gouv.fr:",
            "hosts.www.essonne.gouv.fr",
            "their hosts: www.ess",
        ),
        ("budget: 3", "budget: 61", "hosts.www.essonne.gouv.fr:443.budget", "at most 60"),
        ("budget: 3", "budget: 0", "hosts.www.essonne.gouv.fr:443.budget", "greater than or equal to 1"),
        ("    reason: it answered 429\n", "", "hosts.www.essonne.gouv.fr:443.reason", "is missing"),
    ],
)
def test_a_wrong_value_is_refused_by_file_and_key(
    folder: Path, edit: Edit, case: tuple[str, str, str, str]
) -> None:
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


@pytest.mark.parametrize("said", ["confirmed", "unconfirmed", "stale", "retired"])
def test_a_prefecture_says_why_nothing_is_watched(folder: Path, edit: Edit, said: str) -> None:
    edit("grade: confirmed", f"grade: {said}")
    edit("grade: unconfirmed", "grade: retired")
    (prefecture,) = load_prefectures(folder).values()
    assert prefecture.paused_because == ("no known page" if said in ("stale", "retired") else None)
