"""The command as a person gives it, and what a person does with what it prints."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from configs.world.desk import Desk
from configs.world.prefecture import load_prefectures
from crawler.catalogue import check_catalogue
from deploy.sample_desk_files import prefecture_file
from deploy.sandbox.platforms import platforms as stand_in_platforms
from tests.crawler.commanded import Run, scrapy

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


NOBODYS = "selectors"  # its stand-in is a page that no known software serves
InService = Callable[[str], Desk]


def page_of(sandbox: "Running", name: str) -> str:
    site = stand_in_platforms()[name].sites[0]
    return sandbox.site(site.code) + stand_in_platforms()[name].page(site.forms[0])


def entries(out: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(out)
    return found if isinstance(found, list) else []


@pytest.fixture
def detect(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(scrapy, capsys, "detect")


@pytest.fixture
def in_service(tmp_path: Path, settings_env: Callable[..., None]) -> InService:
    """Copy what was printed into a desk file, as a person would; return the first desk that the programs load."""

    def copy(out: str) -> Desk:
        (tmp_path / "evry_91.yaml").write_text(prefecture_file(tier=1, hosts=[], desks=[out], capital="Évry"))
        settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)
        check_catalogue()
        return load_prefectures(tmp_path)["evry_91"].desks[0]

    return copy
