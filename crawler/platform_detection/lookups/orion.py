"""Orion: no known request tells its ids. They are in the body of the page's own search, which a person saves."""

from collections.abc import Iterator

from crawler.parsing.json_models import Captured, JsonModel, parse_json
from crawler.platform_detection.lookup_base import IdChoice, LookupStep, PlatformLookup, only_page_asks
from crawler.reading import Page


class _Search(JsonModel):
    configId: str  # noqa: N815 -- as the site spells it
    purposes: list[Captured]
    duration: int


def _read_posted_body(page: Page) -> Iterator[IdChoice]:
    """Yield the ids that the page posted; the label is the purpose's name."""
    if (body := parse_json(page, _Search)) and body.purposes:
        names = [name for each in body.purposes if isinstance(name := each.get("name"), str)]
        told = {"config": body.configId, "purposes": body.purposes, "duration": body.duration}
        yield IdChoice(", ".join(names), told)


class OrionLookup(PlatformLookup):
    """The ids of ESII Orion desks."""

    STEPS = (LookupStep("config", only_page_asks, _read_posted_body, own=True),)
    BY_HAND = (
        "let a browser hear what the page posts by itself: scrapy detect URL --browser; or save the body of its request"
        " to …/rdv/bookings/availableSlotByDay (the browser's network tools) and say: scrapy detect URL --file BODY"
    )
