"""Notifications, from their rows to the provider and back: claim, look again, send, record."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from api.models.base import is_any_of, session
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from configs.settings import settings
from notifier import hourly_cap
from notifier.channels import Acceptance, OutgoingMessage, RenderedMessage
from notifier.content.messages import render
from notifier.delivery import claiming as parcels
from notifier.delivery.batch_sender import Answer, Handing
from notifier.delivery.claiming import ClaimedMessage
from notifier.delivery.durable_write import retry_until_written
from notifier.delivery.retry_policy import Attempt, DeliveryDecision, on_error, on_success
from notifier.errors import NotAttempted, OutcomeUnknown, TemporaryError
from notifier.message_kinds import SLOT_DETECTED, ClaimedRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """Parcels that were handed over together, and what the provider answered."""

    parcels: Sequence[ClaimedMessage]
    answer: Answer


def deliver(ids: Sequence[UUID]) -> None:
    """Send notifications that are due and that nobody else is at; record each answer as it comes."""
    hand_over(claim(ids))


def hand_over(claimed: Sequence[ClaimedMessage]) -> None:
    """Send what is claimed; record each answer as it comes."""
    for sent in send(claimed):
        record(sent)


def put_back(claimed: Sequence[ClaimedMessage], reason: str) -> None:
    """Leave what is claimed to whoever claims it next: it has not left, and the attempt does not count."""
    record(Sent(claimed, NotAttempted(reason)))


def claim(ids: Sequence[UUID]) -> list[ClaimedMessage]:
    """Take notifications for one lease; what is not to be sent any more ends here."""
    with session() as opened:
        claimed = parcels.claim(opened, ids, clock())
        for each in claimed.dropped:
            close(
                opened,
                [each.row.id],
                claimed.token,
                DeliveryDecision(each.how.state, clock(), each.how.reason),
            )
            log.info(
                "not sent", notification=str(each.row.id), state=each.how.state.value, reason=each.how.reason
            )
        for row, error in claimed.failed:
            # Tried as often as any other: a row that cannot be read would never be seen to expire.
            attempt = replace(attempt_of(row), lasting=False)
            close(opened, [row.id], claimed.token, on_error(error, attempt, clock()))
            _about(row).warning("not sent", reason=error.reason)
    return claimed.parcels


def send(claimed: Sequence[ClaimedMessage]) -> Iterator[Sent]:
    """Hand parcels to their providers; no connection to the database is held meanwhile. Raises nothing."""
    by_channel: dict[Channel, list[ClaimedMessage]] = defaultdict(list)
    for parcel in claimed:
        by_channel[parcel.first.channel].append(parcel)
    for name, mine in by_channel.items():
        yield from _hand_over(name, mine)


def _hand_over(name: Channel, mine: Sequence[ClaimedMessage]) -> Iterator[Sent]:
    texts, letters = _Texts(), dict[int, ClaimedMessage]()
    ready: list[OutgoingMessage] = []
    for parcel in mine:
        try:
            letter = texts.letter(parcel)
        except Exception as error:
            # The boundary: a text that cannot be made has not left, so that a mended one may follow.
            log.exception("no text", notification=str(parcel.first.id), kind=parcel.first.kind)
            yield Sent([parcel], TemporaryError(f"text could not be made: {type(error).__name__}"))
        else:
            letters[id(letter)] = parcel
            ready.append(letter)
    needed = settings().provider_timeout_seconds + parcels.MARGIN_SECONDS
    handing = Handing(name, mine[0].until - timedelta(seconds=needed))
    for together, answer in handing.over(ready):
        yield Sent([letters[id(each)] for each in together], answer)


@dataclass(slots=True)
class _Texts:
    """Makes letters; parcels whose facts are alike share one message."""

    made: dict[Any, RenderedMessage] = field(default_factory=dict)

    def letter(self, parcel: ClaimedMessage) -> OutgoingMessage:
        row, facts = parcel.first, parcel.facts
        key = (row.kind, row.language, row.id if facts.key is None else facts.key)
        if key not in self.made:
            self.made[key] = render(row.kind, row.channel, row.language, facts)
        ids = [each.id for each in parcel.rows]
        return OutgoingMessage(self.made[key], parcel.address, ids, facts.substitutions, parcel.seen_at)


def record(sent: Sent) -> bool:
    """Keep what came of it, where the lease is still ours; return whether it was for all.

    An answer that was heard is not lost to a database that is away, however long.
    """
    verdicts = _verdicts(sent)
    ours = retry_until_written(lambda: _keep(sent, verdicts))
    _say(verdicts, ours)
    return len(ours) == sum(map(len, verdicts.values()))


def _verdicts(sent: Sent) -> dict[DeliveryDecision, list[ClaimedRow]]:
    now = clock()
    verdicts: dict[DeliveryDecision, list[ClaimedRow]] = defaultdict(list)
    for parcel in sent.parcels:
        for row in parcel.rows:
            verdicts[_verdict(row, sent.answer, now)].append(row)
    return verdicts


def _verdict(row: ClaimedRow, answer: Answer, now: datetime) -> DeliveryDecision:
    if isinstance(answer, Acceptance):
        return on_success(answer, now)
    return on_error(answer, attempt_of(row), now)


def attempt_of(row: ClaimedRow) -> Attempt:
    """Return the attempt that a claimed notification is at."""
    lasting = row.kind == SLOT_DETECTED
    return Attempt(
        row.attempts, row.priority, row.channel, row.reason, row.unknown_attempts, lasting, row.created_at
    )


def _keep(sent: Sent, verdicts: dict[DeliveryDecision, list[ClaimedRow]]) -> set[UUID]:
    token = sent.parcels[0].token
    ours: set[UUID] = set()
    with session() as opened:
        for verdict, rows in verdicts.items():
            ours |= close(opened, [row.id for row in rows], token, verdict)
            if verdict.contact_state is not None:
                _mark(opened, [each for each in sent.parcels if each.first.id in ours], verdict.contact_state)
        if not isinstance(sent.answer, Acceptance | OutcomeUnknown):
            hourly_cap.give_back(opened, _capped(sent, ours))
    return ours


def _capped(sent: Sent, ours: Collection[UUID]) -> set[UUID]:
    """Return the contacts whose messages, of those that are still ours, took a token of the hourly cap."""
    firsts = [parcel.first for parcel in sent.parcels if parcel.first.id in ours]
    return {row.contact_id for row in firsts if row.kind == SLOT_DETECTED and row.contact_id}


def close(opened: Session, ids: Sequence[UUID], token: UUID, verdict: DeliveryDecision) -> set[UUID]:
    """Write what becomes of notifications where the lease is still this token's; return which those are."""
    mine = sa.update(Notification).where(is_any_of(Notification.id, ids), Notification.lease_token == token)
    changed = mine.values(_columns(verdict)).returning(Notification.id)
    return set(opened.scalars(changed, execution_options={"synchronize_session": False}))


def _columns(verdict: DeliveryDecision) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": verdict.state,
        "reason": verdict.reason,
        "lease_token": None,
        "lease_until": None,
    }
    if verdict.receipt:
        receipt = verdict.receipt
        answer = {
            "provider": receipt.provider,
            "provider_id": receipt.provider_id or None,
            "cost": receipt.cost,
        }
        return values | {"accepted_at": verdict.at} | answer
    if verdict.unknown:
        values["unknown_attempts"] = Notification.unknown_attempts + 1
    if verdict.state is State.PENDING:
        tried = {} if verdict.counts else {"attempts": Notification.attempts - 1}
        return values | tried | {"next_attempt_at": verdict.at, "next_nudge_at": verdict.at}
    return values | {"failed_at": verdict.at}


def _mark(opened: Session, refused_ones: Sequence[ClaimedMessage], state: ContactState) -> None:
    for parcel in refused_ones:
        # Not where the person changed the address meanwhile: the refusal speaks of the old one.
        same = sa.and_(Contact.id == parcel.first.contact_id, Contact.address == parcel.address)
        opened.execute(sa.update(Contact).where(same).values(state=state))


def _say(verdicts: dict[DeliveryDecision, list[ClaimedRow]], ours: set[UUID]) -> None:
    for verdict, rows in verdicts.items():
        if kept := [row for row in rows if row.id in ours]:
            _say_together(kept, verdict)
        for row in rows:
            if row.id not in ours:
                lost = "lease lost: the result is another's to record"
                _about(row).warning(lost, state=verdict.state.value)


def _say_together(rows: Sequence[ClaimedRow], verdict: DeliveryDecision) -> None:
    """Log what came of one call in one line: a line for each of a crowd takes as long as sending it."""
    said = _about(rows[0])
    if len(rows) > 1:
        said = said.bind(merge=len(rows))
    if verdict.state is State.SENT:
        seen = min((row.seen_at for row in rows if row.seen_at), default=None)
        since = round((verdict.at - seen) / timedelta(milliseconds=1)) if seen else None
        said.info("sent", milliseconds=since)
    else:
        said.warning("not accepted", state=verdict.state.value, reason=verdict.reason)


def _about(row: ClaimedRow) -> structlog.stdlib.BoundLogger:
    bound = log.bind(notification=str(row.id), kind=row.kind, channel=row.channel.value, attempt=row.attempts)
    return cast("structlog.stdlib.BoundLogger", bound)
