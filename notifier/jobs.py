"""Jobs of the workers. Each takes ids, reads the rows again, and may run twice or never: the tables decide."""

import functools
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import structlog
from psycopg2.errors import ForeignKeyViolation
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import bound_contextvars
from tenacity import retry, retry_if_exception, stop_after_attempt

from api.models.base import database_clock, session
from configs.ground.database_errors import passes
from configs.programs.matching_queues import MANY
from notifier import applied_receipts
from notifier.delivery import delivery, nudges
from notifier.matching import match_service
from notifier.matching.notification_writer import InlineClaim
from notifier.webhooks import deliver_due

log = structlog.get_logger(__name__)


def _meets_others(error: BaseException) -> bool:
    """Whether the database is away, another transaction was met, or an account was deleted meanwhile."""
    was_deleted = isinstance(error, DBAPIError) and isinstance(error.orig, ForeignKeyViolation)
    return was_deleted or passes(error)


def _patient(job: Callable[..., None]) -> Callable[..., None]:
    """Try a job once more that meets others, then let it end in one line: the sweep nudges its rows again."""
    tried = retry(retry=retry_if_exception(_meets_others), stop=stop_after_attempt(2), reraise=True)(job)

    @functools.wraps(job)
    def run(*keys: object) -> None:
        try:
            tried(*keys)
        except DBAPIError as error:
            if not _meets_others(error):
                raise
            because = type(error.orig).__name__
            log.warning(
                "database away or busy, the sweep will ask again",
                job=job.__name__,
                key=keys[:1],
                because=because,
            )

    return run


@_patient
def match(detection_id: str, *alert_ids: str) -> None:
    """Match a detection, then deliver; where very many alerts wait, each part of them is a job that names them."""
    key, mine = UUID(detection_id), InlineClaim.begin(database_clock())
    part = [UUID(each) for each in alert_ids]
    with bound_contextvars(detection=detection_id):
        with session() as opened:
            written, parts = match_service.match_detection(opened, key, database_clock(), part, mine)
        nudges.ask_many(MANY, "match", [(detection_id, *alert_ids) for alert_ids in parts])
        _send(written, mine, in_crowd=bool(part))


@_patient
def catch_up(alert_id: str) -> None:
    """Match one alert with what is open now; a transaction per desk, as each takes that desk's lock."""
    with session() as opened:
        desks = match_service.open_desks(opened, database_clock())
    for desk_id in desks:
        _tell_open(desk_id, [UUID(alert_id)])


@_patient
def rearm(desk_id: str) -> None:
    """Match a desk's open slots with alerts that were not notified of them, part by part where they are very many."""
    with session() as opened:
        parts = match_service.find_untold(opened, desk_id, database_clock())
    for part in parts:
        _tell_open(desk_id, part, in_crowd=len(parts) > 1)


def _tell_open(desk_id: str, alert_ids: Sequence[UUID], *, in_crowd: bool = False) -> None:
    mine = InlineClaim.begin(database_clock())
    with session() as opened:
        written = match_service.match_open_slots(opened, desk_id, database_clock(), alert_ids, mine)
    if written or (mine and mine.messages):
        _send(written, mine, in_crowd=in_crowd)


def _send(written: Sequence[UUID], mine: InlineClaim | None, *, in_crowd: bool = False) -> None:
    """Have the workers of the channels deliver, and send the mails that were claimed as they were written."""
    nudges.ask_deliver(written, in_crowd=in_crowd)
    if mine:
        mine.send()
    if not written:  # a notice may be all that there is, or mails that left here
        nudges.wake_streams()


@_patient
def apply_receipts() -> None:
    """Apply receipts that wait: those of the usual kind by one statement, each of some others by a transaction.

    While more of the usual kind wait than one statement takes, only others are read row by row.
    """
    with session() as opened:
        applied = applied_receipts.apply_delivered(opened, database_clock())
    applied_receipts.apply_due_receipts(
        database_clock(), except_delivered=applied == applied_receipts.MOST_DELIVERED
    )


@_patient
def deliver_webhooks() -> None:
    """Deliver events of webhooks that are due; the sweep asks each second while there are some."""
    deliver_due()


@_patient
def deliver(*notification_ids: str) -> None:
    """Send notifications that are due and that no other worker holds."""
    delivery.hand_over(delivery.claim([UUID(each) for each in notification_ids]))


def deliver_here(notification_ids: Iterable[UUID]) -> None:
    """Deliver notifications in this process, after the commit that wrote them: for what must leave before the rest.

    Returns once a provider took them or failed. Never raises because a server is away: the sweep finds the rows.
    """
    if ids := [str(each) for each in notification_ids]:
        deliver(*ids)
