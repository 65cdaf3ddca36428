"""Jobs of the workers. Each takes ids, reads the rows again, and may run twice or never: the tables decide."""

import functools
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from psycopg2.errors import ForeignKeyViolation
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import bound_contextvars

from api.models.base import session
from api.models.database_clock import database_clock
from api.models.user import Channel
from configs.database_errors import is_away, passes
from notifier import applied_receipts, match_batches, match_service, nudges
from notifier.channels import most_at_once, most_in_job
from notifier.delivery import delivery
from notifier.delivery.call_sizes import choose_call_size, record_call
from notifier.delivery.inline_delivery import InlineClaim
from notifier.delivery.provider_choice import is_quick
from notifier.delivery.rate import has_place
from notifier.match_service import CROWD_ALERTS
from notifier.nudges import WaitingWork

_INLINE = 1000  # messages that this worker sends of what it wrote, at most: those of a part
_CALLS = 3  # in which they leave, the first of which may be small

log = structlog.get_logger(__name__)


def _patient(job: Callable[..., None]) -> Callable[..., None]:
    """Let a job whose database is away end in one line: the sweep nudges its rows again."""

    @functools.wraps(job)
    def run(*keys: object) -> None:
        try:
            job(*keys)
        except DBAPIError as error:
            about = {"job": job.__name__, "key": keys[:1], "because": type(error.orig).__name__}
            if isinstance(error.orig, ForeignKeyViolation):
                log.warning("an account was deleted meanwhile, the sweep will ask again", **about)
            elif is_away(error):
                log.warning("database away, the sweep will ask again", **about)
            elif passes(error):
                log.warning("another transaction was met, the sweep will ask again", **about)
            else:
                raise

    return run


@_patient
def match(detection_id: str) -> None:
    """Match a detection, then deliver; where very many alerts wait, each part is a job of its own."""
    key = UUID(detection_id)
    mine = _inline_claim()
    with bound_contextvars(detection=detection_id):
        with session() as opened:
            matched = match_service.match_detection(opened, key, database_clock(), mine, CROWD_ALERTS())
        nudges.match_parts(key, matched.parts, matched.times)
        _send(matched.written, mine)


@_patient
def match_part(detection_id: str, number: int) -> None:
    """Match one part of the alerts that wait for a detection, then deliver."""
    key = UUID(detection_id)
    mine = _inline_claim()
    with bound_contextvars(detection=detection_id):
        with session() as opened:
            written = match_service.match_part(opened, key, number, database_clock(), mine)
        with session() as opened:
            match_batches.finish_detection(opened, key, database_clock())
        _send(written, mine)


@_patient
def catch_up(alert_id: str) -> None:
    """Match one alert with what is open now; a transaction per desk, as each takes that desk's lock."""
    with session() as opened:
        desks = match_service.desks_of(opened, UUID(alert_id))
    for desk_id in desks:
        _tell_open(desk_id, [UUID(alert_id)])


@_patient
def rearm(desk_id: str) -> None:
    """Match a desk's open slots with alerts that were not notified of them.

    Where there are very many such alerts, each part of them is a job of its own.
    """
    with session() as opened:
        found = match_batches.split_by_person(match_service.find_untold(opened, desk_id, database_clock()))
    nudges.tell_open(desk_id, found[1:])
    if found:
        _tell_open(desk_id, found[0], in_crowd=sum(map(len, found)) > CROWD_ALERTS())


@_patient
def tell_open(desk_id: str, *alert_ids: str) -> None:
    """Match a desk's open slots with a part of the alerts that were not notified of them."""
    _tell_open(desk_id, [UUID(each) for each in alert_ids], in_crowd=True)


def _tell_open(desk_id: str, alert_ids: Sequence[UUID], *, in_crowd: bool = False) -> None:
    mine = _inline_claim()
    with session() as opened:
        written = match_service.match(opened, desk_id, database_clock(), alert_ids, mine, in_crowd=in_crowd)
    _send(written, mine)


@_patient
def apply_receipts() -> None:
    """Apply receipts that wait: those of the usual kind by one statement, each of some others by a transaction.

    While more of the usual kind wait than one statement takes, only others are read row by row. The sweep asks again
    each second while there are more. A worker that applies 10,000 without a pause makes alerts 1.4 times as slow
    meanwhile (docs/benchmarks.md).
    """
    with session() as opened:
        applied = applied_receipts.apply_delivered(opened, database_clock())
    applied_receipts.apply_due(database_clock(), except_delivered=applied == applied_receipts.MOST_DELIVERED)


@_patient
def deliver(*notification_ids: str) -> None:
    """Send notifications that are due and that no other worker holds."""
    _deliver(nudges.waiting([UUID(each) for each in notification_ids]))


def _inline_claim() -> InlineClaim | None:
    """Return a claim on what this worker will write, for a channel that takes many at once and answers soon."""
    for channel in Channel:
        if (most := most_at_once(channel)) > 1 and is_quick(channel):
            return InlineClaim(channel, min(_INLINE, _CALLS * most), database_clock())
    return None


def _send(written: Sequence[UUID], mine: InlineClaim | None) -> None:
    """Deliver here what leaves in few calls, as everything is warm; other workers take the rest meanwhile."""
    ready = nudges.waiting(written) if written else []
    here = _here(ready, mine)
    taken = {each.id for each in here}
    nudges.deliver(each for each in ready if each.id not in taken)
    if mine:
        _hand_over(mine)
    nudges.show_notices()  # after what leaves here: that is never delayed by it. A notice may be all that was written
    _deliver(here)


def _hand_over(mine: InlineClaim) -> None:
    """Send call by call; what is no longer fresh is put back, to be read again before it is sent."""
    rest, renderer = mine.messages, delivery.Renderer()
    while rest:
        size = choose_call_size(mine.channel)
        messages, rest = rest[:size], rest[size:]
        if mine.is_fresh:
            record_call(mine.channel, delivery.hand_over(messages, renderer))
        else:
            delivery.put_back(messages, "put back: what was read of it has become old")


def _here(waiting: list[WaitingWork], mine: InlineClaim | None) -> list[WaitingWork]:
    """Choose what this worker sends itself: by the channel that takes most at once, answers soon and has a place.

    Never by push: the servers that answer are those that a user's browser named.
    """
    only = mine.channel if mine and mine.messages else None
    awake = [each for each in waiting if only in (None, each.channel) and each.channel is not Channel.PUSH]
    free = {each for each in {each.channel for each in awake} if is_quick(each) and has_place(each)}
    awake = [each for each in awake if each.channel in free]
    if not awake:
        return []
    channel = max((each.channel for each in awake), key=most_at_once)
    chosen = [each for each in awake if each.channel is channel]
    return chosen if most_at_once(channel) > 1 else chosen[:1]


def _deliver(waiting: Sequence[WaitingWork]) -> None:
    allowed = [each.id for each in waiting]
    most = max((most_in_job(each.channel) for each in waiting), default=1)
    for start in range(0, len(allowed), most):  # a claim's lease is for one call
        delivery.deliver(allowed[start : start + most])
