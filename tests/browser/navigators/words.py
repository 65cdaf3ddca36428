"""The texts of the pages in a language, found by their French source in the catalogues."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from api.translations import load_translations

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
        return ".+".join(r"\s+".join(map(re.escape, re.split(r"\s+", each))) for each in parts[::2])


@cache
def _read_texts(language: str) -> dict[str, str]:
    """Return the texts of a language by their French source, in which all spaces count alike."""
    catalogue: dict[Any, str] = vars(load_translations(language))["_catalog"]
    return {" ".join(french.split()): text for french, text in catalogue.items() if isinstance(french, str)}
