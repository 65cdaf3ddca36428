"""Tables for a terminal."""

import os
import sys
from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of as many texts each as lines, their columns beneath each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def show(text: str) -> None:
    """Print the text; a reader that stops early (`| head`) is no error."""
    try:
        print(text, flush=True)  # noqa: T201 -- it is run at a terminal
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
