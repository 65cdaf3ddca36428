"""Performs a request's actions on a page, and waits for the elements that the request awaits."""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import reduce
from typing import NamedTuple

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from crawler.browser.request_policy import RequestPolicy
from crawler.parsing.css_selectors import as_xpath, element_selector
from crawler.reading import BrowserAction, PageRequest

_TEXT = "text="
_CONTAINS = re.compile(r":contains\(")  # a pseudo-class of cssselect, unknown to browsers
_SEEN = " >> visible=true"


class ActionResult(NamedTuple):
    """The result of the actions."""

    skipped_actions: int = 0  # the number of actions, the last ones, that were not done
    failed_action: str = ""  # why the first of them failed, if its element was there


async def perform(
    page: Page, ask: PageRequest, traffic: RequestPolicy, pause: Callable[[], Awaitable[None]]
) -> ActionResult:
    """Do the actions of a request, with a `pause` before each, and wait for its awaited elements.

    A page or a browser that is gone counts as a failed action: reading the page tells what happened.
    """
    for number, act in enumerate(ask.acts):
        left = len(ask.acts) - number
        instead = () if act.needed else _after(ask, number)
        try:
            if await _appears(page, [act.at], instead):
                await pause()
                await _do(page, act)
                await traffic.rest()
            elif act.needed or not await _shows(page, instead):
                return ActionResult(left)
        except PlaywrightError as error:
            what = f"{act.at} {act.option or ''}".rstrip()
            return ActionResult(left, f"cannot be done: {what}: {error.message.splitlines()[0][:200]}")
    if ask.awaits and await _appears(page, ask.awaits):
        await traffic.rest()
    return ActionResult()


def _after(ask: PageRequest, number: int) -> Sequence[str]:
    """Return the elements whose appearance shows that an optional action is not needed."""
    needed = (act.at for act in ask.acts[number + 1 :] if act.needed)
    return [first] if (first := next(needed, None)) else ask.awaits


async def _shows(page: Page, wanted: Sequence[str]) -> bool:
    return any([await _locate_visible(page, each).count() for each in wanted])


async def _appears(page: Page, wanted: Sequence[str], instead: Sequence[str] = ()) -> bool:
    """Wait until an element of `wanted` or `instead` shows; tell whether one of `wanted` does."""
    either = reduce(Locator.or_, (_locate_visible(page, each) for each in (*wanted, *instead)))
    try:
        await either.first.wait_for(state="visible")
    except PlaywrightTimeoutError:
        return False
    return await _shows(page, wanted)


async def _do(page: Page, act: BrowserAction) -> None:
    element = _locate_visible(page, act.at).first
    for name, value in act.fields.items():
        await _fill(page, element, name, value)
    if act.option is not None:
        await element.select_option(act.option)
    elif await element.evaluate("node => node instanceof HTMLFormElement"):
        await element.evaluate("node => node.requestSubmit()")
    else:  # a new window would not belong to this check
        await element.evaluate("node => node.closest('a, form')?.removeAttribute('target')")
        await element.click()


async def _fill(page: Page, element: Locator, name: str, value: str) -> None:
    """Fill in one field of the element's form: a text, a drop-down, a box or a radio button."""
    form = element.locator("xpath=ancestor-or-self::form[1]")
    scope: Locator | Page = form if await form.count() else page
    named = f"[name={_quote(name)}]"
    field = scope.locator(named)
    kind = await field.first.evaluate("node => node.type || node.tagName")
    if kind in ("radio", "checkbox"):
        await scope.locator(f"{named}[value={_quote(value)}]").first.check()
    elif str(kind).startswith("select"):
        await field.first.select_option(value)
    elif kind == "hidden":
        await field.first.evaluate("(node, value) => { node.value = value }", value)
    else:
        await field.first.fill(value)


def _quote(text: str) -> str:
    """Return a text as a string of CSS."""
    return json.dumps(text, ensure_ascii=False)


def _locate_visible(page: Page, selector: str) -> Locator:
    """Return the visible matches of a selector in a desk file."""
    if selector.startswith(_TEXT):
        return page.get_by_text(_as_printed(selector.removeprefix(_TEXT))).locator("visible=true")
    selector = element_selector(selector)
    xpath = as_xpath(selector)
    known = f"xpath={xpath}" if xpath else _CONTAINS.sub(":has-text(", f"css={selector.removeprefix('css=')}")
    return page.locator(known + _SEEN)


def _as_printed(text: str) -> re.Pattern[str]:
    """Return a pattern of a sentence for any case, white space and apostrophes."""
    words = (re.escape(word).replace("'", "['\u2019]") for word in text.replace("\u2019", "'").split())
    return re.compile(r"\s+".join(words), re.IGNORECASE)
