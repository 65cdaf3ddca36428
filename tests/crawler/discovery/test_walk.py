"""Walks of the stand-in of a prefecture's own site by real processes of Scrapy, to the report and the rows."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import sqlalchemy as sa

from api.models.base import session
from api.models.desk import DeskState, DeskStatus
from api.models.discovery import DiscoveryRun, Drift, DriftReason
from api.models.user import Role
from configs.clock import clock
from configs.prefecture import desk
from crawler.scheduling.desk_store import insert_missing
from tests.crawler.discovery.conftest import SITE, Walks
from tests.crawler.house import ROOT
from tests.crawler.incidents.incidents_world import person, told, waits
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

DESK = "melun_77/naturalisation"
BOOKING = "/Demarches/Etrangers/Prendre-rendez-vous"
pytestmark = [pytest.mark.journey, pytest.mark.processes]


def report(folder: Path) -> dict[str, Any]:
    (found,) = (folder / "state" / "discovery").glob("*/report.json")
    told_: dict[str, Any] = json.loads(found.read_text("utf-8"))
    return told_


def asked(sandbox: "Running", site: str = SITE) -> list[str]:
    return [seen.path for seen in sandbox.requests(site)]


def walked(walks: Walks) -> None:
    assert walks.start().wait(PATIENCE) == 0, walks.log(len(walks.started) - 1)


def rows_there() -> None:
    with session() as rows:
        insert_missing(rows, [desk(DESK)])


def test_a_walk_finds_what_nobody_listed_and_the_next_what_was_retired(
    walks: Walks, sandbox: "Running", tmp_path: Path, redis_server: redis.Redis
) -> None:
    rows_there()
    operator, waiting = person(Role.ADMIN), person()
    waits(waiting, {"desk_id": DESK}, ends=clock() + timedelta(days=1))

    walked(walks)
    first = report(tmp_path)
    (found,) = first["found"]
    assert (found["platform"], found["text"]) == ("rdvpref", "Titre de séjour : renouvellement")
    assert found["pages"] == [f"{sandbox.site(SITE)}{BOOKING}"]
    assert set(first["linked"]) == {DESK, "melun_77/mairie-sablonnieres"}
    assert (first["drifted"], first["sites"][0]["cut"]) == ([], False)
    (block,) = (tmp_path / "state" / "discovery").glob("*/melun_77.yaml")
    assert "demarche/991077/" in block.read_text("utf-8")
    assert redis_server.keys("crawler:discovery:*") == [], "a walk that ended leaves nothing in Redis"
    paths = asked(sandbox)
    assert max(Counter(paths).values()) == 1, "no page was asked twice"
    assert not [path for path in paths if path.startswith(("/Interdit", "/Agenda")) or path.endswith(".pdf")]
    assert "/Interdit/Guichet" in str(first["doubts"])
    assert asked(sandbox, "77") == ["/booking/create/48803"], "a desk's own page is asked once, for its title"

    sandbox.mode(SITE, "unlinked")
    walked(walks)
    assert asked(sandbox)[len(paths) :].index(BOOKING) <= 2, "where a desk was linked is asked first"
    assert asked(sandbox, "77") == ["/booking/create/48803"], "and not again within the day"
    with session() as rows:
        (drift,) = rows.scalars(sa.select(Drift))
        state = rows.get_one(DeskState, DESK)
        assert (drift.desk_id, drift.reason, drift.ends_at) == (DESK, DriftReason.UNLINKED, None)
        assert (state.status, BOOKING in state.status_reason) == (DeskStatus.ERROR, True)
    written = told(datetime.now().astimezone())
    assert {(each.user_id, each.kind) for each in written} == {
        (operator, "desk_trouble"),
        (waiting, "desk_unwatched"),
    }

    sandbox.mode(SITE, "normal")
    walked(walks)
    with session() as rows:
        assert rows.scalar(sa.select(Drift.ends_at)) is not None, "it is linked again"
        assert len(list(rows.scalars(sa.select(DiscoveryRun).where(DiscoveryRun.ended_at.is_not(None))))) == 3


def test_processes_share_a_walk_and_go_on_where_one_was_killed(
    walks: Walks, sandbox: "Running", tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(DISCOVERY_DELAY_SECONDS="0.1", HTTP_DEADLINE_SECONDS="10")
    first, second = walks.start(), walks.start()
    until(lambda: asked(sandbox).count("/robots.txt") == 2 and len(asked(sandbox)) > 15)
    first.kill()
    seen = len(asked(sandbox))
    until(lambda: len(asked(sandbox)) > seen + 5)
    second.kill()
    second.wait()
    assert walks.start().wait(PATIENCE) == 0, walks.log(2)
    pages = [each for each in sandbox.requests(SITE) if each.path != "/robots.txt"]
    twice = [path for path, times in Counter(each.path for each in pages).items() if times > 1]
    assert len(twice) <= 2, f"only what was in flight as each was killed is asked again: {twice}"
    assert asked(sandbox).count("/robots.txt") <= 3, "once for each process"
    at = [datetime.fromisoformat(each.at) for each in pages]
    assert min((later - sooner).total_seconds() for sooner, later in pairwise(at)) >= 0.1
    assert DESK in report(tmp_path)["linked"]
    with session() as rows:
        (run,) = rows.scalars(sa.select(DiscoveryRun))
        assert (run.cut, run.pages >= len(pages) - len(twice)) == (False, True)
        assert run.found == len(report(tmp_path)["found"]) > 0


def test_one_prefecture_at_the_terminal_needs_no_server(
    place: str, sandbox: "Running", settings_env: Callable[..., None], tmp_path: Path
) -> None:
    settings_env(DATABASE_URL="", REDIS_URL="", DISCOVERY_DELAY_SECONDS="0.01", DISCOVERY_PAGES="30")
    walk = [sys.executable, "-m", "scrapy", "crawl", "discovery", "-a", "prefecture=melun_77"]
    said = subprocess.run(walk, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert "demarche/991077/ (rdvpref) 'Titre de séjour : renouvellement'" in said.stdout
    assert f"  {DESK}: linked by {place}/" in said.stdout
    assert list((tmp_path / "state" / "discovery").glob("*/melun_77/report.json"))
    assert place in said.stdout
    at = [datetime.fromisoformat(each.at) for each in sandbox.requests(SITE)][1:]
    assert (at[-1] - at[0]).total_seconds() >= 0.039 * (len(at) - 1), "robots.txt asks for 0.04 s"
    seen = len(asked(sandbox))
    assert seen <= 33
    sandbox.mode(SITE, "maintenance")
    said = subprocess.run(walk, cwd=ROOT, check=True, capture_output=True, text=True, timeout=PATIENCE)
    assert len(asked(sandbox)) <= seen + 2, "a site that is under maintenance is left alone"
    assert f"{place}/: maintenance: " in said.stdout
    assert (
        f"  {DESK}: linked by no page that was read, and not all of the site could be read\n" in said.stdout
    )
