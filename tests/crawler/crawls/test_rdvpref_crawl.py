"""rdvpref by a real crawl against its stand-in."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from api.app import create_app
from api.models.desk import Publication
from configs.ground.clock import clock
from configs.world.desk import Desk, Outcome
from configs.world.prefecture import desks
from crawler.items import CheckItem
from crawler.recording.check_transaction import record_checks
from tests.crawler.held import Held, make_desk
from tests.crawler.incidents.incidents_world import person, told, waits
from tests.factories import add_desk, rows
from tests.sample_desk_files import desk_entry, prefecture_file

if TYPE_CHECKING:
    from tests.running_sandbox import Running

PARIS = ZoneInfo("Europe/Paris")
SITE, FORM = "rdvpref", 991092
PAGE = f"/rdvpref/reservation/demarche/{FORM}/"


def check(held: Held, sandbox: "Running", page: str = PAGE) -> CheckItem:
    desk = make_desk(f"{sandbox.site(SITE)}{page}", platform="rdvpref", watch="people")
    item = held.check(desk)
    assert isinstance(item, CheckItem)
    return item


def asked(sandbox: "Running") -> list[tuple[str, str]]:
    return [(seen.method, seen.path) for seen in sandbox.requests(SITE)]


def test_a_check_ends_at_the_captcha_and_sends_nothing(held: Held, sandbox: "Running") -> None:
    sandbox.open_slots(SITE, FORM, count=3)
    item = check(held, sandbox)
    assert (item.outcome, item.slots, item.covered, item.requests) == (Outcome.CAPTCHA, (), (), 2)
    assert asked(sandbox) == [("GET", PAGE), ("GET", f"{PAGE}cgu/")]


def test_where_no_captcha_stands_the_hours_are_read(held: Held, sandbox: "Running") -> None:
    sandbox.mode(SITE, "without_captcha")
    soon = clock().replace(minute=30, second=0, microsecond=0) + timedelta(days=2)
    opened = sandbox.open_slots(SITE, FORM, at=[soon, soon + timedelta(days=1)])
    item = check(held, sandbox)
    assert item.outcome is Outcome.SLOTS
    assert sorted(slot.starts_at for slot in item.slots if slot.starts_at) == opened
    sandbox.take_slots(SITE, FORM)
    later = soon + timedelta(days=20)
    sandbox.open_slots(SITE, FORM, at=[later])
    assert [slot.moment_text for slot in check(held, sandbox).slots] == [
        f"{later.astimezone(PARIS):%Y-%m-%d}"
    ]
    assert {method for method, _ in asked(sandbox)} == {"GET"}
    assert sandbox.reservations(SITE) == 0


@pytest.fixture
def listed(sandbox: "Running", database: str, tmp_path: Path, settings_env: Callable[..., None]) -> Desk:
    """Give the stand-in's procedure as the desk of a file, with its row."""
    url = f"{sandbox.site(SITE)}{PAGE}"
    entry = desk_entry("titre", url, clock().date(), watch="people").replace("ezbooking", SITE)
    (tmp_path / "evry_91.yaml").write_text(prefecture_file(tier=1, hosts=[], desks=[entry], capital="Évry"))
    settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)
    (desk,) = desks().values()
    add_desk(desk.id)
    return desk


@pytest.mark.usefixtures("redis_server")
def test_a_release_that_a_page_names_reaches_the_table_the_calendar_and_who_waits(
    held: Held,
    sandbox: "Running",
    listed: Desk,
) -> None:
    waiting = person()
    waits(waiting, {"desk_id": listed.id}, ends=clock() + timedelta(days=1))
    sandbox.mode(SITE, "without_captcha", release_minutes=20)
    item = held.check(listed, token=1)
    record_checks([item])
    release = item.releases_at
    assert release
    assert item.outcome is Outcome.NO_SLOTS
    following = release.astimezone(PARIS)
    before = following - timedelta(days=7)
    assert {(each.released_at, each.first_day, each.last_day) for each in rows(Publication)} == {
        (each, each.date(), each.date()) for each in (before, following)
    }
    calendar = create_app().test_client().get("/api/calendar?prefecture=evry_91").json or {}
    (shown,) = calendar["items"]
    assert (shown["deskId"], shown["beginsAt"]) == (listed.id, f"{release:%Y-%m-%dT%H:%M:%SZ}")
    (reminder,) = told(clock())
    assert (reminder.user_id, reminder.kind) == (waiting, "release_soon")
    assert reminder.params == {"desk": listed.id, "begins": release.isoformat(), "ends": None}
