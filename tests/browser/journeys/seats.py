"""Seats of the journeys: language, width of the window, scripts, mouse or keyboard; and the tests' marks."""

from dataclasses import dataclass
from typing import Final

import pytest

from tests.browser.navigators.person import Hands, Keyboard

WIDE, NARROW = 1280, 390  # pixels
_MOUSE = Hands()
MARKS = [
    pytest.mark.journey,
    pytest.mark.processes,
    pytest.mark.xdist_group("stacks"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class Seat:
    """A place in front of a browser. `javascript`: it runs scripts."""

    language: str
    width: int
    javascript: bool = True
    hands: Hands = _MOUSE

    def __str__(self) -> str:
        scripts = "" if self.javascript else "-no-scripts"
        keys = "-keyboard" if isinstance(self.hands, Keyboard) else ""
        return f"{self.language}-{self.width}{scripts}{keys}"


FRENCH_WIDE: Final = Seat("fr", WIDE)
FRENCH_NARROW: Final = Seat("fr", NARROW)
ENGLISH_WIDE: Final = Seat("en", WIDE)
ENGLISH_NARROW: Final = Seat("en", NARROW)
ARABIC_WIDE: Final = Seat("ar", WIDE)
ARABIC_NARROW: Final = Seat("ar", NARROW)
FRENCH_NARROW_BARE: Final = Seat("fr", NARROW, javascript=False)
ARABIC_WIDE_BARE: Final = Seat("ar", WIDE, javascript=False)
FRENCH_KEYBOARD: Final = Seat("fr", WIDE, hands=Keyboard())


def each(*seats: Seat) -> pytest.MarkDecorator:
    """Let a test run once in each of these seats."""
    return pytest.mark.parametrize("seat", seats, ids=str)
