"""A walk over all pages in one browser, as a visitor, or as the user or the operator of the content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.arrival import check_arrival
from tests.browser.content import EMAIL, Content
from tests.browser.page_list import Reader, SamplePage, list_pages
from tests.browser.site import MakeContext, Site, keep_page
from tests.browser.watch import Watch

_MORE = 20  # presses beyond the number of controls: fields of dates have several stops
# All controls that a keyboard must reach, in the order of the page, with their looks while they have no focus. Of the
# radio buttons of one question, Tab reaches one.
_PREPARE = """() => {
  // Tab begins at the top, also on a page that led to what is wrong.
  document.body.tabIndex = -1;
  document.body.focus();
  document.body.removeAttribute("tabindex");
  const one = new Set();
  const selector = ":is(a[href], button, input, select, textarea, summary, [tabindex='0']):not([tabindex='-1'])";
  const looks = (each) => {
    const style = getComputedStyle(each);
    const isDrawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return (isDrawn ? style.outline : "") + style.boxShadow;
  };
  window.controls = [...document.querySelectorAll(selector)].filter((each) => {
    if (each.disabled || each.type === "hidden" || !each.checkVisibility({ visibilityProperty: true })) return false;
    if (each.type !== "radio") return true;
    const isNew = !one.has(each.name);
    one.add(each.name);
    return isNew;
  });
  window.looksBefore = new Map(window.controls.map((each) => [each, looks(each)]));
  window.looksOf = looks;
  return window.controls.length;
}"""
# The stop that has the focus: its place among the controls, and what is wrong with it.
_STOP = """() => {
  const each = document.activeElement;
  if (each === document.body) return null;
  const box = each.getBoundingClientRect();
  const name = each.outerHTML.slice(0, 120);
  const place = window.controls.findIndex((one) => one === each || (each.type === "radio" && one.name === each.name));
  const wrong = [];
  if (place < 0) wrong.push(`no control: ${name}`);
  else if (window.looksOf(each) === window.looksBefore.get(window.controls[place])) wrong.push(`focus not seen: ${name}`);
  if (box.bottom <= 0 || box.top >= innerHeight) wrong.push(`focus out of the window: ${name}`);
  return { place, wrong };
}"""
# Which parts about push messages a page shows, its script says a moment later.
_SETTLED = """() => {
  const parts = [...document.querySelectorAll("[data-push]")];
  return !parts.length || parts.some((each) => !each.hidden);
}"""
# Tab goes to these before all others.
_AHEAD = (
    "() => window.controls.filter((each) => each.tabIndex > 0).map((each) => each.outerHTML.slice(0, 120))"
)
_NAMES = "places => places.map((each) => window.controls[each].outerHTML.slice(0, 120))"


def check_keyboard(page: Page) -> None:
    """Press Tab through a page.

    Raises:
        AssertionError: a control is not reached, comes out of order, or does not show the focus.
    """
    page.wait_for_function(_SETTLED)
    number = page.evaluate(_PREPARE)
    stops: list[int] = []
    problems = [f"out of order: {each}" for each in page.evaluate(_AHEAD)]
    for _ in range(number + _MORE):
        page.keyboard.press("Tab")
        stop = page.evaluate(_STOP)
        if stop is None or (stops and stop["place"] == stops[0] != stops[-1]):
            break  # after the last one, the page begins again
        problems += stop["wrong"]
        if stop["place"] not in stops[-1:]:
            stops.append(stop["place"])
    missed = sorted(set(range(number)) - set(stops))
    if missed:
        problems.append(f"not reached: {page.evaluate(_NAMES, missed)}")
    if stops != sorted(stops):
        problems.append(f"out of order: {stops}")
    assert not problems, "\n".join(problems)


# Forms of the content in which somebody writes or chooses something.
FORMS = "main form[method=post]:has(input:not([type=hidden]), select, textarea)"
_SPOIL = """(form, text) => {
  form.noValidate = true;
  for (const field of form.querySelectorAll("input:not([type=hidden]), textarea")) {
    const past = { date: "2020-01-01", time: "09:00" }[field.type];
    if (["checkbox", "radio"].includes(field.type)) field.checked = false;
    else if (past) field.value = text && past;
    else { field.type = "text"; field.value = text; }
  }
  for (const field of form.querySelectorAll("select")) {
    field.options[0].value = text;
    field.value = text;
  }
  // The page's script asks the browser for an endpoint first, where there is none.
  if (form.elements.endpoint) form.elements.endpoint.value = "nowhere";
  form.requestSubmit(form.querySelector("button"));
}"""


def count_forms(page: Page) -> int:
    return page.locator(FORMS).count()


def send_spoiled(page: Page, number: int, text: str) -> bool:
    """Send a form of the open page with this text in each field; return whether it was refused.

    Raises:
        AssertionError: the page that refuses it breaks a rule, or does not lead to what is wrong.
    """
    with page.expect_navigation() as arrived:
        page.locator(FORMS).nth(number).evaluate(_SPOIL, text)
    if arrived.value.status != 422:
        return False
    check_arrival(page)
    expect(page.get_by_role("alert")).to_be_focused()
    return True


Check = Callable[[Page], None]  # raises AssertionError
_FEWEST = {Reader.VISITOR: 15, Reader.USER: 15, Reader.OPERATOR: 12}  # pages


@dataclass(frozen=True, slots=True)
class PageWalk:
    """Who walks, and in which kind of browser."""

    site: Site
    content: Content
    make_context: MakeContext
    watch: Watch
    language: str = "fr"

    def list_problems(self, check: Check, reader: Reader, **kind: Any) -> list[str]:
        """Open each page of a reader, and return what is wrong; pictures of such pages are kept."""
        page = self.open_browser(reader, **kind).new_page()
        found: list[str] = []
        for each in self.list_pages(reader):
            found += self._visit(page, each, check)
        return found

    def list_pages(self, reader: Reader) -> list[SamplePage]:
        """Return the pages of a reader."""
        pages = [each for each in list_pages(self.site.app, self.content) if each.reader is reader]
        assert len(pages) > _FEWEST[reader]
        return pages

    def open_browser(self, reader: Reader, **kind: Any) -> BrowserContext:
        """Return a browser of a visitor, or of the content's user or operator."""
        context = self.make_context(self.site.url, language=self.language, **kind)
        if reader is Reader.USER:
            self.site.sign_in(context, EMAIL)
        elif reader is Reader.OPERATOR:
            self.site.give_login(context, self.content.operator)
        return context

    def _visit(self, page: Page, sample: SamplePage, check: Check) -> list[str]:
        response = page.goto(sample.path)
        found = [] if response and response.status == 200 else [f"{sample.path} is not answered by 200"]
        try:
            check(page)
        except AssertionError as error:
            found.append(f"{sample.path}: {error}")
        found += self.watch.list_problems()
        if found:
            keep_page(page, f"{self.language} {sample.endpoint}")
        return found
