"""The command as a person gives it, and what a person does with what it prints."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from configs.world.desk import Desk
from configs.world.prefecture import load_prefectures
from crawler.catalogue import check_catalogue
from deploy.sample_desk_files import prefecture_file
from tests.crawler.commanded import Run, scrapy
from tests.crawler.platform_detection.printed import InService


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
