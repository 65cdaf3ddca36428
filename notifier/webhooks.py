"""Webhooks of organisations, in the form of https://www.standardwebhooks.com: their events, and calls for a day.

An event is written in the transaction of what it tells of. A worker claims what is due by moving its next attempt, so
that it is tried again where the worker dies. A receiver's address is looked up once, refused unless public, and
connected to as looked up. No redirect is followed, no body of an answer is read, and a call has one deadline.
"""

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as NotInTime
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import zip_longest
from typing import Any
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

import sqlalchemy as sa
import structlog
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from sqlalchemy.orm import Session
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util import Timeout

from api.models.base import database_clock, new_id, session
from api.models.organisation import Member, MemberRole, Organisation, OrganisationEnd
from api.models.organisation_access import (
    SECRET_PREFIX,
    TEST_EVENT,
    Webhook,
    WebhookDelivery,
    WebhookEnd,
    WebhookEvent,
)
from api.models.user import User
from configs.ground.addresses import is_loopback, resolve_stand_in
from configs.ground.clock import clock
from configs.ground.public_addresses import is_public, parse_address
from configs.settings import Constant, settings
from notifier.channels.provider_base import POOLS, answer_until, provider_connect_seconds
from notifier.delivery.message_writer import create_notifications

# How long a receiver of a webhook may take from the look-up of its name to its answer
webhook_timeout_seconds = Constant("WEBHOOK_TIMEOUT_SECONDS", 5.0)
# Waits after each failed attempt, 24 hours in all; after the last one the event is given up
WAITS = tuple(
    timedelta(seconds=each) for each in (5, 300, 1800, 2 * 3600, 5 * 3600, 8 * 3600, 8 * 3600 + 1495)
)
_LEASE = timedelta(seconds=60)  # of a claim: longer than the calls of a round
_RECEIVERS, _EVENTS = 40, 20  # of a round: webhooks, and events of each
_ROUNDS_SECONDS = 10.0  # of a job, in which it begins rounds
# One event for each person that an organisation helps, and each of its webhooks that is told of such events.
_WRITE = sa.text("""
INSERT INTO webhook_deliveries (id, webhook_id, dedupe_key, body, created_at, next_attempt_at)
SELECT gen_random_uuid(), w.id, :event || ':' || p.key,
  CAST(:body AS jsonb)
    || jsonb_build_object('data', CAST(:data AS jsonb) || jsonb_build_object('reference', b.reference)),
  CAST(:now AS timestamptz), CAST(:now AS timestamptz)
FROM json_to_recordset(CAST(:people AS json)) AS p(user_id uuid, key text)
JOIN beneficiaries b ON b.user_id = p.user_id
JOIN webhooks w ON w.organisation_id = b.organisation_id AND w.ended_at IS NULL AND :event = ANY(w.events)
ON CONFLICT (webhook_id, dedupe_key) DO NOTHING
""")
log = structlog.get_logger(__name__)
Answer = int | str  # the status that a receiver answers, or why there is none


def write_event(
    session: Session, event: WebhookEvent, people: Mapping[UUID, object], at: datetime, **data: Any
) -> None:
    """Write an event of each of these users whom an organisation helps; others have none.

    `people` has what is told of each once: the same key writes nothing a second time.
    """
    if people:
        rows = [{"user_id": str(user), "key": str(key)} for user, key in people.items()]
        given = {"people": rows, "body": _build_body(event, at), "data": data}
        texts = {name: json.dumps(value) for name, value in given.items()}
        session.execute(_WRITE, texts | {"event": event.value, "now": database_clock(session)})


def write_test_event(session: Session, webhook: Webhook, at: datetime) -> None:
    """Write an event that an owner asked for, to see it arrive."""
    body = _build_body(TEST_EVENT, at) | {"data": {}}
    session.add(WebhookDelivery(webhook_id=webhook.id, dedupe_key=f"{TEST_EVENT}:{new_id()}", body=body))


def _build_body(event: str, at: datetime) -> dict[str, Any]:
    return {"type": event, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z")}


def deliver_due() -> None:
    """Deliver what is due, round by round; what is left the sweep asks for again."""
    until = time.monotonic() + _ROUNDS_SECONDS
    while time.monotonic() < until:
        with session() as opened:
            claimed = _claim(opened, database_clock(opened))
        if not claimed:
            return
        _deliver(claimed)


def _claim(opened: Session, now: datetime) -> list[tuple[Webhook, Sequence[WebhookDelivery]]]:
    """Take events that are due, the oldest of each webhook; give up those of what has ended, the grant as well."""
    row, due = WebhookDelivery, WebhookDelivery.next_attempt_at <= now
    is_ended = sa.or_(
        Webhook.ended_at.is_not(None),
        Organisation.granted_until <= now,
        Organisation.ends_at <= now,
        Organisation.ends_because == OrganisationEnd.ABUSE,
    )
    of_ended = row.webhook_id.in_(sa.select(Webhook.id).join(Organisation).where(is_ended))
    opened.execute(sa.update(row).where(due, of_ended).values(next_attempt_at=None))
    hooks = sa.select(Webhook).join(row, row.webhook_id == Webhook.id).where(due).group_by(Webhook.id)
    claimed = []
    for hook in opened.scalars(hooks.order_by(sa.func.min(row.next_attempt_at)).limit(_RECEIVERS)).all():
        oldest = sa.select(row).where(row.webhook_id == hook.id, due).order_by(row.created_at).limit(_EVENTS)
        if events := opened.scalars(oldest.with_for_update(skip_locked=True)).all():
            claimed.append((hook, events))
        for event in events:
            event.attempts, event.next_attempt_at = event.attempts + 1, now + _LEASE
    return claimed


def _deliver(claimed: Sequence[tuple[Webhook, Sequence[WebhookDelivery]]]) -> None:
    """Call each receiver on a thread of its own; one that is late is left to its thread, and its claim runs out."""
    until = time.monotonic() + webhook_timeout_seconds()
    threads = ThreadPoolExecutor(len(claimed))
    calls = {threads.submit(_send, hook, events, until): events for hook, events in claimed}
    threads.shutdown(wait=False)
    try:
        for each in as_completed(calls, 3 * webhook_timeout_seconds()):
            with session() as opened:
                _record(opened, calls[each], each.result(), database_clock(opened))
    except NotInTime:
        late = [str(events[0].webhook_id) for call, events in calls.items() if not call.done()]
        log.warning("receivers of webhooks are late", webhooks=late)


def _send(hook: Webhook, events: Sequence[WebhookDelivery], until: float) -> list[Answer]:
    """Send a webhook's events one after the other, until one fails: the rest would fail too, or the time is over."""
    answers = list[Answer]()
    for each in events:
        if answers and (not _is_taken(answers[-1]) or time.monotonic() > until):
            break
        answers.append(_call(hook, each))
    return answers


def _is_taken(answer: Answer) -> bool:
    return isinstance(answer, int) and HTTPStatus.OK <= answer < HTTPStatus.MULTIPLE_CHOICES


def _call(hook: Webhook, event: WebhookDelivery) -> Answer:
    body = json.dumps(event.body, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        return _post(hook.url, body, sign(hook.secret, event.id, body, clock()))
    except Exception as error:
        # The boundary: whatever one address makes a library raise is that webhook's alone.
        log.exception("a webhook failed", webhook=str(hook.id))
        return type(error).__name__


def sign(secret: str, event_id: UUID, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers of an event: HMAC-SHA256 of its id, the second of the attempt, and its body.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    second = str(int(at.timestamp()))
    signed = hmac.new(key, f"{event_id}.{second}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(signed).decode()}"
    return {"webhook-id": str(event_id), "webhook-timestamp": second, "webhook-signature": signature}


def _record(
    opened: Session, events: Sequence[WebhookDelivery], answers: Sequence[Answer], now: datetime
) -> None:
    """Write what became of the events of a webhook; those that were not sent wait as long as the one that failed."""
    row, last, tried = WebhookDelivery, answers[-1], events[len(answers) - 1]
    next_at = now if _is_taken(last) else now + WAITS[min(tried.attempts, len(WAITS)) - 1]
    for event, answer in zip_longest(events, answers):
        values: dict[str, Any] = {"next_attempt_at": next_at}
        if answer is None:
            values["attempts"] = row.attempts - 1
        else:
            values["answer"] = str(answer)
            if _is_taken(answer):
                values["delivered_at"] = now
            if _is_taken(answer) or answer == HTTPStatus.GONE or event.attempts > len(WAITS):
                values["next_attempt_at"] = None
        opened.execute(sa.update(row).where(row.id == event.id).values(values))
    if last == HTTPStatus.GONE:
        _end(opened, tried.webhook_id, WebhookEnd.GONE, now)
    elif not _is_taken(last) and tried.attempts > len(WAITS):
        taken = sa.exists().where(row.webhook_id == tried.webhook_id, row.delivered_at > tried.created_at)
        if not opened.scalar(sa.select(taken)):
            _end(opened, tried.webhook_id, WebhookEnd.FAILING, now)
            _tell_owners(opened, tried.webhook_id)


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


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Return the receiver's answer; the reason of none names no secret."""
    parts = urlsplit(resolve_stand_in(url, settings().sandbox_hosts))
    if parts.scheme != "https" and not settings().loopback_only:
        return "refused: https only"
    until = time.monotonic() + webhook_timeout_seconds()
    addresses, answer = _look_up(parts), "not reached"
    if isinstance(addresses, str):
        return addresses
    for address in addresses:
        if time.monotonic() >= until:
            return "no answer in time"
        try:
            return _post_to(address, parts, body, headers, until)
        except (NewConnectionError, ConnectTimeoutError) as error:  # of this address: it may have others
            answer = f"not reached: {type(error).__name__}"
        except (HTTPError, OSError) as error:
            return f"no answer: {type(error).__name__}"
    return answer


def _look_up(parts: SplitResult) -> list[str] | str:
    """Return a host's addresses, all public, or loopback's where nothing may leave this machine; else why not."""
    host = parts.hostname or ""
    if settings().loopback_only and not is_loopback(host):
        return "refused: here only this machine is called"
    try:
        found = socket.getaddrinfo(host, parts.port or parts.scheme, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "its name leads nowhere"
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    read = map(parse_address, addresses)
    if not settings().loopback_only and not all(each and is_public(each) for each in read):
        return "refused: it is not on the public internet"
    return addresses


def _post_to(address: str, parts: SplitResult, body: bytes, headers: Mapping[str, str], until: float) -> int:
    left = max(until - time.monotonic(), 0.01)
    answer_until.set(until)
    timeout = Timeout(connect=min(left, provider_connect_seconds()), read=left)
    # https://urllib3.readthedocs.io/en/stable/advanced-usage.html#custom-sni-hostname
    names = {"server_hostname": parts.hostname, "assert_hostname": parts.hostname}
    tls: dict[str, Any] = names | {"ca_certs": DEFAULT_CA_BUNDLE_PATH} if parts.scheme == "https" else {}
    pool = POOLS[parts.scheme](address, parts.port, timeout=timeout, retries=False, **tls)
    named = {"Host": parts.netloc, "User-Agent": "RDVPriority-Webhooks", "Content-Type": "application/json"}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = pool.urlopen(
            "POST", target, body=body, headers={**named, **headers}, redirect=False, assert_same_host=False,
            preload_content=False,
        )  # fmt: skip
        answer.close()
        return answer.status
    finally:
        pool.close()
