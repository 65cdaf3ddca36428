from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from configs.desk import Desk
from configs.prefecture import desks, load_prefectures, prefectures
from crawler.catalogue import check_catalogue
from crawler.discovery.observations import ObservedPage, PageSeen
from crawler.discovery.report import DiscoveryReport, desk_links, yaml_blocks
from crawler.discovery.results import FoundPage, RunResult, Walked, addresses
from crawler.discovery.site_links import key
from deploy.sample_desk_files import prefecture_file

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PLACE = "evry-courcouronnes_91"


@pytest.mark.parametrize(
    ("url", "watch"),
    [
        ("https://www.essonne.gouv.fr/booking/create/99999", "full"),
        ("https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/99999/", "presence"),
        ("https://www.keldoc.com/prefecture/evry-91000/guichet", "none"),
    ],
)
def test_what_is_found_loads_as_it_stands_and_says_what_it_lacks(
    tmp_path: Path, settings_env: Callable[..., None], url: str, watch: str
) -> None:
    found = FoundPage(PLACE, url, "Naturalisation", "", ("https://www.essonne.gouv.fr/rdv",))
    (block,) = yaml_blocks(DiscoveryReport(RunResult(found=(found,)), NOW, NOW)).values()
    (tmp_path / "evry_91.yaml").write_text(prefecture_file(tier=1, hosts=[], desks=[block], capital="Évry"))
    settings_env(PREFECTURES_DIR=tmp_path)
    check_catalogue()
    (desk,) = load_prefectures(tmp_path)["evry_91"].desks
    assert (desk.url, desk.watch) == (url, watch)
    assert ("scrapy detect" in block) == (watch == "none")


PAGE = PageSeen("evry_91", "https://site.invalid/page", ObservedPage.READ)


@pytest.fixture
def _two(desk_files: Callable[..., dict[str, Desk]]) -> None:
    desk_files(a="127.77.0.91:8800", b="127.77.0.92:8800")


def said(shared: str = "", **outcome: Any) -> list[str]:
    owners = addresses(desks().values())
    if shared:
        owners[key(desks()[shared].url)] = frozenset({"evry_91", "melun_77"})
    found = RunResult(linked={"evry_91/a": (PAGE,)}, **outcome)
    return "".join(desk_links(list(prefectures().values()), found, owners)).splitlines()[2:]


@pytest.mark.usefixtures("_two")
def test_each_desk_is_said_to_be_linked_or_not() -> None:
    assert said() == [
        "  evry_91/a: linked by https://site.invalid/page",
        "  evry_91/b: linked by no page that was read",
    ]


@pytest.mark.usefixtures("_two")
@pytest.mark.parametrize(
    "trouble", [{"cut": True, "doubts": ()}, {"cut": False, "doubts": (("x", "captcha"),)}]
)
def test_what_was_not_read_may_link_it(trouble: dict[str, Any]) -> None:
    walked = (Walked("evry_91", {}, **trouble),)
    assert said(walked=walked)[1].endswith("no page that was read, and not all of the site could be read")


@pytest.mark.usefixtures("_two")
def test_of_an_address_that_prefectures_share_links_say_nothing() -> None:
    assert said(shared="evry_91/b") == ["  evry_91/a: linked by https://site.invalid/page"]
