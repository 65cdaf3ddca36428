"""Handover of a visit to the platform whose page another platform's page embeds.

Platforms do not import each other. The page's reader returns the embedded addresses, the desk's YAML names the
embedded platform.
"""

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from configs.desk import is_stand_in
from configs.hosts import host_of
from configs.strict_model import Strict
from crawler.platform_base import Platform
from crawler.platforms import at_home, platform
from crawler.reading import Outcome, Reading, VisitContext


class Handover(Strict):
    """Parameters of a desk whose page embeds another platform's: its name and its parameters."""

    platform: str
    parameters: Annotated[dict[str, Any], Field(default_factory=dict)]


def hand_over(visit: VisitContext, frames: tuple[str, ...]) -> tuple[Platform, VisitContext, Reading]:
    """Return the embedded platform, its visit, and a reading with its first request or the reason for none."""
    embedded, inner = platform(visit.parameters.platform), embedded_visit(visit, frames)
    if inner is None:
        shown = ", ".join(frame[:100] for frame in frames[:5])
        reason = f"embeds no page of {visit.parameters.platform}: {shown}"
        return embedded, visit, Reading(Outcome.UNREADABLE, reason)
    return embedded, inner, Reading(reason=f"embeds {inner.url}", asks=(embedded.first_request(inner),))


def embedded_visit(visit: VisitContext, frames: tuple[str, ...]) -> VisitContext | None:
    """Return the visit to the embedded page; None if no frame is one.

    It is the first frame on a host of the platform whose address the platform understands. A stand-in's page may
    embed stand-ins.
    """
    named = visit.parameters
    embedded = platform(named.platform)
    parameters = embedded.Parameters.model_validate(named.parameters)
    for frame in frames:
        inner = replace(visit, url=frame, parameters=parameters)
        try:
            if _is_at_home(embedded, frame, visit):
                embedded.first_request(inner)
                return inner
        except ValueError:  # no address of this platform, or no address
            continue
    return None


def _is_at_home(embedded: Platform, frame: str, visit: VisitContext) -> bool:
    if is_stand_in(host_of(visit.url)) and is_stand_in(host_of(frame)):
        return True
    return urlsplit(frame).scheme == "https" and at_home(embedded, frame)
