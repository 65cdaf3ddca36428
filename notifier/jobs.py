"""What workers run. Each takes ids, reads the rows again, and may run twice or never: the tables decide."""

import functools
from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from api.models.base import session
from configs.clock import clock
from notifier import delivery, nudges, parts, rates, telling
from notifier.channels import most_at_once
from notifier.nudges import Waiting
from notifier.patience import resting

log = structlog.get_logger(__name__)


def _patient(job: Callable[..., None]) -> Callable[..., None]:
    """Let a job whose database is away end in one line: the sweep nudges its rows again."""

    @functools.wraps(job)
    def run(*keys: object) -> None:
        try:
            job(*keys)
        except (OperationalError, InterfaceError) as error:
            log.warning(
                "database away, the sweep will ask again", job=job.__name__, key=keys[0], because=_name(error)
            )

    return run


def _name(error: sa.exc.DBAPIError) -> str:
    return type(error.orig).__name__


@_patient
def match(detection_id: str) -> None:
    """Decide who is told of a detection, then deliver; where very many wait, leave that to jobs of their own."""
    key = UUID(detection_id)
    with session() as opened:
        matched = telling.match_or_part(opened, key, clock())
    nudges.match_parts(key, matched.parts, matched.times)
    _send(matched.written)


@_patient
def match_part(detection_id: str, number: int) -> None:
    """Decide who is told among one part of those who wait for a detection, then deliver."""
    key = UUID(detection_id)
    with session() as opened:
        written = telling.match_part(opened, key, number, clock())
    with session() as opened:
        parts.finish(opened, key, clock())
    _send(written)


@_patient
def catch_up(alert_id: str) -> None:
    """Tell one alert of what is open now; a transaction per desk, as each takes that desk's lock."""
    with session() as opened:
        desks = telling.desks_of(opened, UUID(alert_id))
    for desk_id in desks:
        with session() as opened:
            written = telling.match_open(opened, desk_id, clock(), UUID(alert_id))
        _send(written)


@_patient
def rearm(desk_id: str) -> None:
    """Tell of a desk's open slots whoever waits and was not told, or was told of an earlier opening long ago."""
    with session() as opened:
        written = telling.match_open(opened, desk_id, clock())
    _send(written)


@_patient
def deliver(*notification_ids: str) -> None:
    """Send notifications that are due, if nobody else is at them."""
    _deliver(nudges.waiting([UUID(each) for each in notification_ids]))


def _send(written: Sequence[UUID]) -> None:
    """Deliver here, where everything is warm, what leaves in few calls; other workers take the rest meanwhile."""
    waiting = nudges.waiting(written)
    if not waiting:
        return
    here = _here(waiting)
    taken = {each.id for each in here}
    nudges.deliver(each for each in waiting if each.id not in taken)
    _deliver(here)


def _here(waiting: list[Waiting]) -> list[Waiting]:
    """Choose what this worker sends itself: by one channel, the one that takes most at once and does not rest."""
    awake = [each for each in waiting if not resting(each.channel)]
    if not awake:
        return []
    channel = max((each.channel for each in awake), key=most_at_once)
    mine = [each for each in awake if each.channel is channel]
    return mine if most_at_once(channel) > 1 else mine[:1]


def _deliver(waiting: Sequence[Waiting]) -> None:
    allowed = [each.id for each in waiting if rates.allow(each)]
    most = max((most_at_once(each.channel) for each in waiting), default=1)
    for start in range(0, len(allowed), most):  # a claim's lease is for one call
        delivery.deliver(allowed[start : start + most])
