"""Rules for every platform: its names agree, its answers have golden pages, its reader does no I/O."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from configs.ground.strict_yaml import ConfigFileError
from configs.world.desk import Desk
from configs.world.prefecture import desks, prefectures
from crawler.catalogue import check_catalogue
from crawler.platforms import platform, platforms
from crawler.visit_state import visit_of
from deploy import sandbox
from deploy.sandbox.platforms import platforms as stand_ins
from tests.crawler import golden
from tests.crawler.golden import CASES, load, name_of
from tests.crawler.held import make_desk
from tests.in_turn import in_turn

NAMES = sorted(platforms())
NO_PLATFORMS = {"own_site"}  # what discovery walks: it has no booking pages


def expected(name: str) -> dict[str, dict[str, Any]]:
    """Return what the golden pages of a platform must be read as, by case."""
    return {case.name: golden.expected(case) for case in CASES if case.parent.name == name}


# Desks


@pytest.mark.parametrize("files", [None, Path(sandbox.__file__).parent / "prefectures"])
def test_every_desks_platform_exists_and_takes_its_parameters(
    files: Path | None, settings_env: Callable[..., None]
) -> None:
    settings_env(**({"PREFECTURES_DIR": files} if files else {}))
    check_catalogue()
    if files:
        assert {desk.platform for desk in desks().values()} == set(stand_ins()) - NO_PLATFORMS


# Golden pages


@in_turn("name", NAMES)
@in_turn("outcome", ["slots", "no_slots"])
def test_both_answers_have_a_golden_page(name: str, outcome: str) -> None:
    assert outcome in {case["outcome"] for case in expected(name).values()}


# Purity


_forbidden: list[str] = []  # what was tried
_watching = False
_IO = (
    "open",
    "socket.",
    "subprocess.",
    "os.",
    "shutil.",
    "urllib.",
    "http.",
    "import",
    "ctypes.",
    "tempfile.",
)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event.startswith(_IO):
        _forbidden.append(f"{event} {arguments[:1]}")
        raise PermissionError(f"a reader does I/O: {event} {arguments[:1]}")


datetime.strptime("2026", "%Y").replace(tzinfo=UTC)  # its first call imports a module
sys.addaudithook(_audit)  # Python takes none back: it looks only while _watching


@contextmanager
def nothing_but_reading() -> Iterator[list[str]]:
    """Refuse files, sockets, processes and imports while the block lasts; yield the attempts."""
    global _watching  # noqa: PLW0603 -- an audit hook has no other way to know
    _forbidden.clear()
    _watching = True
    try:
        yield _forbidden
    finally:
        _watching = False


@in_turn("case", CASES, name_of)
def test_a_reader_needs_neither_a_file_nor_a_socket_nor_the_clock(case: Path, time_machine: Any) -> None:
    reader, page = platform(case.parent.name), load(case)
    readings = []
    for now in ("1999-12-31T23:59:59Z", "2040-02-29T12:00:00Z"):
        time_machine.move_to(now)
        with nothing_but_reading() as tried:
            readings.append(reader.read_page(page))
        assert not tried
    assert readings[0] == readings[1]


DeskFiles = Callable[..., dict[str, Desk]]


@pytest.fixture
def two_desks(desk_files: DeskFiles, tmp_path: Path) -> Path:
    desk_files(a="127.77.0.91:1", b="127.0.0.2:1")
    return tmp_path / "prefectures"


def edit(folder: Path, old: str, new: str, settings_env: Callable[..., None]) -> None:
    """Change the desk file."""
    path = next(folder.glob("*.yaml"))
    text = path.read_text()
    path.write_text(text.replace(old, new, 1))
    settings_env(PREFECTURES_DIR=folder)


def test_our_own_desk_files_fit_their_platforms() -> None:
    check_catalogue()
    assert len(prefectures()) == 101


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "platform: ezbooking",
            "platform: ezboking",
            "platform: no platform 'ezboking': there are .*ezbooking",
        ),
        ("/booking/create/23014", "/home", "url: .* is no EZBooking address"),
        (
            "grade:",
            "parameters: {planings: [1]}\n    grade:",
            r"parameters\.planings: is no parameter .*: plannings",
        ),
        ("grade:", "parameters: {plannings: [A]}\n    grade:", r"parameters\.plannings\.0: "),
    ],
)
def test_a_desk_that_does_not_fit_is_named_by_file_desk_and_key(
    two_desks: Path, settings_env: Callable[..., None], old: str, new: str, said: str
) -> None:
    edit(two_desks, old, new, settings_env)
    with pytest.raises(ConfigFileError, match=rf"evry_91\.yaml: desk a: {said}") as raised:
        check_catalogue()
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    ("zone", "today"), [("Europe/Paris", "2026-11-20"), ("Pacific/Auckland", "2026-11-21")]
)
def test_today_is_the_desks_own_date(frozen: Any, zone: str, today: str) -> None:
    frozen.move_to("2026-11-20T12:00:00+00:00")
    visit = visit_of(make_desk(time_zone=zone, horizon=30, parameters={"plannings": [7]}))
    assert visit.today.isoformat() == today
    assert (visit.last_day - visit.today).days == 30
    assert visit.parameters.plannings == ("7",)


def test_a_page_whose_reader_awaits_nothing_is_opened_by_no_browser(
    two_desks: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(BROWSER_PATH="/bin/sh")
    edit(two_desks, "platform: ezbooking", "platform: ezbooking\n    fetch: browser", settings_env)
    with pytest.raises(
        ConfigFileError, match=r"yaml: desk a: fetch: no ezbooking page is opened in a browser"
    ):
        check_catalogue()
