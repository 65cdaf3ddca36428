"""The columns of the live feed: time, what, where, its word, its milliseconds, the rest where there is room."""

from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

_TIME, _WHAT, _WORD, _TOOK = 8, 12, 12, 8
_FIXED = _TIME + 1 + _WHAT + 1 + 1 + _WORD + 1 + _TOOK
_WHERE = (24, 49)  # columns at least and at most: the longest id of a desk has 49
_REST = 12  # columns; a shorter text is no help


@dataclass(frozen=True)
class Line:
    """The texts of one line, and the styles of its first words, of its where and of its word."""

    time: str
    what: str
    where: str
    word: str
    took: str
    rest: str
    styles: tuple[str, str, str]

    def fitted(self, width: int) -> Text:
        """Return it in at most `width` columns, where 67 are there at all."""
        columns = min(max(width - _FIXED, _WHERE[0]), _WHERE[1])
        line = Text.assemble(
            (f"{self.time:<{_TIME}} ", "dim"), (f"{self.what:<{_WHAT}}", self.styles[0]), " ",
            (_cut(self.where, columns).ljust(columns), self.styles[1]), " ",
            (f"{self.word:<{_WORD}}", self.styles[2]), f" {self.took:>{_TOOK}}",
        )  # fmt: skip
        left = width - _FIXED - columns - 2
        return line.append(f"  {_cut(self.rest, left)}", "dim") if self.rest and left >= _REST else line


def heading(width: int) -> Text:
    """Return the line above the feed's columns."""
    plain = ("", "", "")
    line = Line("time", "what", "where", "outcome", "ms", "why, or since the page was read", plain)
    fitted = line.fitted(width)
    fitted.stylize("dim")
    return fitted


def time_of(at: datetime) -> str:
    """Return an instant as the first column shows it."""
    return f"{at.astimezone():%H:%M:%S}"


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"
