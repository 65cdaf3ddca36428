"""The pages that search engines shall know: each in each language, under its canonical address."""

from collections.abc import Iterator
from typing import Any

from api.middleware.languages import LANGUAGES
from api.pages.canonical import build_public_url
from api.pages.procedures import write_slug
from api.prefectures.map_queries import list_serving_desks
from configs.world.prefecture import Procedure, prefectures

PAGES = (
    "home.show_home",
    "map.show_map",
    "advice.list_departments",
    "calendar.show_calendar",
    "ledger.show_ledger",
    "status.show_status",
    "legal.show_terms",
    "legal.show_privacy",
    "legal.show_notice",
    "legal.show_accessibility",
    "legal.show_mediation",
    "legal.show_contact",
)


def list_site_urls() -> list[str]:
    """Return the absolute addresses: of an advice page only where a desk serves the procedure."""
    return [
        build_public_url(endpoint, language, **values)
        for endpoint, values in _list_pages()
        for language in LANGUAGES
    ]


def _list_pages() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from ((endpoint, {}) for endpoint in PAGES)
    for place in prefectures().values():
        yield "advice.show_place", {"id": place.id}
        for procedure in Procedure:
            if list_serving_desks(place, procedure):
                yield "advice.show_advice", {"id": place.id, "procedure": write_slug(procedure)}
