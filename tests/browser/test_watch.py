"""The watch sees what it is there for: where it sees nothing, no journey would fail."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask, Response
from playwright.sync_api import Page

from tests.browser.arrival import list_faults
from tests.browser.axe import list_violations
from tests.browser.contexts import MakeContext
from tests.browser.keyboard import check_keyboard
from tests.browser.site import Server
from tests.browser.watch import Watch

pytestmark = pytest.mark.xdist_group("browser")
Show = Callable[..., Page]
NOWHERE = "http://127.0.0.1:9"  # where nothing answers
SCRIPT = "<script src=/script.js></script>"
POLICY = {"Content-Security-Policy": "default-src 'self'"}


@pytest.fixture
def show(server: Server, make_context: MakeContext) -> Iterator[Show]:
    """Open a page of this HTML; `script` is what /script.js has."""
    context = make_context(server.url)

    def open_page(html: str, script: str = "", **headers: str) -> Page:
        server.app = app = Flask("small")
        app.add_url_rule("/page", "page", lambda: Response(f"<!doctype html>{html}", headers=headers))
        app.add_url_rule("/favicon.ico", "icon", lambda: ("", 204))  # asked for where a page names none
        app.add_url_rule("/script.js", "script", lambda: Response(script, mimetype="text/javascript"))
        page = context.new_page()
        page.goto("/page")
        return page

    yield open_page
    server.app = None


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<script>1</script>", "console of"),
        ("<p style='color: red'>", "console of"),
        ("<img src=/nothing>", "console of"),
        (SCRIPT, "error in a script of"),
        (f"<a href={NOWHERE}></a><iframe src={NOWHERE}>", "request to another host"),
    ],
)
def test_what_must_not_happen_is_a_problem(show: Show, watch: Watch, html: str, problem: str) -> None:
    show(html, "throw new Error('broken')", **({} if NOWHERE in html else POLICY))
    assert [each for each in watch.list_problems() if each.startswith(problem)]
    assert watch.list_problems() == []


def test_a_page_that_breaks_what_holds_for_all_is_named(show: Show) -> None:
    page = show("<html lang=fr dir=ltr><title>Title</title><h1>Heading</h1><p id=a>&amp;amp;<p id=a><input>")
    assert [each.split()[0] for each in list_faults(page)] == ["the", "ids", "escaped"]
    assert "label" in {each.rule for each in list_violations(page)}
    wide = show("<html lang=ar dir=rtl><title>One</title><h1>One</h1><table><td><hr width=3000></table>")
    assert any("px wide in" in each for each in list_faults(wide, "ar"))


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("<style>:focus { outline: 0 }</style><a href=/>one</a>", "focus not seen: <a href"),
        ("<a href=/>one</a><button tabindex=1>two</button>", "out of order"),
        ("<a href=/>one</a><script src=/script.js></script><button>two</button>", "not reached: .*two"),
    ],
)
def test_what_a_keyboard_cannot_do_is_named(show: Show, html: str, problem: str) -> None:
    leave = "addEventListener('keydown', (event) => document.activeElement.href && event.preventDefault())"
    with pytest.raises(AssertionError, match=problem):
        check_keyboard(show(html, leave))
