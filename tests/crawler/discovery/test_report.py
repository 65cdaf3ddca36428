from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from configs.prefecture import load_prefectures
from crawler.catalogue import check_catalogue
from crawler.discovery.report import DiscoveryReport, yaml_blocks
from crawler.discovery.results import FoundPage, RunResult
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
