"""Maiia: the center is in the address or in the page's own JSON, the reasons are in a list.

The list is a recorded answer of 2021. The source of the others are public programs: `centerId` (`centerid` in 2021) in
the address, `props.initialState.cards.item.center.id` in the page (2021), since then
`props.pageProps.cards.items.0.center.id` (2026).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from crawler.parsing.json_models import ACCEPT, JsonModel, origin, parse_json
from crawler.platform_detection.lookup_base import IdChoice, KnownIds, LookupStep, PlatformLookup
from crawler.reading import Page, PageRequest

_MOST = 200  # reasons of one answer, the limit of a public program
_PATHS: tuple[tuple[str | int, ...], ...] = (
    ("props", "initialState", "cards", "item", "center", "id"),
    ("props", "pageProps", "cards", "items", 0, "center", "id"),
)


class _Reason(JsonModel):
    name: str
    consultationType: str  # noqa: N815 -- as the site spells it


class _Reasons(JsonModel):
    items: list[_Reason]
    total: int


def _ask_page(known: KnownIds) -> PageRequest:
    return PageRequest(known.url)


def _ask_reasons(known: KnownIds) -> PageRequest:
    asked = urlencode({"rootCenterId": known.told["center"], "limit": _MOST, "page": 0})
    return PageRequest(f"{origin(known.url)}/api/pat-public/consultation-reason-hcd?{asked}", headers=ACCEPT)


def _center(page: Page) -> Iterator[IdChoice]:
    """Yield the center in the page's JSON."""
    if not page.is_html:
        return
    for text in page.root.xpath("//script[@type='application/json']/text()"):
        if found := next(filter(None, (_within(text, path) for path in _PATHS)), None):
            yield IdChoice("", {"center": found})
            return


def _within(text: str, path: Iterable[str | int]) -> str | None:
    try:
        value = json.loads(text)
        for key in path:
            value = value[key]
    except (ValueError, LookupError, TypeError, RecursionError):  # JSON of another shape, or none
        return None
    return value if isinstance(value, str) else None


def _reasons(page: Page) -> Iterator[IdChoice]:
    """Yield the reasons by their names, each once."""
    if reasons := parse_json(page, _Reasons):
        for name in dict.fromkeys(each.name for each in reasons.items if each.name):
            yield IdChoice(name, {"reason": name})


class MaiiaLookup(PlatformLookup):
    """The ids of Maiia desks."""

    STEPS = (LookupStep("center", _ask_page, _center), LookupStep("reason", _ask_reasons, _reasons, own=True))
    BY_HAND = (
        "the page itself asks for …/api/pat-public/availabilities?centerId=<center>&consultationReasonName=<reason>"
        " when its calendar shows"
    )

    def in_address(self, url: str) -> Mapping[str, Any]:
        """Return the center, if it is in the address."""
        asked = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query)}
        return {"center": asked["centerid"]} if asked.get("centerid") else {}
