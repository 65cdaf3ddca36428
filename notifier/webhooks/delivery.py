"""Delivery of webhooks' events in the form of https://www.standardwebhooks.com, with retries for a day.

A worker claims what is due by moving its next attempt, so that it is tried again where the worker dies. Receivers are
called at the same time, on a thread each: a slow one takes none of the others' time.
"""

import base64
import hashlib
import hmac
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import database_clock, is_any_of, session
from api.models.organisation import Member, MemberRole, Organisation, OrganisationEnd
from api.models.organisation_access import SECRET_PREFIX, Webhook, WebhookDelivery, WebhookEnd
from api.models.user import User
from configs.ground.clock import clock
from notifier.delivery.message_writer import create_notifications
from notifier.webhooks.guarded_post import NotPosted, post, webhook_timeout_seconds

# Waits after each failed attempt, 24 hours in all; after the last one the event is given up
WAITS = tuple(
    timedelta(seconds=each) for each in (5, 300, 1800, 2 * 3600, 5 * 3600, 8 * 3600, 8 * 3600 + 1495)
)
_LEASE = timedelta(seconds=60)  # of a claim: longer than the calls of a round
_RECEIVERS, _EVENTS = 40, 20  # of a round: webhooks, and events of each
_ROUNDS_SECONDS = 10.0  # of a job, in which it begins rounds
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: UUID
    webhook_id: UUID
    url: str
    secret: str
    body: bytes
    attempts: int  # this one too
    created_at: datetime


@dataclass(frozen=True, slots=True)
class _Outcome:
    event: _Claimed
    answer: str  # a status, or why there is none
    status: int | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def has_due(opened: Session, now: datetime) -> bool:
    """Return whether an event is due, or a claim on one ran out."""
    return bool(opened.scalar(sa.select(sa.exists().where(WebhookDelivery.next_attempt_at <= now))))


def deliver_due() -> None:
    """Deliver what is due, round by round; what is left the sweep asks for again."""
    until = time.monotonic() + _ROUNDS_SECONDS
    while time.monotonic() < until:
        with session() as opened:
            by_webhook = _claim(opened, database_clock(opened))
        if not by_webhook:
            return
        _deliver(by_webhook)


def _claim(opened: Session, now: datetime) -> dict[UUID, list[_Claimed]]:
    """Take events that are due, the oldest of each webhook; give up those of what has ended, the grant as well."""
    row = WebhookDelivery
    is_stopped = sa.or_(
        Organisation.granted_until <= now,
        Organisation.ends_at <= now,
        Organisation.ends_because == OrganisationEnd.ABUSE,
    )
    of_ended = (
        sa.select(Webhook.id).join(Organisation).where(sa.or_(Webhook.ended_at.is_not(None), is_stopped))
    )
    due = row.next_attempt_at <= now
    opened.execute(sa.update(row).where(due, row.webhook_id.in_(of_ended)).values(next_attempt_at=None))
    oldest = sa.select(row.webhook_id).where(due).group_by(row.webhook_id)
    receivers = oldest.order_by(sa.func.min(row.next_attempt_at)).limit(_RECEIVERS)
    rank = sa.func.row_number().over(partition_by=row.webhook_id, order_by=row.next_attempt_at)
    ranked = sa.select(row.id, rank.label("rank")).where(due, row.webhook_id.in_(receivers)).subquery()
    first = sa.select(ranked.c.id).where(ranked.c.rank <= _EVENTS)
    query = (
        sa.select(row, Webhook)
        .join(Webhook, Webhook.id == row.webhook_id)
        .where(row.id.in_(first), due)
        .order_by(row.created_at)
        .with_for_update(of=row, skip_locked=True)
    )
    found = defaultdict[UUID, list[_Claimed]](list)
    for event, hook in opened.execute(query):
        event.attempts, event.next_attempt_at = event.attempts + 1, now + _LEASE
        body = json.dumps(event.body, ensure_ascii=False, separators=(",", ":")).encode()
        found[hook.id].append(
            _Claimed(event.id, hook.id, hook.url, hook.secret, body, event.attempts, event.created_at)
        )
    return found


def _deliver(by_webhook: dict[UUID, list[_Claimed]]) -> None:
    """Call each receiver on a thread of its own; one that is late is left to its thread, and its claim runs out."""
    until = time.monotonic() + webhook_timeout_seconds()
    threads = ThreadPoolExecutor(len(by_webhook))
    calls = {threads.submit(_send, events, until): events for events in by_webhook.values()}
    threads.shutdown(wait=False)
    try:
        for each in as_completed(calls, 3 * webhook_timeout_seconds()):
            with session() as opened:
                _record(opened, calls[each], each.result(), database_clock(opened))
    except NotInTime:
        late = [events[0].webhook_id for call, events in calls.items() if not call.done()]
        log.warning("receivers of webhooks are late", webhooks=[str(each) for each in late])


def _send(events: Sequence[_Claimed], until: float) -> list[_Outcome]:
    """Send a webhook's events one after the other, until one fails: the rest would fail too, or the time is over."""
    outcomes = list[_Outcome]()
    for each in events:
        if outcomes and (not outcomes[-1].is_taken or time.monotonic() > until):
            break
        outcomes.append(_call(each))
    return outcomes


def _call(event: _Claimed) -> _Outcome:
    try:
        status = post(event.url, event.body, sign(event.secret, event.id, event.body, clock()))
    except NotPosted as error:
        return _Outcome(event, str(error))
    except Exception as error:
        # The boundary: whatever one address makes a library raise is that webhook's alone.
        log.exception("a webhook failed", webhook=str(event.webhook_id))
        return _Outcome(event, type(error).__name__)
    return _Outcome(event, str(status), status)


def sign(secret: str, event_id: UUID, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers of an event: HMAC-SHA256 of its id, the second of the attempt, and its body.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    second = str(int(at.timestamp()))
    signed = hmac.new(key, f"{event_id}.{second}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(signed).decode()}"
    return {"webhook-id": str(event_id), "webhook-timestamp": second, "webhook-signature": signature}


def _record(opened: Session, events: Sequence[_Claimed], outcomes: Sequence[_Outcome], now: datetime) -> None:
    """Write what became of the events of a webhook; those that were not sent wait as long as the one that failed."""
    last, next_at = outcomes[-1], now
    if not last.is_taken:
        next_at = now + WAITS[min(last.event.attempts, len(WAITS)) - 1]
    for each in outcomes:
        ends = each.is_taken or each.status == HTTPStatus.GONE or each.event.attempts > len(WAITS)
        delivered = {"delivered_at": now} if each.is_taken else {}
        waits = {"next_attempt_at": None if ends else next_at}
        _change(opened, [each.event], answer=each.answer, **waits, **delivered)
    if unsent := events[len(outcomes) :]:
        _change(opened, unsent, next_attempt_at=next_at, attempts=WebhookDelivery.attempts - 1)
    if last.status == HTTPStatus.GONE:
        _end(opened, last.event.webhook_id, WebhookEnd.GONE, now)
    elif not last.is_taken and last.event.attempts > len(WAITS) and not _was_reached(opened, last.event):
        _end(opened, last.event.webhook_id, WebhookEnd.FAILING, now)
        _tell_owners(opened, last.event.webhook_id)


def _change(opened: Session, events: Iterable[_Claimed], **values: Any) -> None:
    ids = [each.id for each in events]
    opened.execute(sa.update(WebhookDelivery).where(is_any_of(WebhookDelivery.id, ids)).values(values))


def _was_reached(opened: Session, event: _Claimed) -> bool:
    """Return whether the webhook took any event since this one was written."""
    taken = sa.exists().where(
        WebhookDelivery.webhook_id == event.webhook_id, WebhookDelivery.delivered_at > event.created_at
    )
    return bool(opened.scalar(sa.select(taken)))


def _end(opened: Session, webhook_id: UUID, because: WebhookEnd, now: datetime) -> None:
    """End a webhook; what waits for it is given up."""
    ended = sa.update(Webhook).where(Webhook.id == webhook_id, Webhook.ended_at.is_(None))
    opened.execute(ended.values(ended_at=now, ended_because=because))
    waits = WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.next_attempt_at.is_not(None)
    opened.execute(sa.update(WebhookDelivery).where(*waits).values(next_attempt_at=None))
    log.warning("a webhook ended", webhook=str(webhook_id), because=because)


def _tell_owners(opened: Session, webhook_id: UUID) -> None:
    """Write to the owners, once, that a webhook ended; the sweep delivers it."""
    of_it = sa.select(User.id, Organisation.name).join(Member, Member.user_id == User.id).join(Organisation)
    owners = of_it.join(Webhook, Webhook.organisation_id == Organisation.id).where(
        Webhook.id == webhook_id, Member.role == MemberRole.OWNER
    )
    for user_id, name in opened.execute(owners.order_by(User.id)).all():
        params = {"what": "webhook_ended", "organisation": name}
        key = f"webhook_ended:{webhook_id}:{user_id}"
        create_notifications(opened, user_id, "organisation_news", params, key)
