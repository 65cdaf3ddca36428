from datetime import date
from pathlib import Path

from configs.prefecture import Procedure, load_prefectures
from deploy.sample_desk_files import PREFECTURE, desk_entry, host_entry, only, prefecture_file

DAY = date(2026, 11, 20)


def test_what_is_made_up_is_a_desk_file_as_any(tmp_path: Path) -> None:
    plain = desk_entry("plain", "http://127.77.0.91:8800/booking/create/1", DAY)
    rich = desk_entry(
        "rich", "http://127.77.0.91:8800/booking/create/2", DAY, label="Guichet", procedures=("VISA", "AUTRE"),
        grade="stale", site="Évry", interval=20,
    )  # fmt: skip
    rule = host_entry("127.77.0.91:8800", 60, "a stand-in")
    text = prefecture_file(tier=1, hosts=[rule], desks=[plain, rich])
    (tmp_path / f"{PREFECTURE}.yaml").write_text(text, "utf-8")
    (found,) = load_prefectures(tmp_path).values()
    assert (found.id, found.tier, found.hosts["127.77.0.91:8800"].budget) == (PREFECTURE, 1, 60)
    first, second = found.desks
    assert (first.label, sorted(first.procedures), first.interval) == (
        "plain",
        [Procedure.NATURALISATION],
        None,
    )
    assert (second.label, second.site, second.grade, second.interval) == ("Guichet", "Évry", "stale", 20)
    assert sorted(second.procedures) == [Procedure.AUTRE, Procedure.VISA]


def test_a_capital_makes_the_id_and_nothing_need_stand_in_it(tmp_path: Path) -> None:
    (tmp_path / "melun_91.yaml").write_text(prefecture_file(tier=3, hosts=[], desks=[], capital="Melun"))
    (found,) = load_prefectures(tmp_path).values()
    assert (list(found.desks), dict(found.hosts)) == ([], {})


def test_one_platform_is_left_with_the_rules_of_its_hosts_and_nothing_else_changes(tmp_path: Path) -> None:
    mine, other = "http://127.77.0.91:8800/booking/create/1", "http://127.77.0.92:8800/x"
    desks = [
        desk_entry("a", mine, DAY, interval=20),
        desk_entry("b", other, DAY).replace("ezbooking", "rdvpref"),
    ]
    hosts = [host_entry(f"127.77.0.{number}:8800", 60, "a stand-in") for number in (91, 92)]
    text = only("ezbooking", prefecture_file(tier=1, hosts=hosts, desks=desks))
    (tmp_path / f"{PREFECTURE}.yaml").write_text(text, "utf-8")
    (found,) = load_prefectures(tmp_path).values()
    assert [(desk.slug, desk.url, desk.interval, desk.date) for desk in found.desks] == [("a", mine, 20, DAY)]
    assert (found.department, list(found.hosts)) == ("91", ["127.77.0.91:8800"])


def test_a_file_without_rules_or_desks_of_the_platform_is_still_one(tmp_path: Path) -> None:
    desk = desk_entry("a", "http://127.77.0.91:8800/x", DAY)
    (tmp_path / f"{PREFECTURE}.yaml").write_text(
        only("ants", prefecture_file(tier=1, hosts=[], desks=[desk])), "utf-8"
    )
    (found,) = load_prefectures(tmp_path).values()
    assert (found.desks, found.hosts) == ((), {})
