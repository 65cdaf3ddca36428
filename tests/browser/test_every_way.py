"""Each page in both themes and directions, in narrow and wide windows, by keyboard, and after errors."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.arrival import check_arrival, check_width
from tests.browser.page_walk import (
    PageWalk,
    Reader,
    check_keyboard,
    count_forms,
    send_spoiled,
    write_world,
)
from tests.browser.site import MakeContext, Site
from tests.browser.watch import Watch
from tests.lab.pictures.pages import NO_PAGES, list_unlisted

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]
MakeWalk = Callable[[str], PageWalk]
_READS = [
    (reader, language)
    for reader in Reader
    for language in ("fr", "ar")
    if (reader, language) != (Reader.OPERATOR, "ar")
]
READERS = pytest.mark.parametrize(("reader", "language"), _READS)  # operators' pages are French only


@pytest.fixture
def make_walk(site: Site, make_context: MakeContext, watch: Watch) -> MakeWalk:
    """Make a walk in this language."""
    return lambda language: PageWalk(site, write_world(site.app), make_context, watch, language)


def test_a_new_page_is_named(site: Site) -> None:
    shots = write_world(site.app)
    assert {rule.endpoint for rule in site.app.url_map.iter_rules()} >= NO_PAGES
    assert list_unlisted(site.app, shots) == {}, "add their addresses to tests/lab/pictures/pages.py"
    assert list_unlisted(site.app, [each for each in shots if "/carte" not in each.path]) == {
        "map.show_map": "/carte"
    }


@READERS
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_each_theme_and_direction_with_all_parts_open(
    make_walk: MakeWalk, language: str, dark: bool, reader: Reader
) -> None:
    def check(page: Page) -> None:
        page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        check_arrival(page)

    problems = make_walk(language).list_problems(check, reader, dark=dark)
    assert not problems, "\n".join(problems)


@READERS
@pytest.mark.parametrize("width", [320, 390, 1920])
def test_nothing_is_wider_than_the_window(
    make_walk: MakeWalk, language: str, width: int, reader: Reader
) -> None:
    problems = make_walk(language).list_problems(check_width, reader, width=width, height=800)
    assert not problems, "\n".join(problems)


@READERS
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(
    make_walk: MakeWalk, language: str, reader: Reader
) -> None:
    problems = make_walk(language).list_problems(check_keyboard, reader)
    assert not problems, "\n".join(problems)


@READERS
@pytest.mark.parametrize("text", ["", "x" * 300], ids=["empty", "nonsense"])
def test_a_form_that_is_refused_says_what_is_wrong(
    make_walk: MakeWalk, language: str, reader: Reader, text: str
) -> None:
    walk, refused = make_walk(language), []
    for page, shots in walk.list_pages(reader, dark=language == "ar"):
        for shot in shots:
            page.goto(walk.address(shot))
            for number in range(count_forms(page)):
                page.goto(walk.address(shot))
                if number < count_forms(page) and send_spoiled(page, number, text):
                    refused.append(shot.name)
    assert len(refused) >= (2 if reader is Reader.OPERATOR else 3), refused
