"""Checks of a page once it is open: its width, and what axe-core checks."""

import json
from functools import cache

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
# What passes is not gathered, and no style sheet is fetched again: no rule of these tags asks for them.
_OPTIONS = {
    "runOnly": {"type": "tag", "values": list(TAGS)},
    "resultTypes": ["violations"],
    "reporter": "no-passes",
    "preload": False,
}
_RUN = f"axe.run({json.dumps(_OPTIONS)}).then((found) => found.violations)"
_LONGEST = 300  # characters of an element's HTML
# start.js loads modules after the page: the same import, asked for once more, ends with the first one.
_READY = """() => Promise.all([...document.querySelectorAll("[data-module]")]
  .flatMap((each) => each.dataset.module.split(/\\s+/)).map((address) => import(address)))
  .then(() => undefined)"""
# The width of a page that is wider than its window, and elements that reach out, but those inside of what scrolls by itself.
OVERFLOWING = """() => {
  const { clientWidth: width, scrollWidth: content } = document.documentElement;
  const scrolls = (each) => each && each !== document.body
    && (getComputedStyle(each).overflowX !== "visible" || scrolls(each.parentElement));
  return content <= width ? [] : [`${content} px in ${width} px`, ...[...document.body.querySelectorAll("*")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > width + 1 || box.left < -1) && !scrolls(each.parentElement);
  }).slice(0, 5).map((each) => each.outerHTML.slice(0, 200))];
}"""


def check_arrival(page: Page) -> None:
    """Check the page that is open, which must have scripts: without them axe never answers.

    What its HTML says, tests/clients.py checks.

    Raises:
        AssertionError: names everything that is wrong with it.
    """
    page.evaluate(_READY)
    page.evaluate(_read_script())
    found = [
        f"{rule['id']} ({rule['help']}): {' '.join(map(str, node['target']))}\n    {node['html'][:_LONGEST]}"
        for rule in page.evaluate(_RUN)
        for node in rule["nodes"]
    ]
    assert not found, f"{page.url}\n" + "\n".join(found)
    check_width(page)


def check_width(page: Page) -> None:
    """Check that nothing scrolls sideways; also of a page without scripts.

    Raises:
        AssertionError: names what is too wide.
    """
    wide = page.evaluate(OVERFLOWING)
    assert not wide, f"{page.url} is too wide: {wide}"


@cache
def _read_script() -> str:
    script: str = Axe().axe_script
    return script
