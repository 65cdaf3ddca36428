"""Desk files of the part `scale`: the shipped ones some times over."""

from pathlib import Path

from configs.host_rule import load_hosts
from configs.prefecture_file import load_prefectures
from configs.settings import PREFECTURES, settings
from deploy.bench.scaled_desks import write_scaled_desks


def test_each_copy_of_a_desk_has_an_id_and_a_host_of_its_own(tmp_path: Path) -> None:
    shared = load_hosts(settings().hosts_file)
    shipped = load_prefectures(PREFECTURES, shared)
    scaled = load_prefectures(write_scaled_desks(tmp_path / "desks", 2), shared)
    for name, place in shipped.items():
        one, two = ([(desk.id, desk.host) for desk in each.desks] for each in (place, scaled[name]))
        assert two[: len(one)] == one
        assert len(dict(two)) == 2 * len(one)
        assert {host for _, host in two[len(one) :]} == {f"t1.{host}" for _, host in one}
