"""A person in front of a browser: the page that is open, its language, and who they are."""

import re
from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page, expect

from tests.browser.arrival import list_faults
from tests.browser.navigators.hands import Hands
from tests.browser.navigators.words import Words
from tests.whole.visitor import Visitor


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
        """Wait for a page by its heading, and check what holds for every page."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
        faults = list_faults(self.page, self.words.language)
        assert not faults, f"{self.page.url}\n" + "\n".join(faults)

    def open_tab(self) -> "Person":
        """Return the same person in front of another tab."""
        return Person(
            self.page.context.new_page(), self.words, self.visitor, self.address, self.hands, self.has_scripts
        )
