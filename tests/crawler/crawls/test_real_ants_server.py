"""The State's own search server, hubrdvmairie of the package index, on loopback with our own editors behind it.

Our spider watches it. It is the last version that is public (November 2024): the site of today asks for a captcha or a token besides.
"""

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import pytest

from api.models.slot import SlotRow
from configs.ground.clock import clock
from configs.world.desk import Outcome
from crawler.items import CheckItem
from tests.crawler.checks import open_after
from tests.crawler.held import Held, make_desk
from tests.factories import rows
from tests.waiting import wait_for_port

pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(400)]
PROGRAM = "hubrdvmairie"
HERE = Path(__file__).parent / "ants_server"
PARIS = ZoneInfo("Europe/Paris")
DAY = (datetime.now(PARIS) + timedelta(days=20)).date()
TEN = datetime.combine(DAY, datetime.min.time(), PARIS) + timedelta(hours=10)
EVRY = {"longitude": 2.43, "latitude": 48.62}
SOCKET: dict[str, Any] = {"department_code": "91"}
LIST: dict[str, Any] = {"streaming": False, "positions": [EVRY]}
TOKEN = {"X-HUB-RDV-AUTH-TOKEN": "tests-token"}
BOTH = pytest.mark.parametrize("by", [SOCKET, LIST], ids=["socket", "list"])


@dataclass
class Editor:
    """Our stand-in of a town hall's software, as the server asks it."""

    halls: tuple[str, ...] = ("Mairie",)
    hours: tuple[str | None, ...] = ()  # of each of its town halls, as this editor spells them
    status: int = 200
    seconds: float = 0  # how long it takes to answer
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, list[str]]) -> object:
        if path == "getManagedMeetingPoints":
            return [
                {"id": str(number), "name": name, "longitude": 2.44, "latitude": 48.63,
                 "public_entry_address": f"{number} place de la Mairie", "zip_code": "91000", "city_name": "ÉVRY",
                 "website": "https://mairie.invalid", "city_logo": "https://mairie.invalid/logo.png"}
                for number, name in enumerate(self.halls)
            ]  # fmt: skip
        self.asked.append(query)
        time.sleep(self.seconds)
        slots = [{"datetime": hour, "callback_url": "https://mairie.invalid/rdv"} for hour in self.hours]
        return dict.fromkeys(query["meeting_point_ids"], slots)


class RealServer:
    """The server and its editors; `collect` does what happens once a day, `next_minute` what each minute."""

    def __init__(self, root: str, editors: dict[str, Editor]) -> None:
        self.root = root
        self._editors = editors

    def collect(self, **editors: Editor) -> None:
        """Put these behind the server, which numbers their town halls in this order."""
        self._editors.clear()
        self._editors |= editors
        self._post(f"/daily/{','.join(editors)}")

    def next_minute(self) -> None:
        self._post("/minute")

    def _post(self, path: str) -> None:
        urllib.request.urlopen(urllib.request.Request(self.root + path, method="POST"), timeout=60).close()


@pytest.fixture(scope="module")
def editors() -> Iterator[tuple[str, dict[str, Editor]]]:
    known: dict[str, Editor] = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            _, name, call = parts.path.split("/")
            body = json.dumps(known[name].answer(call, parse_qs(parts.query))).encode()
            self.send_response(known[name].status if call == "availableTimeSlots" else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", known
        server.shutdown()


@pytest.fixture(scope="module")
def running(
    python: Path, editors: tuple[str, dict[str, Editor]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    root, known = editors
    log = tmp_path_factory.mktemp("ants") / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [str(python), str(HERE / "serve.py"), root],
            cwd=log.parent,
            env={},
            stdout=written,
            stderr=written,
        )
    try:
        yield RealServer(f"http://127.0.0.1:{wait_for_port(process.pid, log)}", known)
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def server(running: RealServer, settings_env: Callable[..., None], held: Held) -> RealServer:
    settings_env(ANTS_TOKEN="tests-token", HTTP_DEADLINE_SECONDS=45)
    running.next_minute()
    return running


def at(hour: int, ending: str = ":00Z") -> str:
    return f"{DAY}T{hour:02}:00{ending}"


def check(held: Held, server: RealServer, by: dict[str, Any] = SOCKET) -> CheckItem:
    return held.check(make_desk(f"{server.root}/", platform="ants", parameters=by))


@BOTH
def test_hours_of_one_editor_are_slots_beside_one_that_has_none(
    held: Held, server: RealServer, by: dict[str, Any]
) -> None:
    full = Editor(("Mairie annexe",))
    server.collect(full=full, open=Editor(hours=(at(10, "Z"), at(14), at(9, ":00"))))
    item = check(held, server, by)
    assert (item.outcome, item.error) == (Outcome.SLOTS, None)
    hours = {TEN - timedelta(hours=1), TEN, TEN + timedelta(hours=4)}
    assert {(slot.place.key, slot.moment) for slot in item.slots} == {
        ("mairie / 91000 / evry", each) for each in hours
    }
    assert [each.doubtful for each in item.covered] == [True]
    assert (full.asked[0]["reason"], full.asked[0]["documents_number"]) == (["CNI-PASSPORT"], ["1"])


@pytest.mark.rule("3.2")
@BOTH
def test_an_absence_that_all_editors_tell_is_no_slots_in_doubt(
    held: Held, server: RealServer, by: dict[str, Any]
) -> None:
    server.collect(one=Editor(), other=Editor())
    item = check(held, server, by)
    assert (item.outcome, [each.doubtful for each in item.covered]) == (Outcome.NO_SLOTS, [True])


@pytest.mark.rule("3.2")
def test_an_editor_whose_hours_cannot_be_read_is_counted_and_takes_nothing_from_the_others(
    held: Held, server: RealServer
) -> None:
    odd = Editor(hours=(None,))
    server.collect(odd=odd, full=Editor(("Mairie annexe",)))
    item = check(held, server)
    assert (item.outcome, item.reason) == (Outcome.OVERLOADED, "editors failed: 1 of 2")
    server.collect(odd=odd, open=Editor(hours=(at(10),)))
    item = check(held, server)
    assert (item.outcome, len(item.slots), item.covered) == (Outcome.SLOTS, 1, ())


@pytest.mark.rule("3.2")
def test_an_editor_that_answers_an_error_leaves_the_search_without_its_end(
    held: Held, server: RealServer, settings_env: Callable[..., None]
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS=12)
    broken = Editor(status=500, seconds=3)
    server.collect(broken=broken, full=Editor(("Mairie annexe",)))
    assert [(each.outcome, each.covered) for each in (check(held, server), check(held, server, LIST))] == [
        (Outcome.UNREACHABLE, ())
    ] * 2
    server.collect(broken=broken, open=Editor(("Mairie annexe",), hours=(at(10),)))
    item = check(held, server)
    assert (item.outcome, len(item.slots), item.covered) == (Outcome.SLOTS, 1, ())


@pytest.mark.rule("3.2")
def test_an_area_in_which_no_editor_has_a_town_hall_proves_nothing(held: Held, server: RealServer) -> None:
    server.collect(elsewhere=Editor(halls=()), other=Editor(halls=()))
    item = check(held, server)
    assert (item.outcome, item.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.usefixtures("database")
def test_an_editor_silent_for_20_seconds_looks_as_if_it_had_nothing_and_one_such_answer_closes_nothing(
    held: Held, server: RealServer
) -> None:
    slow = Editor(hours=(at(10),))
    server.collect(slow=slow)
    assert recorded(held, server, 1) == (Outcome.SLOTS, {TEN})
    slow.seconds = 20
    assert recorded(held, server, 2) == (Outcome.NO_SLOTS, {TEN})
    slow.seconds = 0
    assert recorded(held, server, 3) == (Outcome.SLOTS, {TEN})


@pytest.mark.usefixtures("database")
def test_a_town_hall_under_another_number_is_the_same_place(held: Held, server: RealServer) -> None:
    ours, other = Editor(hours=(at(10),)), Editor(("Mairie annexe",), (at(11),))
    server.collect(ours=ours, other=other)
    expected = (Outcome.SLOTS, {TEN, TEN + timedelta(hours=1)})
    numbers = [listed(server)]
    assert recorded(held, server, 1) == expected
    server.collect(other=other, ours=ours)
    numbers.append(listed(server))
    assert recorded(held, server, 2) == expected
    assert numbers == [
        {"Mairie": "201", "Mairie annexe": "202"},
        {"Mairie": "202", "Mairie annexe": "201"},
    ]
    assert len(rows(SlotRow)) == 2


def test_an_editor_that_gives_its_offset_shows_its_hours_later_than_they_are(
    held: Held, server: RealServer
) -> None:
    server.collect(odd=Editor(hours=(at(9, ":00+01:00"),)))
    item = check(held, server)
    assert [slot.moment for slot in item.slots] == [TEN]


def test_more_messages_in_a_minute_than_the_server_takes_are_a_rate_limit(
    held: Held, server: RealServer
) -> None:
    server.collect(open=Editor(hours=(at(10),)))
    outcomes = [check(held, server).outcome for _ in range(32)]
    assert outcomes == [Outcome.SLOTS] * 31 + [Outcome.RATE_LIMITED]
    outcomes = [check(held, server, LIST).outcome for _ in range(31)]
    assert outcomes == [Outcome.SLOTS] * 30 + [Outcome.RATE_LIMITED]


def recorded(held: Held, server: RealServer, token: int) -> tuple[Outcome, set[datetime]]:
    """Check and record it as a spider does; return how it ended, and what is open from then on."""
    return open_after(check(held, server), token)


def listed(server: RealServer) -> dict[str, str]:
    """Return the numbers of the town halls with an hour, by name."""
    window = {"start_date": f"{clock():%Y-%m-%d}", "end_date": f"{DAY + timedelta(days=9)}"}
    url = f"{server.root}/api/SlotsFromPosition?{urlencode({**EVRY, **window, 'radius_km': 20})}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=TOKEN), timeout=60) as answer:
        return {each["name"]: each["id"] for each in json.load(answer)}
