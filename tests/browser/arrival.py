"""Checks of a page once it is open: its head, its ids, its width, and what axe-core checks."""

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that an element of a page breaks."""

    rule: str
    help: str
    selector: str
    html: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.help}): {self.selector}\n    {self.html}"


def list_violations(page: Page) -> list[Violation]:
    """Return what axe-core finds on a page. The page must have scripts: without them axe never answers."""
    page.evaluate(_read_script())
    return [
        Violation(rule["id"], rule["help"], " ".join(map(str, node["target"])), node["html"][:_LONGEST])
        for rule in page.evaluate(_RUN)
        for node in rule["nodes"]
    ]


@cache
def _read_script() -> str:
    script: str = Axe().axe_script
    return script


_UNREAD = re.compile(r"^\(\d+\+?\) ")  # the number of unread notices, in front of a title
_DIRECTIONS = {"fr": "ltr", "en": "ltr", "ar": "rtl"}
# start.js loads modules after the page: the same import, asked for once more, ends with the first one.
_READY = """() => Promise.all([...document.querySelectorAll("[data-module]")]
  .flatMap((each) => each.dataset.module.split(/\\s+/)).map((address) => import(address)))
  .then(() => undefined)"""
_FACTS = """() => {
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  const root = document.documentElement;
  return {
    headings: [...document.querySelectorAll("h1")].map((each) => each.textContent),
    title: document.title, lang: root.lang, dir: root.dir,
    repeated: ids.filter((each, index) => ids.indexOf(each) !== index),
    escaped: document.body.innerText.match(/.{0,20}&(amp|lt|gt|quot|#\\d+);.{0,20}/g) || [],
    width: root.clientWidth, content: root.scrollWidth,
  };
}"""
# Elements that reach out of the window, but for those inside of something that scrolls by itself.
_OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (each) => each && each !== document.body
    && (getComputedStyle(each).overflowX !== "visible" || scrolls(each.parentElement));
  return [...document.body.querySelectorAll("*")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > width + 1 || box.left < -1) && !scrolls(each.parentElement);
  }).slice(0, 5).map((each) => each.outerHTML.slice(0, 200));
}"""


def check_arrival(page: Page, language: str = "fr") -> None:
    """Check the page that is open, which has scripts.

    Raises:
        AssertionError: names everything that is wrong with it.
    """
    page.evaluate(_READY)
    problems = [*list_faults(page, language), *map(str, list_violations(page))]
    assert not problems, f"{page.url}\n" + "\n".join(problems)


def list_faults(page: Page, language: str = "fr") -> list[str]:
    """Return what is wrong with a page beside what axe finds; also of one without scripts."""
    facts = page.evaluate(_FACTS)
    found = _list_head_faults(facts)
    if (facts["lang"], facts["dir"]) != (language, _DIRECTIONS[language]):
        found.append(f"lang and dir are {facts['lang']} {facts['dir']}, not those of {language}")
    if facts["repeated"]:
        found.append(f"ids that are there twice: {facts['repeated']}")
    if facts["escaped"]:
        found.append(f"escaped twice: {facts['escaped']}")
    if facts["content"] > facts["width"]:
        found.append(f"{facts['content']} px wide in {facts['width']} px: {page.evaluate(_OVERFLOWING)}")
    return found


def _list_head_faults(facts: dict[str, Any]) -> list[str]:
    headings = [" ".join(each.split()) for each in facts["headings"]]
    if len(headings) != 1 or not headings[0]:
        return [f"one h1 is wanted: {headings}"]
    title = _UNREAD.sub("", " ".join(facts["title"].split()))
    if not any(each.startswith(headings[0]) for each in (title, title.partition(" : ")[2])):
        return [f"the title {title!r} does not begin with the heading {headings[0]!r}"]
    return []
