"""Draft of a desk's YAML entry, which an operator reviews before the desk is put in service."""

import re
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import yaml

from configs.ground.formatting import truncate_line
from configs.world.desk import Grade, Procedure
from crawler.discovery.identify import PlatformMatch
from crawler.parsing.html_text import normalize, title, visible_text
from crawler.platforms import platform
from crawler.reading import Page

UNNAMED = "Démarche non précisée par la source"  # begins the label of a desk whose procedure is not known
_LONGEST = 120  # characters of a label; a longer text is no name of a procedure
_SLUG = 60
_HEADINGS = 20
_NAMELESS = re.compile(r"(?i)(?:accueil|prendre (?:un )?(?:rendez-?vous|rdv)|constituez votre dossier)$")
_WORDS = {
    Procedure.TITRE_SEJOUR: r"(?:titre|carte)s? de (?:sejour|resident)|recepisse|droit au sejour"
    r"|admission exceptionnelle au sejour|vie privee et familiale|passeports?[ -]talent",
    Procedure.NATURALISATION: r"naturalisation|(?:declaration|acquisition|reintegration)s? (?:de|dans) la nationalite"
    r"|nationalite francaise|declarations? de nationalite",
    Procedure.VISA: r"\bvisas?\b",
    Procedure.CARTE_IDENTITE: r"cartes? (?:nationales? )?d.identite|\bcni\b",
    Procedure.PASSEPORT: r"\bpasseports?\b(?![ -]talent)",
    Procedure.PERMIS_CONDUIRE: r"permis de conduire|permis etranger|echanges? de permis",
    Procedure.CARTE_GRISE: r"cartes? grises?|certificats? d.immatriculation",
}
_IN_TOWN_HALLS = frozenset({Procedure.CARTE_IDENTITE, Procedure.PASSEPORT})  # one desk serves both
_UNWHOLE = "an operator has to complete its parameters (docs/platforms/{}.md): {}"
_REASON = 400  # characters of the reason
_REMARK = 2000
_UNCLEAR = "which procedure it is for is not clear from its words: choose"


@dataclass(frozen=True)
class DeskDraft:
    """The draft of one desk."""

    sign: PlatformMatch
    url: str
    label: str
    source: str  # the origin of its address
    day: date
    remarks: tuple[str, ...] = ()  # notes for the operator

    def entry(self, taken: Collection[str] = ()) -> dict[str, Any]:
        """Return the YAML entry, unwatched while parameters are missing; `taken` are the slugs of other desks."""
        missing = self.sign.missing
        label = trim_label(self.label) or f"{UNNAMED} ({_last_number(self.url)})"
        entry = {
            "slug": slug(label, taken),
            "label": label,
            "procedures": sorted(map(str, procedures(label))),
            "platform": self.sign.platform,
            "url": self.url,
            "parameters": dict(self.sign.parameters),
            "watch": "none" if missing else platform(self.sign.platform).WATCH,
            "because": missing and truncate_line(_UNWHOLE.format(self.sign.platform, missing), _REASON),
            "grade": Grade.UNCONFIRMED.value,
            "source": self.source,
            "date": self.day,
        }
        left_out = {"parameters": {}, "watch": "full", "because": ""}
        return {key: value for key, value in entry.items() if left_out.get(key) != value}

    def block(self, taken: Collection[str] = ()) -> str:
        """Return the entry as text under `desks:` of a desk file, with notes as comments."""
        entry = self.entry(taken)
        comments = "".join(
            f"# {truncate_line(remark, _REMARK)}\n" for remark in (*self._to_do(), *self.remarks)
        )
        text: str = yaml.safe_dump(
            [entry], allow_unicode=True, sort_keys=False, default_flow_style=None, width=10_000
        )
        return textwrap.indent(comments + text, "  ")

    def _to_do(self) -> Iterator[str]:
        if procedures(self.label) == {Procedure.AUTRE}:
            yield _UNCLEAR
        if missing := self.sign.missing:
            yield f"fill in under `parameters`: {missing}; then take `watch` and `because` out"
            yield f"where to find it: docs/platforms/{self.sign.platform}.md"


def procedures(text: str) -> frozenset[Procedure]:
    """Return the procedure that a text names; AUTRE for none or several (identity cards and passports are one)."""
    words = normalize(text)
    found = frozenset(each for each, pattern in _WORDS.items() if re.search(pattern, words))
    return found if len(found) == 1 or found == _IN_TOWN_HALLS else frozenset({Procedure.AUTRE})


def name_page(page: Page) -> str:
    """Return a page's name: the first of its title and headings that names a procedure, else the first of them."""
    headings = [visible_text(each) for each in page.root.xpath("//*[self::h1 or self::h2]")[:_HEADINGS]]
    first, *rest = [part.strip() for part in re.split(r"\s[-|\u2013]\s", title(page.root))]
    own = [each for each in (first, *headings, *rest) if each and not _NAMELESS.match(each)]
    clear = (each for each in own if procedures(each) != {Procedure.AUTRE})
    return trim_label(next(clear, own[0] if own else ""))


def trim_label(text: str) -> str:
    """Return a text as a label: one printable line, cut to the longest label."""
    return truncate_line(text, _LONGEST)


def slug(label: str, taken: Collection[str] = ()) -> str:
    """Return a new slug from the words of a label; it never changes afterwards."""
    words = re.sub(r"[^a-z0-9]+", "-", normalize(label)).strip("-")
    short = words if len(words) <= _SLUG else words[:_SLUG].rpartition("-")[0] or words[:_SLUG]
    names = (f"{short or 'guichet'}{number}" for number in ("", *(f"-{n}" for n in range(2, len(taken) + 3))))
    return next(name for name in names if name not in taken)


def _last_number(url: str) -> str:
    return str((re.findall(r"\d+", urlsplit(url).path) or ["?"])[-1])
