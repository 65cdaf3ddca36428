"""Watch of our own operations: providers that are down, messages that wait too long, quotas, the ceiling of SMS.

What lasts is an incident from its first sight on, and is over once it has not been seen for INCIDENT_QUIET_SECONDS.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import notifier
from api.models.incident import INCIDENT_QUIET_SECONDS, Incident, IncidentReason
from api.models.login import STRANGER_MAILS_A_DAY
from api.models.notification import Notification, Priority, State
from api.models.sms_cost import sum_of_day
from api.models.user import Channel
from api.operations.alarms import open_alarm
from api.operations.providers import list_down
from api.paging import first_id_at
from configs.clock import clock
from configs.settings import settings

_KIND = "operations_alarm"
# Mails that anybody causes who names an address (api/middleware/stranger_mail.py).
_ON_A_WORD = (
    "verify_email", "account_exists", "verify_new_email", "support_received", "withdrawal_received", "cancel_noticed",
)  # fmt: skip
_CAPPED = "hourly cap"  # ends the reason of what waits for its contact's turn
_OLD = timedelta(minutes=5)  # that a message may wait although it can be sent
_OLD_IN_BULK = timedelta(hours=1)  # one of a crowd's edits: ten thousand take minutes at Telegram's rate
_PATIENCE = {IncidentReason.PROVIDER_DOWN: timedelta(minutes=2)}  # a breaker opens for less, too
_LEAST_REFUSED = 10  # messages that say that a quota is used up, and no burst met a rate limit
_LASTING = (IncidentReason.PROVIDER_DOWN, IncidentReason.OLD_QUEUE, IncidentReason.QUOTA)
_ON_THE_WAY = Notification.state.in_([State.PENDING, State.SENDING])
# What the providers' refusals for a limit leave as the reason: HTTP 429, and Twilio's codes.
_LIMITED = r"^\w+ (answered 429|20429|21611|14107)\M"


@dataclass(frozen=True, slots=True)
class FoundTrouble:
    """A trouble of our operations that is there now; `figures` are values of its message."""

    reason: IncidentReason
    subject: str
    figures: dict[str, Any] = field(default_factory=dict)


def watch_operations(session: Session) -> list[UUID]:
    """Bring the incidents of our operations up to now; return the notifications of new alarms, to nudge."""
    now = clock()
    found = find_troubles(session, now)
    _store(session, found, now)
    return [
        *_raise_due(session, found, now),
        *_watch_sms_ceiling(session, now),
        *_watch_mail_ceiling(session, now),
    ]


def find_troubles(session: Session, now: datetime) -> list[FoundTrouble]:
    """Return what is wrong now."""
    return [*_find_down_providers(), *_find_old_messages(session, now), *_find_quotas(session, now)]


def _find_down_providers() -> Iterable[FoundTrouble]:
    for channel in Channel:
        for name in list_down(channel):
            yield FoundTrouble(IncidentReason.PROVIDER_DOWN, name)


def _find_old_messages(session: Session, now: datetime) -> Iterable[FoundTrouble]:
    """Yield a trouble where messages could be sent for a while, and no worker took them.

    The hourly cap puts off the nudge alone, so that a message that leaves earlier takes along what it holds back.
    """
    patience = sa.case((Notification.priority == Priority.BULK, _OLD_IN_BULK), else_=_OLD)
    reason = sa.func.coalesce(Notification.reason, "")
    is_capped = sa.and_(reason.endswith(_CAPPED), Notification.next_nudge_at > now)
    waiting = sa.select(sa.func.count(), sa.func.min(Notification.next_attempt_at)).where(
        _ON_THE_WAY,
        Notification.state == State.PENDING,
        Notification.next_attempt_at + patience <= now,
        ~is_capped,
    )
    number, oldest = session.execute(waiting).one()
    if number:
        seconds = round((now - oldest).total_seconds())
        figures = {"number": number, "oldest_seconds": seconds}
        yield FoundTrouble(IncidentReason.OLD_QUEUE, "notifications", figures)


def _find_quotas(session: Session, now: datetime) -> Iterable[FoundTrouble]:
    """Yield the providers that refuse many messages for a limit, and for longer than a burst lasts."""
    provider, number = sa.func.split_part(Notification.reason, " ", 1), sa.func.count()
    refused = (
        sa.select(provider, number)
        .where(_ON_THE_WAY, Notification.state == State.PENDING, Notification.reason.regexp_match(_LIMITED))
        .group_by(provider)
        .having(number >= _LEAST_REFUSED, sa.func.min(Notification.created_at) <= now - _OLD)
    )
    for name, messages in session.execute(refused):
        yield FoundTrouble(IncidentReason.QUOTA, name, {"number": messages})


def _store(session: Session, found: Sequence[FoundTrouble], now: datetime) -> None:
    if found:
        rows = [
            {"subject": each.subject, "reason": each.reason, "starts_at": now, "seen_at": now}
            for each in found
        ]
        made = insert(Incident).values(rows)
        session.execute(
            made.on_conflict_do_update(
                index_elements=[Incident.subject, Incident.reason],
                index_where=Incident.ends_at.is_(None),
                set_={"seen_at": sa.func.greatest(Incident.seen_at, made.excluded.seen_at)},
            )
        )
    quiet = now - timedelta(seconds=INCIDENT_QUIET_SECONDS)
    over = sa.update(Incident).where(
        Incident.ends_at.is_(None), Incident.reason.in_(_LASTING), Incident.seen_at <= quiet
    )
    session.execute(over.values(ends_at=sa.func.greatest(Incident.starts_at, Incident.seen_at)))


def _raise_due(session: Session, found: Sequence[FoundTrouble], now: datetime) -> list[UUID]:
    """Write the alarms of what was found, and has lasted for its patience."""
    figures = {(each.reason, each.subject): each.figures for each in found}
    untold = sa.select(Incident).where(
        Incident.ends_at.is_(None), Incident.reason.in_(_LASTING),
        Incident.told_at.is_(None), Incident.acknowledged_at.is_(None),
    )  # fmt: skip
    written: list[UUID] = []
    for incident in session.scalars(untold.order_by(Incident.id)).all():
        key = incident.reason, incident.subject
        if key in figures and now - incident.starts_at >= _PATIENCE.get(incident.reason, timedelta()):
            params = _describe(incident.reason, incident.subject, incident.starts_at) | figures[key]
            written += notifier.raise_alarm(session, incident, _KIND, params, now)
    return written


def _watch_sms_ceiling(session: Session, now: datetime) -> list[UUID]:
    """Write the alarm of the UTC day on which SMS cost SMS_DAY_STOP."""
    if sum_of_day(session, now) < settings().sms_day_stop:
        return []
    reason, subject = IncidentReason.SMS_CEILING, f"SMS {now.astimezone(UTC):%Y-%m-%d}"
    return open_alarm(session, reason, subject, _KIND, _describe(reason, subject, now))


def _watch_mail_ceiling(session: Session, now: datetime) -> list[UUID]:
    """Write the alarm of the UTC day on which half of STRANGER_MAILS_A_DAY left on strangers' word."""
    since = now - timedelta(days=1)
    asked = sa.select(sa.func.count()).where(
        Notification.id >= first_id_at(since),
        Notification.created_at > since,
        Notification.kind.in_(_ON_A_WORD),
    )
    if session.scalars(asked).one() * 2 < STRANGER_MAILS_A_DAY():
        return []
    reason, subject = IncidentReason.MAIL_CEILING, f"mails {now.astimezone(UTC):%Y-%m-%d}"
    return open_alarm(session, reason, subject, _KIND, _describe(reason, subject, now))


def _describe(reason: IncidentReason, subject: str, since: datetime) -> dict[str, Any]:
    return {"reason": reason.value, "subject": subject, "since": since.isoformat()}
