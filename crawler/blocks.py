"""A desk that somebody found, as the YAML block of a prefecture's file: for a person to review."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any

import yaml

from configs.desk import Procedure
from crawler.markup import folded, plain

_LONGEST_SLUG = 60
_WORDS = {
    Procedure.TITRE_SEJOUR: r"sejour|etranger|recepisse|regroupement familial",
    Procedure.NATURALISATION: r"naturalis|nationalite|declaration de nationalite",
    Procedure.VISA: r"\bvisas?\b",
    Procedure.CARTE_IDENTITE: r"identite",
    Procedure.PASSEPORT: r"passeport",
    Procedure.PERMIS_CONDUIRE: r"permis de conduire|permis a point|commission medicale|suspension du permis",
    Procedure.CARTE_GRISE: r"cartes?[- ]grises?|immatricul",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a page that may become a desk. `label` are words of the page that linked it, or its own."""

    url: str
    platform: str
    label: str
    source: str
    day: date
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def title(self) -> str:
        """Return the desk's label."""
        return plain(self.label) or "Démarche non précisée par la source"

    def slug(self, taken: Collection[str] = ()) -> str:
        """Return a slug that none of these desks has."""
        made = (
            re.sub(r"[^a-z0-9]+", "-", folded(self.title)).strip("-")[:_LONGEST_SLUG].rstrip("-") or "guichet"
        )
        numbered = (f"{made}-{number}" for number in range(2, len(taken) + 3))
        return made if made not in taken else next(each for each in numbered if each not in taken)


def block(draft: Draft, taken: Collection[str] = ()) -> str:
    """Return the entry for `desks:` in a prefecture's file; `taken` are slugs that other desks have."""
    entry: dict[str, Any] = {
        "slug": draft.slug(taken),
        "label": draft.title,
        "procedures": [each.value for each in procedures(draft.title)],
        "platform": draft.platform,
        "url": draft.url,
        "parameters": dict(draft.parameters),
        "grade": "unconfirmed",
        "source": draft.source,
        "date": draft.day,
    }
    kept = {key: value for key, value in entry.items() if value != {}}
    text = yaml.safe_dump([kept], allow_unicode=True, sort_keys=False, width=1000, default_flow_style=None)
    return "".join(f"  {line}\n" for line in text.splitlines())


def procedures(label: str) -> list[Procedure]:
    """Return what a label speaks of; AUTRE where it names none: a person decides."""
    text = folded(label)
    return [each for each, words in _WORDS.items() if re.search(words, text)] or [Procedure.AUTRE]
