"""Draft of a desk's YAML entry, which an operator reviews before the desk is put in service."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from api.models.candidate import write_entry
from configs.ground.clock import clock
from configs.ground.text import truncate_line
from configs.world.desk import UNNAMED, Grade, Procedure
from crawler.discovery.identify import PlatformMatch
from crawler.parsing.html_text import title, visible_text
from crawler.parsing.normal_form import normalize
from crawler.platforms import platform
from crawler.reading import Page

_LONGEST = 120  # characters of a label; a longer text is no name of a procedure
_SLUG = 60
_HEADINGS = 20
_NAMELESS = re.compile(r"(?i)(?:accueil|prendre (?:un )?(?:rendez-?vous|rdv)|constituez votre dossier)$")
_UNWHOLE = "an operator has to complete its parameters (docs/platforms/{}.md): {}"
_REASON = 400  # characters of an address or a reason


@dataclass(frozen=True)
class DeskDraft:
    """The draft of one desk."""

    sign: PlatformMatch
    url: str
    label: str
    start: str  # the page that it was found from

    def entry(self, taken: Collection[str] = ()) -> dict[str, Any]:
        """Return the YAML entry, unwatched while parameters are missing; `taken` are the slugs of other desks."""
        missing, name = self.sign.missing, self.sign.platform
        *_, number = "?", *re.findall(r"\d+", urlsplit(self.url).path)
        label = trim_label(self.label) or f"{UNNAMED} {number}"
        entry = {
            "slug": slug(label, taken),
            "label": label,
            "procedures": [Procedure.AUTRE.value],
            "platform": name,
            "url": self.url,
            "parameters": dict(self.sign.parameters),
            "watch": "none" if missing else platform(name).WATCH,
            "because": missing and truncate_line(_UNWHOLE.format(name, missing), _REASON),
            "grade": Grade.UNCONFIRMED.value,
            "source": f"found by scrapy detect from {truncate_line(self.start, _REASON)}",
        }
        return {key: value for key, value in entry.items() if value}

    def block(self, taken: Collection[str] = ()) -> str:
        """Return the entry as text under `desks:` of a desk file; a comment says what is left to choose."""
        known = ", ".join(sorted(Procedure))
        return f"  # choose its procedures: {known}\n{write_entry(self.entry(taken), clock().date())}"


def name_page(page: Page) -> str:
    """Return a page's name: the first of its title's first part, its headings and the rest of its title that is one."""
    headings = [visible_text(each) for each in page.root.xpath("//*[self::h1 or self::h2]")[:_HEADINGS]]
    first, *rest = [part.strip() for part in re.split(r"\s[-|\u2013]\s", title(page.root))]
    named = (each for each in (first, *headings, *rest) if each and not _NAMELESS.match(each))
    return trim_label(next(named, ""))


def trim_label(text: str) -> str:
    """Return a text as a label: one printable line, cut to the longest label."""
    return truncate_line(text, _LONGEST)


def slug(label: str, taken: Collection[str] = ()) -> str:
    """Return a new slug from the words of a label; it never changes afterwards."""
    words = re.sub(r"[^a-z0-9]+", "-", normalize(label)).strip("-")
    short = words if len(words) <= _SLUG else words[:_SLUG].rpartition("-")[0] or words[:_SLUG]
    names = (f"{short or 'guichet'}{number}" for number in ("", *(f"-{n}" for n in range(2, len(taken) + 3))))
    return next(name for name in names if name not in taken)
