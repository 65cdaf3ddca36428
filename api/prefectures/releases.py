"""Known releases of slots: the instant that a desk's page announces, and the weekly windows that its file has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.prefectures.desk_queries import WatchStates
from configs.ground.clock import clock
from configs.world.desk import Desk, Grade

Announcer = Literal["page", "source"]
_PAST_GRADES = {Grade.STALE, Grade.RETIRED}


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """One time at which a desk puts slots on line; a page names no end."""

    desk: Desk
    begins_at: datetime
    ends_at: datetime | None
    announced_by: Announcer


def list_releases(desk: Desk, now: WatchStates, until: datetime) -> list[KnownRelease]:
    """Return the releases of a desk that are not over, in their order; none where its page closed or has moved."""
    if desk.id in now.lost or desk.grade in _PAST_GRADES:
        return []
    windows = desk.list_releases(clock(), until)
    found = [KnownRelease(desk, each.begins, each.ends, "source") for each in windows]
    at = now.build_public_answer(desk).releases_at
    if at and at < until and not any(each.begins <= at <= each.ends for each in windows):
        found.append(KnownRelease(desk, at, None, "page"))
    return sorted(found, key=lambda each: each.begins_at)
