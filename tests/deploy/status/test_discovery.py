"""The last walk of the prefectures' sites, and the desks that moved."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from api.health.discovery_overview import read_discovery
from api.models.base import session
from api.models.discovery import DiscoveryRun, Drift, DriftReason
from configs.clock import clock
from deploy.status import discovery
from tests.deploy.status.conftest import FIRST, SECOND

World = Callable[..., None]
HOUR = timedelta(hours=1)


def said() -> list[str]:
    return [text.plain for text in discovery.lines(read_discovery())]


def walked(ago: timedelta, **given: Any) -> None:
    started = clock() - ago
    with session() as s:
        s.add(
            DiscoveryRun(
                **{"started_at": started, "ended_at": started + HOUR, "pages": 812, "found": 0} | given
            )
        )


def test_the_newest_walk_is_told_with_what_it_found(world: World) -> None:
    assert said() == ["no walk yet"]
    walked(50 * HOUR, found=9)
    walked(26 * HOUR, found=3)
    assert said() == ["last walk 26 h ago: 812 pages, 3 new booking pages"]
    walked(4 * HOUR, cut=True)
    assert said() == ["last walk 4 h ago: 812 pages, 0 new booking pages · cut: its time was up"]
    walked(2 * HOUR, ended_at=None)
    assert said() == ["walking for 2 h"]


def test_drifts_that_are_open_are_named_oldest_first(world: World) -> None:
    now = clock()
    with session() as s:
        s.add(Drift(desk_id=FIRST, reason=DriftReason.GONE, detail="404", starts_at=now - HOUR))
        s.add(Drift(desk_id=SECOND, reason=DriftReason.HOME, detail="led home", starts_at=now - 3 * HOUR))
        s.add(
            Drift(
                desk_id=FIRST,
                reason=DriftReason.SILENT,
                detail="x",
                starts_at=now - 9 * HOUR,
                ends_at=now - HOUR,
            )
        )
    assert said()[1:] == [f"home for 3 h: {SECOND} led home", f"gone for 60 min: {FIRST} 404"]
