"""Rules for every platform: its names agree, its answers have golden pages, its reader does no I/O."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from configs.world.prefecture import desks
from crawler.catalogue import check_catalogue
from crawler.platforms import platform, platforms
from deploy import sandbox
from deploy.sandbox.platforms import platforms as stand_ins
from tests.crawler import golden
from tests.crawler.golden import CASES, load, name_of
from tests.in_turn import in_turn

NAMES = sorted(platforms())
NO_PLATFORMS = {"own_site"}  # what discovery walks: it has no booking pages
_SUFFIXES = ("autumn_clock_change", "spring_clock_change", "overseas")


def expected(name: str) -> dict[str, dict[str, Any]]:
    """Return what the golden pages of a platform must be read as, by case."""
    return {case.name: golden.expected(case) for case in CASES if case.parent.name == name}


# Names


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


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("outcome", ["slots", "no_slots"])
def test_both_answers_have_a_golden_page(name: str, outcome: str) -> None:
    assert outcome in {case["outcome"] for case in expected(name).values()}


@pytest.mark.parametrize("name", NAMES)
def test_who_reads_hours_reads_them_across_the_clock_changes_and_overseas(name: str) -> None:
    cases = expected(name)
    timed = {
        case for case, said in cases.items() if any("T" in (s["starts_at"] or "") for s in said["slots"])
    }
    for suffix in _SUFFIXES if timed else ():
        assert any(case.endswith(suffix) for case in timed), f"no page with hours is called …{suffix}"


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
