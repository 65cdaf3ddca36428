"""A person in front of a browser: the page that is open, its language, and who they are."""

import re
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from playwright.sync_api import Locator, Page, expect

from api.ground.translations import load_translations
from tests.browser.arrival import check_width
from tests.whole.visitor import Visitor

_PLACE = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Words:
    """What the pages say in a language: `fr`, `en` or `ar`."""

    language: str

    def say(self, french: str) -> str:
        """Return a text of the pages; one that no page has any more is an error of the test."""
        known = _read_texts(self.language)
        assert french in known, f"no page says {french!r}"
        return known[french]

    def match(self, french: str) -> re.Pattern[str]:
        """Return a pattern of the whole text, with any values in it."""
        return re.compile(rf"^\s*{self._write_pattern(french)}\s*$")

    def match_label(self, french: str) -> re.Pattern[str]:
        """Return a pattern of a field's label, which may end with "(optional)"."""
        return re.compile(rf"^\s*{self._write_pattern(french)}\s*(\(.+\)\s*)?$")

    def match_part(self, french: str) -> re.Pattern[str]:
        """Return a pattern of the text as a part of another, with any values in it."""
        return re.compile(self._write_pattern(french))

    def match_start(self, french: str, rest: str = "") -> re.Pattern[str]:
        """Return a pattern of the beginning of a text, which goes on with `rest` after a space."""
        goes_on = rf"\s+{re.escape(rest)}" if rest else r"(\s|$)"
        return re.compile(rf"^\s*{self._write_pattern(french)}{goes_on}")

    def _write_pattern(self, french: str) -> str:
        parts = _PLACE.split(self.say(french))  # texts and names of places in turn
        pattern = ".+".join(r"\s+".join(map(re.escape, re.split(r"\s+", each))) for each in parts[::2])
        return re.sub("[\u2068\u2069]", r"\g<0>?", pattern)  # where a page may have tags, these isolate


@cache
def _read_texts(language: str) -> dict[str, str]:
    """Return the texts of a language by their French source, in which all spaces count alike."""
    catalogue: dict[Any, str] = {}
    layer = vars(load_translations(language))
    while layer:  # what binds is in the last one: in French, with English beside
        catalogue = layer["_catalog"] | catalogue
        layer = vars(layer["_fallback"]) if layer["_fallback"] else {}
    return {" ".join(french.split()): text for french, text in catalogue.items() if isinstance(french, str)}


_MOST_TABS = 150  # stops of the longest page, twice
_IS_FOCUSED = "element => element === document.activeElement"
# Focus must be seen on the element, or on the label around its box.
_SHOWS_FOCUS = """element => [element, element.closest('label')].some(each => {
  const style = each && getComputedStyle(each);
  return style && (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none');
})"""


class Hands:
    """Mouse or finger: elements are pressed where they stand.

    `presses` counts buttons, links and choices; `typed` names the labels of the fields that were written into.
    """

    def __init__(self) -> None:
        self.presses = 0
        self.typed: list[str] = []

    def press(self, target: Locator) -> None:
        """Press a button or follow a link."""
        self.presses += 1
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Replace the text of a field."""
        target.fill(text)

    def choose(self, target: Locator, label: str) -> None:
        """Choose an option by the beginning of its text."""
        self.presses += 1
        option = target.locator("option").filter(has_text=label).first
        target.select_option(option.get_attribute("value"))

    def tick(self, target: Locator) -> None:
        """Tick a box."""
        target.check()

    def write_day(self, target: Locator, day: date) -> None:
        """Fill a field for a date."""
        target.fill(day.isoformat())

    def write_hour(self, target: Locator, hour: str) -> None:
        """Fill a field for a time, `HH:MM` in the morning."""
        target.fill(hour)


class Finger(Hands):
    """A finger on the screen of a phone."""

    def press(self, target: Locator) -> None:
        self.presses += 1
        target.tap()


class Keyboard(Hands):
    """Keys only: Tab until the element has the focus, which must be visible, then what opens or fills it."""

    def press(self, target: Locator) -> None:
        self.presses += 1
        self._reach(target).keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        keyboard = self._reach(target).keyboard
        keyboard.press("ControlOrMeta+a")
        keyboard.type(text)
        expect(target).to_have_value(text)

    def choose(self, target: Locator, label: str) -> None:
        self.presses += 1
        self._reach(target).keyboard.type(label)
        expect(target.locator("option:checked")).to_contain_text(label)

    def tick(self, target: Locator) -> None:
        self._reach(target).keyboard.press("Space")
        expect(target).to_be_checked()

    def write_day(self, target: Locator, day: date) -> None:
        """Fill a field for a date whose day and month are equal: their order is the browser's affair."""
        assert day.day == day.month
        self._reach(target).keyboard.type(day.strftime("%d%m%Y"))
        expect(target).to_have_value(day.isoformat())

    def write_hour(self, target: Locator, hour: str) -> None:
        """Fill a field for a time. The letter chooses the morning where there are two halves of the day."""
        self._reach(target).keyboard.type(hour.replace(":", "") + "a")
        expect(target).to_have_value(hour)

    def _reach(self, target: Locator) -> Page:
        expect(target).to_be_visible()
        page = target.page
        for _ in range(_MOST_TABS):
            if target.evaluate(_IS_FOCUSED):
                break
            page.keyboard.press("Tab")
        assert target.evaluate(_IS_FOCUSED), f"Tab never reaches {target}"
        assert target.evaluate(_SHOWS_FOCUS), f"the focus on {target} cannot be seen"
        return page


@dataclass
class Person:
    """`visitor` reads the inbox; `has_scripts`: the browser runs JavaScript."""

    page: Page
    words: Words
    visitor: Visitor
    address: str  # of the front
    hands: Hands = field(default_factory=Hands)
    has_scripts: bool = True

    def open(self, path: str, heading: str | None = None) -> None:
        """Open a page of the front by its path."""
        self.page.goto(self.address + path)
        if heading:
            self.arrive(heading)

    def button(self, french: str) -> Locator:
        """Return the button with this text."""
        return self.page.get_by_role("button", name=self.words.match(french))

    def link(self, french: str) -> Locator:
        """Return the link of the page's main part with this text."""
        return self.main.get_by_role("link", name=self.words.match(french))

    def field(self, french: str) -> Locator:
        """Return the field with this label."""
        return self.main.get_by_label(self.words.match_label(french))

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    def press(self, french: str) -> None:
        """Press the button with this text."""
        self.hands.press(self.button(french))

    def follow(self, french: str) -> None:
        """Follow the link with this text."""
        self.hands.press(self.link(french))

    def write(self, french: str, text: str) -> None:
        """Write into the field with this label."""
        self.hands.typed.append(french)
        self.hands.write(self.field(french), text)

    def see(self, french: str) -> None:
        """Wait until the main part says this."""
        expect(self.main).to_contain_text(self.words.match_part(french))

    def see_notice(self, french: str) -> None:
        """Wait for a notice of the page before."""
        expect(self.main.get_by_role("status").first).to_contain_text(self.words.match_part(french))

    def arrive(self, heading: str) -> None:
        """Wait for a page by its French heading."""
        self.arrive_at(self.words.match(heading))

    def arrive_at(self, heading: re.Pattern[str]) -> None:
        """Wait for a page by its heading, and check its width."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
        check_width(self.page)
