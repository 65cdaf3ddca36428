"""Checks a text in Telegram's HTML: only its few tags, each closed, in order.

https://core.telegram.org/bots/api#html-style
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

_TAGS: Final = frozenset(
    "a b blockquote code del em i ins pre s span strike strong tg-emoji tg-spoiler u".split()  # noqa: SIM905 - a list of names
)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.visible: list[str] = []
        self.problem: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in _TAGS:
            self.problem = self.problem or f'Unsupported start tag "{tag}"'
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problem = self.problem or f'Unmatched end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        self.visible.append(data)


def visible_text(text: str) -> tuple[str, str | None]:
    """Return what a reader sees of a text, and what is wrong with its tags (None: nothing)."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open and reader.problem is None:
        return "".join(reader.visible), f'Can\'t find end tag corresponding to start tag "{reader.open[-1]}"'
    return "".join(reader.visible), reader.problem
