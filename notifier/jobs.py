"""What workers run. Each takes an id, reads the rows again, and may run twice or never: the tables decide."""

import functools
from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from api.models.base import session
from api.models.notification import Priority
from configs.clock import clock
from notifier import delivery, nudges, telling

log = structlog.get_logger(__name__)


def _patient(job: Callable[[str], None]) -> Callable[[str], None]:
    """Let a job whose database is away end in one line: the sweep nudges its row again."""

    @functools.wraps(job)
    def run(key: str) -> None:
        try:
            job(key)
        except (OperationalError, InterfaceError) as error:
            log.warning(
                "database away, the sweep will ask again", job=job.__name__, key=key, because=_name(error)
            )

    return run


def _name(error: sa.exc.DBAPIError) -> str:
    return type(error.orig).__name__


@_patient
def match(detection_id: str) -> None:
    """Decide who is told of a detection, then deliver."""
    with session() as opened:
        written = telling.match_detection(opened, UUID(detection_id), clock())
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
def deliver(notification_id: str) -> None:
    """Send one notification, if it is due and nobody else is at it."""
    parcel = delivery.claim(UUID(notification_id))
    if parcel is not None:
        delivery.record(parcel, delivery.send(parcel))


def _send(written: list[UUID]) -> None:
    """Deliver the first here, where everything is warm; other workers take the rest meanwhile."""
    if not written:
        return
    first, *others = written
    nudges.deliver((each, Priority.CRITICAL, 0) for each in others)
    deliver(str(first))
