"""A third-party site, django-appointment of the package index, watched by selectors of a desk file alone.

Its page is empty until its script has asked for the hours, so that a browser is needed; by HTTP nothing is proven.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from api.models.slot import SlotRow
from configs.ground.clock import clock
from configs.world.desk import Desk, Fetch, Outcome
from configs.world.prefecture import desks
from tests.crawler.checks import open_after
from tests.crawler.held import Held
from tests.factories import rows
from tests.waiting import wait_for_port

pytestmark = [pytest.mark.journey, pytest.mark.processes, pytest.mark.timeout(400)]
PROGRAM = "django-appointment"
HERE = Path(__file__).parent / "appointment_site"
HOURS = (15, 16, 17)  # of the site's today, as manage.py makes them


class RealSite(NamedTuple):
    """The site: its commands (see manage.py), its port, the zone that its clock shows."""

    tell: Callable[..., None]
    port: int
    zone: ZoneInfo

    def hour(self, hour: int) -> datetime:
        return datetime.combine(clock().astimezone(self.zone).date(), time(hour), self.zone)


@pytest.fixture
def site(python: Path, tmp_path: Path) -> Iterator[RealSite]:
    """Serve it in the zone where it is eight in the morning or so: today's hours lie ahead."""
    east = (8 - clock().hour + 12) % 24 - 12
    zone = f"Etc/GMT{-east:+d}"
    environment = {"SITE_STATE": str(tmp_path), "SITE_ZONE": zone}

    def command(*told: str) -> list[str]:
        return [str(python), str(HERE / "manage.py"), *told]

    def tell(*told: str) -> None:
        subprocess.run(command(*told), env=environment, check=True, capture_output=True, timeout=60)

    tell("made")
    log = tmp_path / "site.log"
    with log.open("wb") as written, _ending(
        subprocess.Popen(command("runserver", "--noreload", "127.0.0.1:0"), env=environment,
                         stdout=written, stderr=written)
    ) as process:  # fmt: skip
        yield RealSite(tell, wait_for_port(process.pid, log), ZoneInfo(zone))


@contextmanager
def _ending(process: "subprocess.Popen[bytes]") -> "Iterator[subprocess.Popen[bytes]]":
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def desk(site: RealSite, tmp_path: Path, settings_env: Callable[..., None], held: Held) -> Desk:
    """Return the desk of the file: its YAML and nothing else says how the site is read."""
    (file,) = HERE.glob("*.yaml")
    (tmp_path / "prefectures").mkdir()
    text = file.read_text().replace(":8000/", f":{site.port}/").replace("Europe/Paris", site.zone.key)
    (tmp_path / "prefectures" / file.name).write_text(text)
    settings_env(PREFECTURES_DIR=tmp_path / "prefectures")
    (only,) = desks().values()
    return only


def test_by_http_nothing_is_proven_whether_hours_are_free_or_not(
    held: Held, site: RealSite, desk: Desk
) -> None:
    by_http = desk.model_copy(update={"fetch": Fetch.HTTP})
    assert held.check(by_http).outcome is Outcome.UNREADABLE
    site.tell("taken")
    assert held.check(by_http).outcome is Outcome.UNREADABLE


@pytest.mark.usefixtures("browser", "database")
def test_in_a_browser_hours_are_seen_taken_and_freed(held: Held, site: RealSite, desk: Desk) -> None:
    assert open_after(held.check(desk), 1) == (Outcome.SLOTS, {site.hour(each) for each in HOURS})
    site.tell("take", "16:00")
    assert open_after(held.check(desk), 2) == (Outcome.SLOTS, {site.hour(15), site.hour(17)})
    site.tell("taken")
    assert open_after(held.check(desk), 3) == (Outcome.NO_SLOTS, set())
    site.tell("free", "16:00")
    assert open_after(held.check(desk), 4) == (Outcome.SLOTS, {site.hour(16)})
    # One that is back within five minutes is the same slot.
    assert sorted(each.starts_at for each in rows(SlotRow)) == [site.hour(each) for each in HOURS]
