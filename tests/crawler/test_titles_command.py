"""`scrapy titles`: what is read of desks without a label, and what is never asked."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from api.models.desk import HostState
from configs.ground.clock import clock
from configs.world.prefecture import desks
from crawler.commands import titles
from crawler.hosts import kill_switch
from crawler.platform_detection.draft import UNNAMED
from deploy.sample_desk_files import desk_entry, prefecture_file
from tests.crawler.commanded import command, scrapy
from tests.factories import save
from tests.in_turn import in_turn

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

A, B = 991092, 2282  # the number that the stand-in has, and one that it has not


@pytest.fixture
def listed(
    sandbox: "Running",
    database: str,
    redis_server: redis.Redis,
    tmp_path: Path,
    settings_env: Callable[..., None],
) -> None:
    """List two desks without a label, one that has one, and one that is not checked any more."""
    root = f"{sandbox.site('rdvpref')}/rdvpref/reservation/demarche"
    rows = [("a", UNNAMED, A, "unconfirmed"), ("b", UNNAMED, B, "unconfirmed"),
            ("named", "Naturalisation", A, "unconfirmed"), ("old", UNNAMED, B, "stale")]  # fmt: skip
    desks = [
        desk_entry(slug, f"{root}/{number}/", date(2026, 11, 20), label=label, grade=grade, watch="presence")
        for slug, label, number, grade in rows
    ]
    text = prefecture_file(tier=1, hosts=[], desks=desks, capital="Évry").replace("ezbooking", "rdvpref")
    (tmp_path / "evry_91.yaml").write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)


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
@in_turn("mode", ["cloudflare", "overload_502", "redirect_away", "redirect_loop"])
def test_the_command_stops_at_the_first_page_that_does_not_let_us_in(
    sandbox: "Running", capsys: pytest.CaptureFixture[str], no_sleep: Callable[[], list[float]], mode: str
) -> None:
    sandbox.reset()
    no_sleep()
    sandbox.mode("rdvpref", mode)
    assert "stopped" in str(command("titles"))
    assert capsys.readouterr().out == ""
    assert len(sandbox.requests("rdvpref")) == 1


def stop_host() -> None:
    kill_switch.order_host(desks()["evry_91/a"].host, "they wrote to us")


def rest_host() -> None:
    later = clock() + timedelta(minutes=5)
    save(HostState(host=desks()["evry_91/a"].host, rests_until=later, rest_reason="blocked"))


def pause_desks() -> None:
    for slug in "ab":
        kill_switch.order_desk(f"evry_91/{slug}", "its page changes tonight")


@pytest.mark.rule("4.11")
@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("order", "said"),
    [
        (stop_host, "stopped by an operator: they wrote to us"),
        (rest_host, "rests until"),
        (pause_desks, "paused by an operator: its page changes tonight"),
    ],
)
def test_an_order_ends_the_command_before_its_next_page(
    sandbox: "Running", no_sleep: Callable[..., list[float]], order: Callable[[], None], said: str
) -> None:
    no_sleep(order)
    for slug in "ba":  # the order comes between two pages, and stands as the command begins again
        assert f"stopped at evry_91/{slug}: " in (text := str(command("titles")))
        assert said in text
        assert len(sandbox.requests("rdvpref")) == 1


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("address", "said"),
    [("", "DATABASE_URL is not set"), ("postgresql://a:b@127.0.0.1:1/none", "is away, nothing is asked")],
)
def test_without_the_database_that_knows_of_orders_nothing_is_asked(
    sandbox: "Running", settings_env: Callable[..., None], address: str, said: str
) -> None:
    settings_env(DATABASE_URL=address)
    assert said in str(command("titles"))
    assert sandbox.requests("rdvpref") == []


@pytest.mark.usefixtures("listed")
@in_turn("name", ["named", "old", "nobodys"])
def test_no_other_desk_is_asked(sandbox: "Running", name: str) -> None:
    assert "has no label" in str(command("titles", f"evry_91/{name}"))
    assert sandbox.requests("rdvpref") == []


@pytest.mark.usefixtures("listed")
def test_a_command_reads_a_few_desks_at_most(
    sandbox: "Running", capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(titles, "_AT_ONCE", 1)
    assert "name 1 at most" in str(command("titles", "evry_91/a", "evry_91/b"))
    assert sandbox.requests("rdvpref") == []
    assert scrapy(capsys, "titles")[1].splitlines()[1:] == ["1 more: name them"]
    assert len(sandbox.requests("rdvpref")) == 1
