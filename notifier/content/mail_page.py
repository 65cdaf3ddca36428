"""A mail's plain text and its page in the common layout, both made from the same lines.

Paragraphs are separated by empty lines. On the page a line that begins with `- ` or `* ` is an item of a list, and one
that a mark made into a block (`button`, `box`) stands by itself. Links are made by marks alone, never from values.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from configs.languages import FRENCH
from notifier.content.text_files import LAYOUT, get_template

_PARAGRAPHS = re.compile(r"\n\s*\n")
_ITEM = re.compile(r"[-*] ")
_BLOCKS = ("<table", "<h2", "<p ")  # no value begins so: values are escaped
_FRENCH_SPACES = re.compile(r" (?=[:;?!»])|(?<=«) ")  # at which no line ends


class Block(NamedTuple):
    """A part of a mail's page: `paragraph`, `item` or `block`, and its HTML."""

    kind: str
    html: Markup


def render_text(parts: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """Return a mail's plain text, from its parts as text."""
    named = {"title": parts["title"], "body": parts["email"], "foot": parts["foot"]}
    made = get_template(f"{LAYOUT}/email.txt", escaping=False).render(values, **named)
    return _PARAGRAPHS.sub("\n\n", made).strip()


def render_page(parts: Mapping[str, str], values: Mapping[str, Any]) -> str:
    """Return a mail's page, from its parts as HTML."""
    language = values["language"]
    named = {
        "title": _write(parts["title"], language),
        "preview": _write(parts["preview"], language),
        "body": split_blocks(parts["email"], language),
        "foot": split_blocks(parts["foot"], language),
    }
    made = get_template(f"{LAYOUT}/email.html", escaping=True).render(values, **named)
    return made.strip()


def split_blocks(page: str, language: str) -> list[Block]:
    """Return the blocks of a page in order."""
    blocks: list[Block] = []
    for paragraph in _PARAGRAPHS.split(page):
        is_new = True
        for line in filter(None, map(str.rstrip, paragraph.split("\n"))):
            kind, html = _read_line(line.strip(), language)
            if is_new or kind != "paragraph" or blocks[-1].kind == "block" or _ends_list(line, blocks[-1]):
                blocks.append(Block(kind, html))
            else:
                blocks[-1] = Block(blocks[-1].kind, blocks[-1].html + Markup("<br>\n") + html)
            is_new = False
    return blocks


def _ends_list(line: str, last: Block) -> bool:
    """Whether a line after an item does not belong to it: it is not indented."""
    return last.kind == "item" and not line.startswith(" ")


def _read_line(line: str, language: str) -> tuple[str, Markup]:
    if line.startswith(_BLOCKS):
        return "block", Markup(line)  # noqa: S704 -- its values are escaped
    item = _ITEM.match(line)
    return ("item" if item else "paragraph"), _write(line[item.end() if item else 0 :], language)


def _write(html: str, language: str) -> Markup:
    """Return a line's HTML, with French's spaces before `:` where no line ends."""
    return Markup(_FRENCH_SPACES.sub("\u00a0", html) if language == FRENCH else html)  # noqa: S704 -- its values are escaped
