"""Replay of a stored page: it is read again as of its day, with the desk's present parameters."""

from datetime import date, timedelta
from typing import Any

from pydantic import ValidationError

from configs.ground.proofs import Meta
from configs.ground.strict_model import Strict
from configs.world.desk import Desk, zone_of
from configs.world.prefecture import desks
from crawler.block_pages import classify_page
from crawler.platform_base import Platform
from crawler.platforms import platform
from crawler.proofs.page_capture import asked_of
from crawler.reading import Page, Reading, VisitContext


def read_again(meta: Meta, body: bytes) -> Reading:
    """Return the present reading of a stored page.

    Raises:
        crawler.platforms.UnknownPlatform: the platform is gone.
    """
    reader = platform(meta.platform)
    asked, desk = meta.asked, desks().get(meta.desk)
    visit = VisitContext(
        url=asked["desk"],
        today=date.fromisoformat(asked["today"]),
        zone=zone_of(meta.time_zone),
        parameters=_parameters(reader, desk),
        horizon=timedelta(days=desk.horizon) if desk else VisitContext.horizon,
        turn=asked["turn"][0],
    )
    return classify_page(reader, Page(meta.url, meta.status, body, visit, asked_of(asked), meta.headers))


def _parameters(reader: Platform, desk: Desk | None) -> Strict:
    """Return the parameters of the platform that read the page: the desk's, else the example's."""
    given: dict[str, Any] = dict(desk.parameters) if desk else {}
    try:
        return reader.Parameters.model_validate(given)
    except ValidationError:  # the desk is gone, or has another platform now
        return reader.Parameters(**reader.EXAMPLE_PARAMETERS)
