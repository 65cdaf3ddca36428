"""The pieces of the screen: lines with their styles."""

from collections.abc import Iterable

from rich.text import Text

Piece = str | Text | tuple[str, str]
DIM, GOOD, BAD, ODD = "dim", "green", "bold red", "yellow"
SHOWN = 4  # lines of a list that may be long


def line(*pieces: Piece) -> Text:
    """Return one line of pieces, each plain or with a style."""
    return Text.assemble(*pieces)


def join_pieces(pieces: Iterable[Text], separator: str = " · ") -> Text:
    """Return pieces in one line, which the screen may break between two of them."""
    return Text(separator).join(pieces)


def first(lines: list[Text], what: str) -> list[Text]:
    """Return the first lines of a list, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], line((f"and {more} more {what}", DIM))] if more > 0 else lines
