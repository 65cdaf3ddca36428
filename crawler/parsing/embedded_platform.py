"""Where one platform's page embeds another's: the rest of the visit belongs to the embedded one.

Platforms do not know each other. The page's reader names what it embeds, the desk's YAML which platform that is.
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
    """The parameters of a desk whose page embeds another platform's: that one's name and its own parameters."""

    platform: str
    parameters: Annotated[dict[str, Any], Field(default_factory=dict)]


def hand_over(visit: VisitContext, frames: tuple[str, ...]) -> tuple[Platform, VisitContext, Reading]:
    """Return who goes on with a visit, what it may know, and its first request or why there is none."""
    embedded, inner = platform(visit.parameters.platform), embedded_visit(visit, frames)
    if inner is None:
        shown = ", ".join(frame[:100] for frame in frames[:5])
        reason = f"embeds no page of {visit.parameters.platform}: {shown}"
        return embedded, visit, Reading(Outcome.UNREADABLE, reason)
    return embedded, inner, Reading(reason=f"embeds {inner.url}", asks=(embedded.first_request(inner),))


def embedded_visit(visit: VisitContext, frames: tuple[str, ...]) -> VisitContext | None:
    """Return the visit to the embedded page; None where no frame is one.

    It is the first frame on the platform's own site whose address the platform understands. A stand-in's page may
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
        except ValueError:  # no address of this platform, or none at all
            continue
    return None


def _is_at_home(embedded: Platform, frame: str, visit: VisitContext) -> bool:
    if is_stand_in(host_of(visit.url)) and is_stand_in(host_of(frame)):
        return True
    return urlsplit(frame).scheme == "https" and at_home(embedded, frame)
