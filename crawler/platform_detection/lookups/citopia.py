"""Citopia: the town hall by a search around its prefecture, then the reasons there.

Source: public programs of 2021 to 2024. They search up to 150 km around any point. A town hall has the name (`alias`)
in its address, whose post code gives the department.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from configs.prefecture_coordinates import POSITIONS
from crawler.parsing.json_models import ACCEPT, JsonModel, OrNone, origin, parse_json
from crawler.platform_detection.lookup_base import IdChoice, KnownIds, LookupStep, PlatformLookup
from crawler.reading import Page, PageRequest

_SERVICE = "Carte Nationale d'Identité (CNI) et Passeport"
_SEARCH = {"reasons_number": "{}", "sort": "distance", "radius": 150, "page": 1, "per_page": 100}
_ALIAS = re.compile(r"/alias/(?P<alias>[^/?#]+)")
_POST_CODE = re.compile(r"(?<!\d)\d{5}(?!\d)")
_CORSICA = {"200": "2A", "201": "2A", "202": "2B", "206": "2B"}


class _Reason(JsonModel):
    id: int
    name: str


class _Service(JsonModel):
    reasons: list[OrNone[_Reason]]


class _Structure(JsonModel):
    id: int
    alias: str


class _Results(JsonModel):
    results: list[OrNone[_Structure]]


def _ask_structures(known: KnownIds) -> PageRequest | None:
    department = known.department or _department(known.url)
    if department not in POSITIONS:
        return None
    latitude, longitude = POSITIONS[department]
    where = f"search-structures/{quote(_SERVICE)}/{department}/{latitude}/{longitude}?{urlencode(_SEARCH)}"
    return _build_request(known, where)


def _ask_services(known: KnownIds) -> PageRequest:
    return _build_request(known, f"structures/{known.told['structure']}/services")


def _build_request(known: KnownIds, what: str) -> PageRequest:
    site = origin(known.url).replace("//rendezvousonline.", "//pro.rendezvousonline.")
    return PageRequest(f"{site}/api-web/{what}", headers=ACCEPT)


def _department(url: str) -> str:
    """Return the department of the post code in an address (`…/alias/poitiers-86000`); empty without one."""
    found = _ALIAS.search(url)
    code = next(iter(_POST_CODE.findall(found["alias"] if found else "")), "")
    return _CORSICA.get(code[:3]) or (code[:3] if code.startswith("97") else code[:2])


def _structure(page: Page) -> Iterator[IdChoice]:
    """Yield the town hall with the name in the address."""
    results, found = parse_json(page, _Results), _ALIAS.search(page.visit.url)
    for each in results.results if results and found else ():
        if each and found and each.alias == found["alias"]:
            yield IdChoice("", {"structure": each.id})
            return


def _reasons(page: Page) -> Iterator[IdChoice]:
    for service in parse_json(page, list[_Service]) or []:
        for each in service.reasons:
            if each:
                yield IdChoice(each.name, {"reason": each.id})


class CitopiaLookup(PlatformLookup):
    """The ids of Citopia desks."""

    STEPS = (
        LookupStep("structure", _ask_structures, _structure),
        LookupStep("reason", _ask_services, _reasons),
    )
    BY_HAND = (
        "say whose town hall it is (--prefecture ID): it is searched for around there; or copy both from what the page"
        ' itself asks for when its calendar shows: …/structures/<structure>/availabilities/week?reasons={"<reason>":1}'
    )
