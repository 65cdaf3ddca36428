"""Ids of Citopia's desks: the town hall by a search around its prefecture, then the reasons there.

Source: public programs of 2021 to 2024. They search up to 150 km around any point. A town hall has the name (`alias`)
in its address, whose post code gives the department.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

from configs.world.prefecture import prefectures
from crawler.parsing.json_models import ACCEPT, JsonModel, OrNone, origin, parse_json
from crawler.platform_detection.identify import page_of
from crawler.platform_detection.page_fetcher import PageFetcher
from crawler.reading import Page, PageRequest

_SERVICE = "Carte Nationale d'Identité (CNI) et Passeport"
_SEARCH = {"reasons_number": "{}", "sort": "distance", "radius": 150, "page": 1, "per_page": 100}
_ALIAS = re.compile(r"/alias/(?P<alias>[^/?#]+)")
_POST_CODE = re.compile(r"(?<!\d)\d{5}(?!\d)")
_CORSICA = {"200": "2A", "201": "2A", "202": "2B", "206": "2B"}


class CitopiaIds(NamedTuple):
    """What people may come for at a town hall, and a desk's parameters for it."""

    label: str
    parameters: dict[str, object]


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


async def find_citopia_ids(fetcher: PageFetcher, url: str, department: str | None) -> list[CitopiaIds]:
    """Return the ids of each reason of the town hall at an address; none where they cannot be told.

    Raises:
        crawler.fetching.errors.FetchError, crawler.fetching.session.BudgetExhausted: no answer.
    """
    alias = _ALIAS.search(url)
    department = department or _department(alias["alias"] if alias else "")
    place = next((each for each in prefectures().values() if each.department == department), None)
    if not alias or not place:
        return []
    around = f"{department}/{place.latitude}/{place.longitude}"
    where = f"search-structures/{quote(_SERVICE)}/{around}?{urlencode(_SEARCH)}"
    found = parse_json(await _ask(fetcher, url, where), _Results)
    for each in found.results if found else ():
        if each and each.alias == alias["alias"]:
            return list(_reasons(await _ask(fetcher, url, f"structures/{each.id}/services"), each.id))
    return []


async def _ask(fetcher: PageFetcher, url: str, what: str) -> Page:
    site = origin(url).replace("//rendezvousonline.", "//pro.rendezvousonline.")
    return await fetcher.ask(PageRequest(f"{site}/api-web/{what}", headers=ACCEPT), page_of(url, b"").visit)


def _department(alias: str) -> str:
    """Return the department of the post code in a name (`poitiers-86000`); empty without one."""
    code = next(iter(_POST_CODE.findall(alias)), "")
    return _CORSICA.get(code[:3]) or (code[:3] if code.startswith("97") else code[:2])


def _reasons(page: Page, structure: int) -> Iterator[CitopiaIds]:
    for service in parse_json(page, list[_Service]) or []:
        for each in service.reasons:
            if each:
                yield CitopiaIds(each.name, {"structure": structure, "reason": each.id})
