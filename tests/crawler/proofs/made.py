"""Sights and proofs that no site showed."""

from datetime import date
from typing import Any

from configs.world.desk import Desk
from crawler.items import CheckItem
from crawler.proofs.outbox import Proof
from crawler.proofs.page_capture import PageCapture
from crawler.reading import Page, PageRequest, Reading, Slot, VisitContext
from tests.crawler.checks import NOW, check, slot
from tests.crawler.held import make_desk

URL = "http://127.77.0.91:8800/booking/create/23014"
PAGE = "<html><title>Évry</title>Choisissez une heure".encode()


def capture(body: bytes = PAGE, *slots: Slot, url: str = URL, **headers: str) -> PageCapture:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    visit = VisitContext(URL, date(2026, 11, 20))
    return PageCapture.of(
        "ezbooking", Page(url, 200, body, visit, PageRequest(url), given), Reading(slots=slots)
    )


def seen(*captures: PageCapture, **changes: Any) -> CheckItem:
    return check(
        "a",
        changes.pop("token", 1),
        *changes.pop("slots", (slot(),)),
        captures=captures or (capture(PAGE, slot()),),
        **changes,
    )


def proof(
    key: str = "2026/11/20/" + "0" * 32, shown: PageCapture | None = None, desk: Desk | None = None
) -> Proof:
    shown = shown or capture()
    return Proof(key, desk or make_desk(URL), seen(shown), shown, NOW)
