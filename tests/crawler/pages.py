"""Pages as the crawl hands them to readers."""

from datetime import date, timedelta
from typing import Any

from crawler.block_pages import classify_page
from crawler.platforms import platform
from crawler.reading import ANYWHERE, CoveredWindow, Page, PageRequest, Place, Reading, VisitContext

TODAY = date(2026, 11, 20)  # a Friday
DESK = "https://www.seine-saint-denis.gouv.fr/booking/create/9845"


def visit(url: str = DESK, *, horizon: int = 90, name: str = "ezbooking", **parameters: Any) -> VisitContext:
    """Return a visit to a desk, on TODAY."""
    return VisitContext(
        url, TODAY, parameters=platform(name).Parameters(**parameters), horizon=timedelta(days=horizon)
    )


def page(
    body: str | bytes,
    *,
    status: int = 200,
    step: str = "",
    place: Place = ANYWHERE,
    window: CoveredWindow | None = None,
    url: str = DESK,
    of: VisitContext | None = None,
    **headers: str,
) -> Page:
    """Return an answer to a request; header names with underscores."""
    raw = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    ask = PageRequest(url, step, place=place, window=window)
    return Page(url, status, raw, of or visit(), ask, named)


def read(body: str | bytes, **how: Any) -> Reading:
    """Interpret an EZBooking page as the crawl does: walls, platform, what is left."""
    return classify_page(platform("ezbooking"), page(body, **how))
