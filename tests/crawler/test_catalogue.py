from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.world.desk import Desk
from crawler.catalogue import CatalogueError, check_catalogue, main, visit_of
from tests.crawler.held import make_desk

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


def test_our_own_desk_files_fit_their_platforms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert "101 prefectures fit" in capsys.readouterr().out


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
    with pytest.raises(CatalogueError, match=rf"evry_91\.yaml: desk a: {said}") as raised:
        check_catalogue()
    assert len(raised.value.problems) == 1


def test_the_check_of_make_lint_fails_with_the_problems(
    two_desks: Path, settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    edit(two_desks, "platform: ezbooking", "platform: none", settings_env)
    assert main() == 1
    assert "evry_91.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("zone", "today"), [("Europe/Paris", "2026-11-20"), ("Pacific/Auckland", "2026-11-21")]
)
def test_today_is_the_desks_own_date(frozen: Any, zone: str, today: str) -> None:
    frozen.move_to("2026-11-20T12:00:00+00:00")
    visit = visit_of(make_desk(time_zone=zone, horizon=30, parameters={"plannings": [7]}))
    assert visit.today.isoformat() == today
    assert (visit.last_day - visit.today).days == 30
    assert visit.parameters.plannings == ("7",)


def test_a_socket_is_opened_by_no_browser(two_desks: Path, settings_env: Callable[..., None]) -> None:
    by_socket = 'platform: ants\n    parameters: {department_code: "91"}\n    fetch: browser'
    settings_env(BROWSER_PATH="/bin/sh", ANTS_TOKEN="tests-token")
    edit(two_desks, "platform: ezbooking", by_socket, settings_env)
    with pytest.raises(CatalogueError, match=r"yaml: desk a: fetch: ants asks by a socket here"):
        check_catalogue()
