"""Delivery of notifications, from their rows to the provider and back: claim, read again, send, record."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException
from sqlalchemy.orm import Session
from tenacity import RetryCallState, retry, retry_if_exception, retry_if_exception_type, wait_fixed

from api.models.base import database_clock, is_any_of, session
from api.models.notification import WISHES, HeldFor, Notification, Priority, State
from api.models.user import Channel
from configs.ground.database_errors import passes, read_refusal
from configs.ground.message_groups import SWITCHABLE
from configs.ground.redis import redis
from configs.ground.signing import write_address
from configs.settings import SettingMissing
from notifier.channels.batch_sender import BatchSender
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    DeliveryError,
    PermanentError,
    TemporaryError,
    provider_timeout_seconds,
)
from notifier.content.message_kind_base import (
    ClaimedRow,
    OutgoingMessage,
    RenderedMessage,
    Skip,
    StoredText,
    TemplateContext,
)
from notifier.content.messages import render, write_stored_text
from notifier.content.slot_alert_content import sign_links
from notifier.delivery import claiming
from notifier.delivery.claiming import ClaimedMessage
from notifier.delivery.message_writer import lock_contacts, refuse_contact
from notifier.delivery.nudges import lease_seconds, no_receipt_seconds
from notifier.delivery.retry_policy import (
    DeliveryDecision,
    WorkerDied,
    on_error,
    on_success,
    retry_max_seconds,
)
from notifier.message_kinds import kind_of
from notifier.message_kinds.telegram import REPLIES

# A slot alert that its reader wants later is none of the first any more.
_HELD_PRIORITY = sa.case(
    (Notification.priority == Priority.CRITICAL, sa.literal(Priority.SCHEDULED, Notification.priority.type)),
    else_=Notification.priority,
)

# The table: to update by its class takes half as long again, with every message.
_ROWS = cast("sa.Table", Notification.__table__)
# The attempt of a row whose lease ended was counted then, as of unknown fate; this is its answer.
_COUNTED_BEFORE = sa.case((_ROWS.c.state == State.PENDING, 1), else_=0)
MOST_ENDED = 1000  # leases, in one transaction
_WRITE_AGAIN_SECONDS = 0.2  # several times before the sweep goes on
log = structlog.get_logger(__name__)


def find_detection(params: object) -> dict[str, str]:
    """Return the field `detection` of a notification's lines, from its params: any JSON."""
    found = params.get("detection_id") if isinstance(params, Mapping) else None
    return {"detection": found} if isinstance(found, str) else {}


def log_when_committed(session: Session, event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log a line once what it says is written; nothing where the transaction is rolled back."""
    sa.event.listen(session, "after_commit", lambda _: log.log(level, event, **fields), once=True)


def log_each(
    event: str,
    messages: Iterable[tuple[UUID, Mapping[str, Any]]],
    *,
    level: int = logging.INFO,
    after: Session | None = None,
) -> None:
    """Log notifications by their ids: in one line those whose other fields are equal, as in a crowd.

    `after`: once what it says is written by that transaction.
    """
    alike: dict[tuple[tuple[str, Any], ...], list[UUID]] = defaultdict(list)
    for key, fields in messages:
        alike[tuple(fields.items())].append(key)
    for named, keys in alike.items():
        said = {"notification": " ".join(map(str, keys)), **dict(named)}
        if after:
            log_when_committed(after, event, level=level, **said)
        else:
            log.log(level, event, **said)


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages that were handed over together, and what the provider answered."""

    messages: Sequence[ClaimedMessage]
    answer: Answer
    texts: Sequence[StoredText | None] = ()  # what the rows of each message keep; empty where none has left


Contents = dict[Any, tuple[RenderedMessage, StoredText | None]]


def hand_over(claimed: Sequence[ClaimedMessage]) -> None:
    """Send what is claimed; record each answer as it comes."""
    for sent in send(claimed):
        record_answer(sent)


def claim(ids: Sequence[UUID]) -> list[ClaimedMessage]:
    """Claim notifications; those that are not to be sent any more end here."""
    with session() as opened:
        claimed = claiming.lease_messages(opened, ids, database_clock(opened))
        now = database_clock(opened)
        decided: dict[DeliveryDecision, list[UUID]] = defaultdict(list)
        for row, how in claimed.unsent:
            about = _describe(row) | {"reason": how.reason}
            if isinstance(how, DeliveryError):
                decision = on_error(how, row, now, is_readable=False)
                log_each("not sent", [(row.id, about)], level=logging.WARNING, after=opened)
            elif how.state is not State.PENDING:
                decision = DeliveryDecision(how.state, now, how.reason)
                log_each("not sent", [(row.id, about | {"state": how.state.value})], after=opened)
            else:  # it is asked for again as during a provider's outage; no attempt was made
                until, held_for = how.until or now + timedelta(seconds=retry_max_seconds()), how.held_for
                decision = DeliveryDecision(State.PENDING, until, row.reason, counts=False, held_for=held_for)
            decided[decision].append(row.id)
        for decision, unsent in decided.items():
            close(opened, unsent, claimed.token, decision)
        capped = [
            row.id for row, how in claimed.unsent if isinstance(how, Skip) and how.held_for is HeldFor.CAP
        ]
        claiming.write_cap_notices(opened, capped, now)
    return claimed.messages


def end_leases(opened: Session, now: datetime) -> None:
    """Let leases that ran out end as attempts of unknown fate: their workers died, at most MOST_ENDED of them.

    Not while the database refuses writes, as by a disk that is full for some of them only: a worker may wait to record
    an answer. The token stays, so that until the next claim a late answer is recorded.
    """
    ran_out = Notification.state == State.SENDING, Notification.next_attempt_at <= now
    found = sa.select(Notification).where(*ran_out).order_by(Notification.id).limit(MOST_ENDED)
    rows = opened.scalars(found.with_for_update(skip_locked=True)).all()
    if not rows or _are_writes_refused():
        return
    for row in rows:
        claimed_at = (row.lease_until or now) - timedelta(seconds=lease_seconds())
        decision = on_error(WorkerDied("no worker lived to record an answer"), ClaimedRow.of(row), claimed_at)
        row.state, row.reason, row.held_for, row.lease_until = decision.state, decision.reason, None, None
        row.unknown_attempts += 1
        row.next_attempt_at = max(now, decision.at)
        row.failed_at = now if decision.state is State.FAILED else None
    ended = [(row.id, {"kind": row.kind, "state": row.state.value}) for row in rows]
    log_each("lease ended", ended, level=logging.WARNING, after=opened)


def _are_writes_refused() -> bool:
    try:
        return read_refusal(redis()) is not None
    except (RedisError, SettingMissing):
        return False


def send(claimed: Sequence[ClaimedMessage]) -> Iterator[Sent]:
    """Hand messages to their providers; no connection to the database is held meanwhile. Raises nothing."""
    by_channel: dict[Channel, list[tuple[ClaimedMessage, OutgoingMessage]]] = defaultdict(list)
    contents: Contents = {}
    for message in claimed:
        try:
            by_channel[message.first.channel].append((message, render_message(message, contents)))
        except JobTimeoutException:
            raise  # the leases run out
        except Exception as error:
            # The boundary: a text that cannot be made has not left, so that a mended one may follow.
            log.exception("no text", notification=str(message.first.id), kind=message.first.kind)
            reason = f"text could not be made: {type(error).__name__}"
            yield Sent([message], TemporaryError(reason))
    needed = timedelta(seconds=provider_timeout_seconds() + claiming.MARGIN_SECONDS)
    for name, mine in by_channel.items():
        claimed_of = {id(outgoing): message for message, outgoing in mine}
        for together, answer in BatchSender(name, claimed[0].until - needed).send([each for _, each in mine]):
            yield Sent(
                [claimed_of[id(each)] for each in together], answer, [each.stored for each in together]
            )


def render_message(message: ClaimedMessage, contents: Contents) -> OutgoingMessage:
    """Render one message; those of a channel whose contexts have the same key share their content."""
    row, context = message.first, message.context
    key = (row.kind, row.channel, row.language, row.id if context.key is None else context.key)
    if key not in contents:
        content = render(row.kind, row.channel, row.language, context)
        is_kept = not kind_of(row.kind).secret
        stored = write_stored_text(row.kind, row.channel, context, content) if is_kept else None
        contents[key] = content, stored
    content, stored = contents[key]
    ids = [each.id for each in message.rows]
    headers = write_stop_headers(context) if row.channel is Channel.EMAIL else {}
    substitutions = context.substitutions | sign_links(row, ids)
    return OutgoingMessage(
        content, message.address, ids, substitutions, message.seen_at, headers,
        passes_lists=message.is_after_report or kind_of(row.kind).group not in SWITCHABLE,
        replaces=context.replaces, is_reply=row.kind in REPLIES, stored=stored,
    )  # fmt: skip


def write_stop_headers(context: TemplateContext) -> dict[str, str]:
    """Return the headers of a mail; none where its reader cannot stop such mails.

    One click: https://www.rfc-editor.org/rfc/rfc8058
    """
    if not context.stop_token:
        return {}
    return {
        "List-Unsubscribe": f"<{write_address(context.stop_token)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def record_answer(sent: Sent) -> bool:
    """Write the answer where the lease is still ours; return whether it was for all.

    An answer that was received is not lost while the database is away, however long: nobody takes the row over then.
    """
    decisions = _decisions(sent)
    ours = _write(sent, decisions)
    _log_decisions(decisions, ours)
    return len(ours) == sum(map(len, decisions.values()))


def _doze(seconds: float) -> None:
    with suppress(JobTimeoutException):
        time.sleep(seconds)


def _say_once(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        log.warning("database away: a provider's answer waits to be written")


_until_written = retry(
    retry=retry_if_exception(passes)
    | retry_if_exception_type(JobTimeoutException),  # RQ's time for the job is up
    wait=wait_fixed(_WRITE_AGAIN_SECONDS),
    sleep=_doze,
    before_sleep=_say_once,
)


@_until_written  # a database that is frozen does not tell the time either
def _decisions(sent: Sent) -> dict[DeliveryDecision, list[ClaimedRow]]:
    now = database_clock()
    decisions: dict[DeliveryDecision, list[ClaimedRow]] = defaultdict(list)
    for message, said in zip_longest(sent.messages, sent.texts):
        for row in message.rows:
            answer = sent.answer
            if isinstance(answer, Acceptance):
                # A message that carries several rows is paid for once.
                paid = answer if row is message.first else replace(answer, cost=None, segments=None)
                decision = on_success(paid, now)
            else:
                decision = on_error(answer, row, now, is_edit=bool(message.context.replaces))
            # A row says what its message said once that may have left, or never will.
            is_kept = decision.unknown or decision.state is not State.PENDING
            decisions[replace(decision, said=said) if said and is_kept else decision].append(row)
    return decisions


@_until_written
def _write(sent: Sent, decisions: dict[DeliveryDecision, list[ClaimedRow]]) -> set[UUID]:
    token = sent.messages[0].token
    ours: set[UUID] = set()
    with session() as opened:
        for decision, rows in decisions.items():
            ours |= close(opened, [row.id for row in rows], token, decision)
        if isinstance(sent.answer, PermanentError) and sent.answer.contact_state:
            # None of a message to an address without an account
            lost = [
                (each.first.contact_id, each.address)
                for each in sent.messages
                if each.first.id in ours and each.first.contact_id
            ]
            lock_contacts(opened, {contact_id for contact_id, _ in lost})
            left_at = sent.messages[0].until - timedelta(seconds=lease_seconds())
            for contact_id, address in lost:  # which the person may have changed meanwhile
                refuse_contact(opened, contact_id, address, sent.answer, left_at)
    return ours


def close(opened: Session, ids: Sequence[UUID], token: UUID, decision: DeliveryDecision) -> set[UUID]:
    """Write what becomes of notifications where the lease is still this token's; return which those are."""
    is_open = _ROWS.c.state.in_((State.PENDING, State.SENDING))
    mine = sa.update(_ROWS).where(is_any_of(_ROWS.c.id, ids), _ROWS.c.lease_token == token, is_open)
    changed = mine.values(_columns(decision)).returning(_ROWS.c.id)
    return {*opened.execute(changed).scalars()}


def _columns(decision: DeliveryDecision) -> dict[str, Any]:
    copies = decision.receipt.copies_unknown if decision.receipt else int(decision.unknown)
    values: dict[str, Any] = {
        "state": decision.state,
        "reason": decision.reason,
        "lease_token": None,
        "lease_until": None,
        "unknown_attempts": _ROWS.c.unknown_attempts + copies - _COUNTED_BEFORE,
    }
    if decision.said:  # where the reader has an account
        kept = {"title": decision.said.title, "text": decision.said.text}
        has_reader = _ROWS.c.user_id.is_not(None)
        values |= {name: sa.case((has_reader, sa.literal(text, sa.Text()))) for name, text in kept.items()}
    if decision.receipt:
        receipt = decision.receipt
        answer: dict[str, Any] = {
            "provider": receipt.provider,
            "provider_id": receipt.provider_id or None,
            "cost": None if receipt.cost is None else sa.func.coalesce(_ROWS.c.cost, 0) + receipt.cost,
            "segments": receipt.segments,
        }
        if receipt.delivered:
            answer["delivered_at"] = decision.at
        if receipt.awaits_receipt:
            within = receipt.receipt_within or no_receipt_seconds()
            answer["receipt_due_at"] = decision.at + timedelta(seconds=within)
        return values | {"accepted_at": decision.at} | answer
    if decision.state is State.PENDING:
        tried: dict[str, Any] = {} if decision.counts else {"attempts": Notification.attempts - 1}
        tried["held_for"] = decision.held_for
        if decision.held_for in WISHES:
            tried["committed_at"] = None  # the figures of delays leave it out
            tried["priority"] = _HELD_PRIORITY
        return values | tried | {"next_attempt_at": decision.at}
    return values | {"failed_at": decision.at}


def _log_decisions(decisions: dict[DeliveryDecision, list[ClaimedRow]], ours: set[UUID]) -> None:
    for decision, rows in decisions.items():
        event = "not accepted"
        said: dict[str, Any] = {"state": decision.state.value, "reason": decision.reason}
        if decision.receipt:
            seen = min((row.seen_at for row in rows if row.seen_at), default=None)
            since = round((decision.at - seen) / timedelta(milliseconds=1)) if seen else None
            event = "sent"
            said = {"provider": decision.receipt.provider, "milliseconds": since}
        log_each(
            event, [(row.id, _describe(row) | said) for row in rows if row.id in ours], level=decision.level
        )
        lost = [
            (row.id, _describe(row) | {"state": decision.state.value}) for row in rows if row.id not in ours
        ]
        log_each("lease lost: the result is another's to record", lost, level=logging.WARNING)


def _describe(row: ClaimedRow) -> dict[str, Any]:
    """Return the fields of a notification's lines; those of a crowd differ by their ids only."""
    return {
        "kind": row.kind, "channel": row.channel.value, "attempt": row.attempts, **find_detection(row.params),
    }  # fmt: skip
