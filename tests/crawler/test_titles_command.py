"""`scrapy titles`: what is read of desks without a label, and what is never asked."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scrapy.cmdline import execute
from scrapy.settings import Settings

from crawler.commands import titles
from crawler.platform_detection.draft import UNNAMED
from deploy.sample_desk_files import prefecture_file
from tests.crawler.commanded import scrapy

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

ENTRY = """\
  - slug: {slug}
    label: {label}
    procedures: [AUTRE]
    platform: rdvpref
    url: {root}/rdvpref/reservation/demarche/{number}/
    watch: presence
    grade: {grade}
    source: a test
    date: 2026-11-20
"""
A, B = 991092, 2282  # the number that the stand-in has, and one that it has not


@pytest.fixture
def listed(sandbox: "Running", tmp_path: Path, settings_env: Callable[..., None]) -> None:
    """List two desks without a label, one that has one, and one that is not checked any more."""
    root = sandbox.site("rdvpref")
    rows = [("a", UNNAMED, A, "unconfirmed"), ("b", UNNAMED, B, "unconfirmed"),
            ("named", "Naturalisation", A, "unconfirmed"), ("old", UNNAMED, B, "stale")]  # fmt: skip
    desks = [
        ENTRY.format(slug=slug, label=label, root=root, number=number, grade=grade)
        for slug, label, number, grade in rows
    ]
    text = prefecture_file(tier=1, hosts=[], desks=desks, capital="Évry")
    (tmp_path / "evry_91.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)


def refuse(*names: str) -> str:
    """Run the command; return with which words it ends."""
    with pytest.raises(SystemExit) as left:
        execute(["scrapy", "titles", *names], Settings({"COMMANDS_MODULE": "crawler.commands"}))
    return str(left.value.code)


@pytest.mark.usefixtures("listed")
def test_one_page_a_minute_of_desks_without_a_label(
    sandbox: "Running", capsys: pytest.CaptureFixture[str], no_sleep: Callable[[], list[float]]
) -> None:
    slept = no_sleep()
    code, out, err = scrapy(capsys, "titles")
    assert code == 0, err
    first, second = out.splitlines()
    assert first.startswith("evry_91/a: ")
    assert "Titre de séjour : première demande" in first
    assert "TITRE_SEJOUR" in first
    assert second == "evry_91/b: HTTP 404"
    assert [each for each in slept if each >= 1] == [60.0]
    assert len(sandbox.requests("rdvpref")) == 2


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("mode", ["cloudflare", "overload_502", "redirect_away", "redirect_loop"])
def test_the_command_stops_at_the_first_page_that_does_not_let_us_in(
    sandbox: "Running", capsys: pytest.CaptureFixture[str], no_sleep: Callable[[], list[float]], mode: str
) -> None:
    no_sleep()
    sandbox.mode("rdvpref", mode)
    assert "stopped" in refuse()
    assert capsys.readouterr().out == ""
    assert len(sandbox.requests("rdvpref")) == 1


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize("name", ["named", "old", "nobodys"])
def test_no_other_desk_is_asked(sandbox: "Running", name: str) -> None:
    assert "has no label" in refuse(f"evry_91/{name}")
    assert sandbox.requests("rdvpref") == []


@pytest.mark.usefixtures("listed")
def test_a_command_reads_a_few_desks_at_most(
    sandbox: "Running", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "_AT_ONCE", 1)
    assert "name 1 at most" in refuse("evry_91/a", "evry_91/b")
    assert sandbox.requests("rdvpref") == []
    assert scrapy(capsys, "titles")[1].splitlines()[1:] == ["1 more: name them"]
    assert len(sandbox.requests("rdvpref")) == 1
