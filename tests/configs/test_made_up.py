from datetime import date
from pathlib import Path

from configs.made_up import PREFECTURE, desk_entry, host_entry, prefecture_file
from configs.prefecture import Procedure, load_prefectures

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
