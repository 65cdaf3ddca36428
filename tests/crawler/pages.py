"""Pages as the crawl hands them to readers, and visits that are answered by them."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crawler.classification import classify_page
from crawler.platforms import platform
from crawler.reading import ANYWHERE, CoveredWindow, Page, PageRequest, Place, Reading, VisitContext
from crawler.visit_state import VisitResult, VisitState

TODAY = date(2026, 11, 20)  # a Friday
PARIS = ZoneInfo("Europe/Paris")
DESK = "https://www.seine-saint-denis.gouv.fr/booking/create/9845"


def visit(
    url: str = DESK,
    *,
    horizon: int = 90,
    name: str = "ezbooking",
    zone: ZoneInfo = PARIS,
    turn: int = 0,
    position: tuple[float, float] | None = None,
    **parameters: Any,
) -> VisitContext:
    """Return a visit to a desk, on TODAY."""
    wanted = platform(name).Parameters(**parameters)
    return VisitContext(url, TODAY, zone, wanted, timedelta(days=horizon), turn, position=position)


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


def read(body: str | bytes, *, name: str = "ezbooking", **how: Any) -> Reading:
    """Interpret a page as the crawl does: walls, platform, what is left."""
    return classify_page(platform(name), page(body, **how))


def answer(name: str, seen: VisitContext, ask: PageRequest, body: Any, status: int = 200) -> Reading:
    """Return the reading of an answer to a request; a body that is no text is sent as JSON."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return classify_page(platform(name), Page(ask.url, status, raw, seen, ask))


def play(
    name: str, seen: VisitContext, tell: Callable[[PageRequest], Any], limit: int = 30
) -> tuple[VisitResult, list[PageRequest]]:
    """Visit a desk whose requests get the given answers (an error by its status), until None is given."""
    state = VisitState(
        platform(name).first_request(seen), limit=limit, now=datetime(2026, 11, 20, 9, tzinfo=PARIS)
    )
    asked: list[PageRequest] = []
    while (ask := state.next()) and (body := tell(ask)) is not None:
        asked.append(ask)
        status = body if isinstance(body, int) else 200
        state.add_reading(ask, answer(name, seen, ask, body, status))
    return state.result(), asked
