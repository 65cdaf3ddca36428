"""Each page in both themes and directions, in narrow and wide windows, by keyboard, and after errors."""

from collections.abc import Callable

import pytest
from flask import Flask
from playwright.sync_api import Page

from tests.browser.arrival import check_arrival, check_width
from tests.browser.content import write_content
from tests.browser.page_list import NO_PAGES, Reader, list_pages
from tests.browser.page_walk import PageWalk, check_keyboard, count_forms, send_spoiled
from tests.browser.site import MakeContext, Site
from tests.browser.watch import Watch

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
    """Make a walk with the content of an account in this language."""
    return lambda language: PageWalk(site, write_content(language), make_context, watch, language)


def test_a_new_page_without_parameters_is_named(site: Site) -> None:
    assert {rule.endpoint for rule in site.app.url_map.iter_rules()} >= NO_PAGES
    app = Flask("another", static_folder=None)
    app.add_url_rule("/new/<name>", "new", str.upper)
    with pytest.raises(AssertionError, match=r"no parameters for \['new'\]"):
        list_pages(app, write_content())


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
    page = walk.open_browser(reader, dark=language == "ar").new_page()
    for sample in walk.list_pages(reader):
        page.goto(sample.path)
        for number in range(count_forms(page)):
            page.goto(sample.path)
            if number < count_forms(page) and send_spoiled(page, number, text):
                refused.append(sample.path)
    assert len(refused) >= (2 if reader is Reader.OPERATOR else 3), refused
