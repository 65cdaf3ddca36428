import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from configs.world.desk import Desk
from crawler.booking import each_once
from crawler.items import CheckItem, describe_checks, slot_items
from crawler.reading import Place, Slot
from tests.crawler.checks import check
from tests.crawler.held import make_desk
from tests.in_turn import in_turn
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.running_sandbox import Running


ROOT = Path(__file__).parents[3]


@pytest.mark.rule("3.9")
@pytest.mark.parametrize(
    ("site", "waits"),
    [
        ("https://www.essonne.gouv.fr", [40]),  # four requests at six a minute; no wait after the last
        ("https://www.x.gouv.fr", []),  # at its stand-in
        ("http://127.77.0.91:8800", []),
    ],
)
def test_a_real_host_is_left_alone_between_two_of_its_desks(
    no_sleep: Callable[..., list[float]], settings_env: Callable[..., None], site: str, waits: list[float]
) -> None:
    settings_env(SANDBOX_HOSTS="www.x.gouv.fr=127.0.0.1:1")

    async def visit(each: Desk, _: int | None) -> CheckItem:
        return check(each.slug, requests=4)

    rested = no_sleep()

    async def both() -> list[str]:
        desks = [make_desk(f"{site}/booking/create/{form}", slug=f"{form}") for form in (1, 2)]
        return [each.slug async for each, _ in each_once(desks, visit)]

    assert asyncio.run(both()) == ["1", "2"]
    assert [each for each in rested if each] == waits


def scrapy(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command as its user does, with neither a database nor Redis to be found."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(
        [sys.executable, "-m", "scrapy", *arguments],
        cwd=ROOT,
        env={**kept, "APP_ENV": "test", **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.rule("3.6")
@pytest.mark.journey
def test_a_check_at_the_terminal_reports_exports_and_says_nothing_else(
    sandbox: "Running", desk_files: Callable[..., dict[str, Desk]], tmp_path: Path
) -> None:
    desk_files(a=sandbox.site("91").removeprefix("http://"), b="127.0.0.1:9")
    opened = sandbox.open_slots("91", 23014, count=2)
    feed = tmp_path / "slots.jsonl"
    deadline = {"HTTP_DEADLINE_SECONDS": "8"}
    done = scrapy("crawl", "prefenligne", "-a", "prefecture=evry_91", "-O", str(feed), **deadline)
    assert (done.returncode, done.stderr) == (0, "")
    assert "evry_91/a: SLOTS" in done.stdout
    assert f"{opened[0]:%Y-%m-%d %H:%M}  Guichet A" in done.stdout
    assert "evry_91/b: UNREACHABLE" in done.stdout
    assert "2 checked: 1 slots, 1 unreachable" in done.stdout
    rows = [json.loads(line) for line in feed.read_text().splitlines()]
    assert [row["starts_at"] for row in rows] == [moment.isoformat() for moment in opened]
    assert set(rows[0]) >= {"desk", "prefecture", "procedures", "label", "place", "booking_url", "seen_at"}


def test_an_open_desk_shows_its_first_hours_and_where_to_book() -> None:
    start = datetime(2026, 12, 3, 8, 30, tzinfo=UTC)
    shown = (Slot(Place("23018", "Guichet A"), start + timedelta(days=day)) for day in range(7))
    told = describe_checks("prefenligne", [(make_desk(), check("a", None, *shown))])
    assert told.splitlines() == [
        "evry-courcouronnes_91/naturalisation: SLOTS in 120 ms, 3 requests",
        "    Naturalisation",
        "    7 open, book at http://127.77.0.91:8800/booking/create/23014",
        "      2026-12-03 09:30  Guichet A",
        "      2026-12-04 09:30  Guichet A",
        "      2026-12-05 09:30  Guichet A",
        "      2026-12-06 09:30  Guichet A",
        "      2026-12-07 09:30  Guichet A",
        "      and 2 more",
        "prefenligne: 1 checked: 1 slots",
    ]


GUICHET = Place("23018", "Guichet A")


@in_turn(
    "moment, shown",
    [
        (datetime(2026, 12, 3, 8, 30, tzinfo=UTC), "2026-12-03T09:30:00+01:00"),
        (datetime(2027, 7, 1, 8, 30, tzinfo=UTC), "2027-07-01T10:30:00+02:00"),
        (date(2026, 12, 3), "2026-12-03"),
        (None, None),
    ],
)
def test_a_moment_is_shown_by_the_desks_own_clock(moment: datetime | date | None, shown: str | None) -> None:
    (row,) = slot_items(make_desk(), check("a", None, Slot(GUICHET, moment)))
    assert row["starts_at"] == shown


def test_a_row_says_what_is_booked_where_and_when_it_was_seen() -> None:
    later, sooner = (datetime(2026, 12, day, 8, tzinfo=UTC) for day in (4, 3))
    seen = (Slot(GUICHET, later), Slot(Place("9"), sooner, "https://x.fr/9", 2))
    item = check("a", None, *seen, seen_at=datetime(2026, 11, 20, 9, 0, 3, tzinfo=UTC))
    first, second = slot_items(make_desk(procedures=["VISA", "AUTRE"]), item)
    assert (first["place"], first["booking_url"], first["seats"]) == ("9", "https://x.fr/9", 2)
    assert (second["place"], second["booking_url"]) == ("Guichet A", item.booking_url)
    assert first["procedures"] == ("AUTRE", "VISA")
    assert first["seen_at"] == "2026-11-20T09:00:03+00:00"
