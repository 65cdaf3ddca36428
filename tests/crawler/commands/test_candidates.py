"""`scrapy candidates`: what operators accepted is written into the prefectures' files, whole or not at all."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.models.candidate import Candidate, CandidateState
from configs.ground.clock import clock
from configs.world.desk import WatchLevel
from configs.world.prefecture import load_prefectures
from tests.api.world import PREFECTURES
from tests.crawler.commanded import command, scrapy
from tests.factories import add_candidate, get

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def folder(tmp_path: Path, settings_env: Callable[..., None]) -> Path:
    shutil.copytree(PREFECTURES, tmp_path / "prefectures")
    settings_env(PREFECTURES_DIR=tmp_path / "prefectures")
    return tmp_path / "prefectures"


def accept(number: str, **entry: Any) -> Any:
    url = f"https://www.rdv-prefecture.interieur.gouv.fr/rdvpref/reservation/demarche/{number}/"
    desk = {
        "slug": f"visa-{number}", "label": "Visas", "procedures": ["VISA"], "platform": "rdvpref", "url": url,
        "watch": "people", "grade": "unconfirmed", "source": "named by a user; accepted by an operator",
    }  # fmt: skip
    return add_candidate(
        number,
        prefecture_id="bobigny_93",
        state=CandidateState.ACCEPTED,
        decided_at=clock(),
        entry=desk | entry,
    )


def test_accepted_candidates_are_written_once_sorted_with_source_and_date(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [accept("4500"), accept("4443")]
    add_candidate("9999")
    before = (folder / "bobigny_93.yaml").read_text("utf-8")
    assert "bobigny_93/visa-4443" in scrapy(capsys, "candidates")[1]
    assert (folder / "bobigny_93.yaml").read_text("utf-8") == before
    assert scrapy(capsys, "candidates", "--write")[0] == 0
    text = (folder / "bobigny_93.yaml").read_text("utf-8")
    assert text.startswith(before)
    assert text[len(before) :].lstrip().startswith("- slug: visa-4443\n    label: Visas\n"), (
        "as people write one"
    )
    *_, first, second = load_prefectures(folder)["bobigny_93"].desks
    assert (first.slug, second.slug) == ("visa-4443", "visa-4500")
    assert (first.date, first.source, first.watch) == (
        clock().date(), "named by a user; accepted by an operator", WatchLevel.PEOPLE,
    )  # fmt: skip
    assert {get(Candidate, each).state for each in ids} == {CandidateState.WRITTEN}
    assert "no accepted candidate waits" in scrapy(capsys, "candidates", "--write")[1]


@pytest.mark.journey
def test_a_process_of_its_own_writes_them_too(folder: Path) -> None:
    id_ = accept("4500")
    ended = subprocess.run(
        [sys.executable, "-m", "scrapy", "candidates", "--write"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, get(Candidate, id_).state) == (0, CandidateState.WRITTEN), ended.stderr


def test_an_entry_that_its_platform_refuses_changes_no_file(folder: Path) -> None:
    id_ = accept("4443", watch="full")
    before = (folder / "bobigny_93.yaml").read_text("utf-8")
    assert "write `watch: people`" in str(command("candidates", "--write"))
    assert (folder / "bobigny_93.yaml").read_text("utf-8") == before
    assert get(Candidate, id_).state is CandidateState.ACCEPTED
