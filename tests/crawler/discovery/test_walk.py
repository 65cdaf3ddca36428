"""Walks of stand-ins of prefectures' own sites by real processes of Scrapy, to the rows."""

import asyncio
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import redis

from api.models.base import session
from api.models.candidate import Candidate
from api.models.desk import DeskState, DeskStatus, HostState
from api.models.discovery import DeskLink, DiscoveryRun, Drift, DriftReason
from api.models.user import Role
from configs.ground.clock import clock
from configs.world.prefecture import desk
from crawler.scheduling import due_queue
from crawler.scheduling.planning import write_desks
from tests.crawler.incidents.incidents_world import person, told, waits
from tests.factories import get, one, rows
from tests.waiting import PATIENCE, until

if TYPE_CHECKING:
    from tests.running_sandbox import Running

ROOT = Path(__file__).parents[3]
SITE = "own_site"
SHORT = {
    "DISCOVERY_DELAY_SECONDS": "0.02",
    "DISCOVERY_SECONDS": "120",
    "HTTP_DEADLINE_SECONDS": "5",
}
DESK = "melun_77/naturalisation"
BOOKING = "/Demarches/Etrangers/Prendre-rendez-vous"
pytestmark = [pytest.mark.journey, pytest.mark.processes]


@pytest.fixture
def place(sandbox: "Running", tmp_path: Path, settings_env: Callable[..., None]) -> str:
    """Give the desk files of the one prefecture that has a stand-in for its own site; return its address."""
    port, name = sandbox.site("91").rpartition(":")[2], "melun_77.yaml"
    text = (ROOT / "deploy" / "sandbox" / "prefectures" / name).read_text("utf-8")
    (tmp_path / "prefectures").mkdir()
    (tmp_path / "prefectures" / name).write_text(text.replace(":8800", f":{port}"), "utf-8")
    settings_env(PREFECTURES_DIR=tmp_path / "prefectures", STATE_DIR=tmp_path / "state", **SHORT)
    return sandbox.site(SITE)


class Walks:
    """Processes that walk; each writes to a log of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one."""
        log = self._folder / f"walk{len(self.started)}.log"
        command = [sys.executable, "-m", "scrapy", "crawl", "discovery", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        with log.open("wb") as sink:
            self.started.append(
                subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink, env=environment)
            )
        return self.started[-1]

    def log(self, number: int = 0) -> str:
        """Return what one wrote."""
        return (self._folder / f"walk{number}.log").read_text("utf-8", "replace")


@pytest.fixture
def walks(place: str, database: str, redis_server: Any, tmp_path: Path) -> Iterator[Walks]:
    """Give processes that walk, on a database and a Redis of the test's own; none outlives it."""
    made = Walks(tmp_path)
    yield made
    for process in made.started:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


class Trap:
    """Runs when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (Path.touch, (self.file,))


def asked(sandbox: "Running", site: str = SITE) -> list[str]:
    return [seen.path for seen in sandbox.requests(site)]


def linking(desk_id: str) -> list[str]:
    return [each.page_url for each in rows(DeskLink, DeskLink.desk_id == desk_id)]


def walked(walks: Walks) -> None:
    assert walks.start().wait(PATIENCE) == 0, walks.log(len(walks.started) - 1)


def test_a_walk_finds_what_nobody_listed_and_the_next_what_was_retired(
    walks: Walks, sandbox: "Running", tmp_path: Path, redis_server: redis.Redis
) -> None:
    with session() as s:
        write_desks(s, [desk(DESK)], {})
    operator, waiting = person(Role.ADMIN), person()
    waits(waiting, {"desk_id": DESK}, ends=clock() + timedelta(days=1))

    walked(walks)
    (found,) = rows(Candidate, Candidate.number == "991077")
    assert (found.platform, found.source, found.state) == ("rdvpref", "discovery", "open")
    assert (found.prefecture_id, found.note) == ("melun_77", "Titre de séjour : renouvellement")
    assert found.linked_by in {f"{sandbox.site(SITE)}{path}" for path in asked(sandbox)}
    assert linking(DESK) == [f"{sandbox.site(SITE)}{BOOKING}"]
    assert rows(Drift) == []
    assert "not walked to their end: none" in walks.log()
    assert redis_server.keys("crawler:discovery:*") == [], "a walk that ended leaves nothing in Redis"
    paths = asked(sandbox)
    assert max(Counter(paths).values()) == 1, "no page was asked twice"
    assert not [path for path in paths if path.startswith(("/Interdit", "/Agenda")) or path.endswith(".pdf")]
    assert asked(sandbox, "77") == [], "a desk's own page is the checks' business"

    walked(walks)
    again = asked(sandbox)[len(paths) :]
    assert sorted(again) == sorted(paths), "two walks in a row find the same pages"
    (seen_again,) = rows(Candidate, Candidate.number == "991077")
    assert seen_again.last_seen_at > seen_again.first_seen_at == found.first_seen_at

    sandbox.mode(SITE, "unlinked")
    walked(walks)
    assert asked(sandbox)[2 * len(paths) :].index(BOOKING) <= 2, "where a desk was linked is asked first"
    drift, state = one(Drift), get(DeskState, DESK)
    assert (drift.desk_id, drift.reason, drift.ends_at) == (DESK, DriftReason.UNLINKED, None)
    assert (state.status, BOOKING in state.status_reason) == (DeskStatus.ERROR, True)
    written = told(datetime.now().astimezone())
    assert {(each.user_id, each.kind) for each in written} == {
        (operator, "desk_trouble"),
        (waiting, "desk_unwatched"),
    }

    sandbox.mode(SITE, "normal")
    walked(walks)
    assert one(Drift).ends_at is not None, "it is linked again"
    assert len(rows(DiscoveryRun, DiscoveryRun.ended_at.is_not(None))) == 4


def test_a_walk_goes_on_where_it_was_killed_and_runs_no_pickle(
    walks: Walks,
    sandbox: "Running",
    tmp_path: Path,
    settings_env: Callable[..., None],
    redis_server: redis.Redis,
) -> None:
    settings_env(DISCOVERY_DELAY_SECONDS="0.1", HTTP_DEADLINE_SECONDS="10")
    first = walks.start()
    until(lambda: len(asked(sandbox)) > 8)
    key = f"crawler:discovery:{one(DiscoveryRun).id}"
    redis_server.rpush(
        f"{key}:facts", '{"seen": {"url": "/", "seen": "read"}, "onward": []}'
    )  # an old release's
    redis_server.zadd(f"{key}:requests", {pickle.dumps(Trap(tmp_path / "ran"), protocol=0): -999})
    seen = len(asked(sandbox))
    until(lambda: len(asked(sandbox)) > seen + 3)
    first.kill()
    first.wait()
    walked(walks)
    assert not (tmp_path / "ran").exists()
    pages = [each for each in sandbox.requests(SITE) if each.path != "/robots.txt"]
    twice = [path for path, times in Counter(each.path for each in pages).items() if times > 1]
    assert len(twice) <= 1, f"only what was in flight as it was killed is asked again: {twice}"
    at = [datetime.fromisoformat(each.at) for each in pages]
    assert (
        min((later - sooner).total_seconds() for sooner, later in pairwise(at)) > 0.05
    )  # a busy site notes late
    assert linking(DESK)
    assert redis_server.keys("crawler:discovery:*") == []
    run = one(DiscoveryRun)
    assert (run.cut, run.pages >= len(pages) - len(twice), run.found > 0) == (False, True, True)


def test_a_walk_whose_scrapyd_died_ends_at_its_next_page_and_stays_open(
    walks: Walks, sandbox: "Running", settings_env: Callable[..., None]
) -> None:
    settings_env(SCRAPYD_PID="999999999")
    walked(walks)
    assert len(asked(sandbox)) == 2, "robots.txt and the first page"
    assert one(DiscoveryRun).ended_at is None


def test_a_site_that_is_under_maintenance_is_left_alone_and_pauses_are_made_as_asked(
    walks: Walks, sandbox: "Running", settings_env: Callable[..., None], tmp_path: Path
) -> None:
    settings_env(DISCOVERY_DELAY_SECONDS="0.01", DISCOVERY_PAGES="30")
    walked(walks)
    at = [datetime.fromisoformat(each.at) for each in sandbox.requests(SITE)][1:]
    assert (at[-1] - at[0]).total_seconds() >= 0.039 * (len(at) - 1), "robots.txt asks for 0.04 s"
    seen = len(asked(sandbox))
    assert seen <= 33
    sandbox.mode(SITE, "maintenance")
    walked(walks)
    assert len(asked(sandbox)) <= seen + 2
    assert "not walked to their end: melun_77" in walks.log(len(walks.started) - 1)


def test_a_site_that_refuses_a_walk_rests_for_checks_too_and_one_that_rests_or_is_stopped_is_not_walked(
    walks: Walks, sandbox: "Running", redis_server: redis.Redis
) -> None:
    host = sandbox.site(SITE).removeprefix("http://")
    sandbox.mode(SITE, "block")
    walked(walks)
    state = get(HostState, host)
    assert state.rests_until is not None
    assert state.rests_until > clock()
    asked_before = asked(sandbox)
    assert 0 < redis_server.ttl(f"crawler:rest:{host}") < redis_server.ttl(f"crawler:refused:{host}")
    sandbox.mode(SITE, "normal")
    walked(walks)
    redis_server.delete(f"crawler:rest:{host}")
    due_queue.replace_stopped(redis_server, [host])
    walked(walks)
    assert asked(sandbox) == asked_before


# All sites at once

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
_NONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class ManySites:
    """One server for each address of 127.77.6.0/24: small sites, of which `hanging` never answers."""

    def __init__(self, hanging: str) -> None:
        self.hanging = hanging
        self.asked: list[tuple[float, str, str]] = []  # when, by which address, which path
        self.port = 0
        self._ends: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._up = threading.Event()

    def run(self) -> None:
        """Serve until `stop`."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._ends = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "0.0.0.0", 0)  # noqa: S104 -- in a network of its own
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._ends[1].wait()
        server.close()

    def wait(self) -> None:
        """Wait until it serves."""
        assert self._up.wait(PATIENCE)

    def stop(self) -> None:
        """End `run`."""
        assert self._ends
        loop, over = self._ends
        loop.call_soon_threadsafe(over.set)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
            address = str(writer.get_extra_info("sockname")[0])
            self.asked.append((monotonic(), address, path))
            if address == self.hanging:
                await reader.read()  # until the process is gone
            links = b"".join(b'<a href="/%d-x">x</a>' % number for number in range(3))
            writer.write(_NONE if path == "/robots.txt" else _ANSWER % (len(links), links))
            await writer.drain()


@pytest.fixture
def many_sites(tmp_path: Path, settings_env: Callable[..., None]) -> Iterator[ManySites]:
    """Give all prefectures of the repository, without desks, sites of one server; the first of them hangs."""
    made = ManySites("127.77.6.1")
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    made.wait()
    folder = tmp_path / "prefectures"
    shutil.copytree(ROOT / "configs" / "prefectures", folder)
    for number, file in enumerate(sorted(folder.glob("*.yaml")), 1):
        head = re.split(r"(?m)^(?:hosts|desks):", file.read_text("utf-8"))[0]
        site = f"site: http://127.77.6.{number}:{made.port}"
        file.write_text(re.sub(r"(?m)^site:.*$", site, head) + "desks: []\n", "utf-8")
    settings_env(
        PREFECTURES_DIR=folder,
        STATE_DIR=tmp_path / "state",
        DISCOVERY_DELAY_SECONDS="0.02",
        HTTP_DEADLINE_SECONDS="30",
        DISCOVERY_SECONDS="120",
    )
    yield made
    made.stop()
    thread.join(PATIENCE)


@pytest.mark.usefixtures("database", "redis_server")
def test_one_site_that_hangs_holds_up_no_other(many_sites: ManySites, tmp_path: Path) -> None:
    walks = Walks(tmp_path)
    process = walks.start()
    try:
        until(lambda: len(asked_by(many_sites)) == 101 and len(many_sites.asked) >= 100 * 5 + 1)
    finally:
        process.kill()
        process.wait()
    first = next(at for at, address, _ in many_sites.asked if address == many_sites.hanging)
    last = max(at for at, address, _ in many_sites.asked if address != many_sites.hanging)
    assert last - first < 30, "all others are walked before the first time-out of the one that hangs"
    counts = Counter(address for _, address, _ in many_sites.asked)
    assert counts[many_sites.hanging] == 1
    assert set(counts.values()) == {1, 5}, "robots.txt, the home page and its three"


def asked_by(sites: ManySites) -> set[str]:
    return {address for _, address, _ in sites.asked}
