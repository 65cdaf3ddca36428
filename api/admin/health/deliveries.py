"""Health of messages: those that wait too long or do not arrive, and ceilings of a day."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.orm import Session

from api.admin.health.findings import Trouble, raise_troubles, read_session
from api.models.base import first_id_at
from api.models.incident import IncidentReason as Reason
from api.models.login import stranger_mails_a_day
from api.models.notification import Notification, State, sum_of_day
from api.models.provider_event import ProviderEvent, ReceiptKind, is_held
from api.models.slot import Detection
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.text import format_duration, pluralize
from configs.settings import settings

# Mails that anybody causes who names an address (api/web/stranger_mail.py).
_ON_A_WORD = (
    "verify_email", "account_exists", "verify_new_email", "support_received", "withdrawal_received", "cancel_noticed",
)  # fmt: skip
_HOUR, _DAY, _QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)
OLD = timedelta(minutes=5)  # that a message may wait although it can be sent
_OLD_IN_CROWD = timedelta(
    hours=1
)  # where others of the channel leave: ten thousand SMS take 17 minutes at its rate
_LEAVES = timedelta(minutes=1)
LEAST_AWAITED, _LEAST_SETTLED = 10, 20  # messages of an hour, fewer say nothing about a provider
_LEAST_LOST = 3  # messages, of which one or two may have a wrong address
_ARRIVES = {Channel.EMAIL: 0.98, Channel.SMS: 0.95}  # share of delivered messages that is normal
_SHOWN = 5  # answers of a provider, the most frequent ones
_BOUNCES, _DIES, _IS_SPAM = 0.05, 0.02, 0.001  # shares that are not normal


def check_messages(_: Redis) -> str:
    """Find what no worker took for a while: messages that could be sent, detections without messages."""
    now = clock()
    with read_session() as s:
        raise_troubles([*_find_waiting(s, now), *_find_unmatched(s, now)])
    return "none waits too long"


def _find_waiting(s: Session, now: datetime) -> Iterator[Trouble]:
    n = Notification
    leaves = sa.select(n.channel).where(n.id >= first_id_at(now - _DAY), n.accepted_at > now - _LEAVES)
    patience = sa.case((n.channel.in_(leaves), _OLD_IN_CROWD), else_=OLD)
    waiting = sa.select(sa.func.count(), sa.func.min(n.next_attempt_at)).where(
        n.state.in_([State.PENDING, State.SENDING]), n.state == State.PENDING, n.next_attempt_at + patience <= now,
    )  # fmt: skip
    number, oldest = s.execute(waiting).one()
    if number:
        text = f"{pluralize(number, 'message')} wait, the oldest for {format_duration(now - oldest)}: do workers run?"
        yield _describe_old("notifications", number, now - oldest, text)


def _find_unmatched(s: Session, now: datetime) -> Iterator[Trouble]:
    d = Detection
    unmatched = sa.select(sa.func.count(), sa.func.min(d.committed_at)).where(
        d.matched_at.is_(None), d.committed_at + OLD <= now
    )
    number, oldest = s.execute(unmatched).one()
    if number:
        text = (
            f"{pluralize(number, 'detection')} not matched, the oldest for {format_duration(now - oldest)}:"
            " the notifier's log says why"
        )
        yield _describe_old("detections", number, now - oldest, text)


def _describe_old(subject: str, number: int, age: timedelta, text: str) -> Trouble:
    return Trouble(
        Reason.OLD_QUEUE, subject, text, {"number": number, "oldest_seconds": round(age.total_seconds())}
    )


def check_delivery(_: Redis) -> str:
    """Judge the last hour's receipts, spam reports, held bounces, and messages that failed for good."""
    now = clock()
    with read_session() as s:
        troubles = [*_find_low_delivery(s, now), *_find_dead_letters(s, now), *_find_spam_reports(s, now)]
        troubles += _find_held_bounces(s)
    raise_troubles(troubles)
    return "messages arrive"


def _find_low_delivery(s: Session, now: datetime) -> Iterator[Trouble]:
    n = Notification
    arrived, bounced, silent = (
        sa.func.count().filter(n.state == each) for each in (State.DELIVERED, State.BOUNCED, State.NO_RECEIPT)
    )
    settled = (n.id >= first_id_at(now - _HOUR), n.channel.in_(list(_ARRIVES)))
    for channel, well, back, lost in s.execute(
        sa.select(n.channel, arrived, bounced, silent).where(*settled).group_by(n.channel).order_by(n.channel)
    ):
        number = well + back + lost
        if number < _LEAST_SETTLED or back + lost < _LEAST_LOST:
            continue
        if well < _ARRIVES[channel] * number or back > _BOUNCES * number:
            text = (
                f"{well} of {number} messages of the last hour arrived by {channel.value}, {back} came back"
            )
            yield Trouble(Reason.LOW_DELIVERY, channel.value, text, {"number": back + lost, "of": number})


def _find_dead_letters(s: Session, now: datetime) -> Iterator[Trouble]:
    """Yield a trouble where more messages failed for good than have a wrong address."""
    n, since = Notification, now - _QUARTER
    dead = sa.select(sa.func.count()).where(n.state == State.FAILED, n.failed_at > since)
    number = s.scalars(dead).one()
    if number < _LEAST_LOST:
        return
    recent = sa.select(sa.func.count()).where(n.id >= first_id_at(now - _HOUR), n.accepted_at > since)
    of = number + s.scalars(recent).one()
    if number > _DIES * of:
        text = f"{number} messages failed for good within 15 minutes: `/admin` shows why"
        yield Trouble(Reason.DEAD_LETTERS, "notifications", text, {"number": number, "of": of})


def _find_spam_reports(s: Session, now: datetime) -> Iterator[Trouble]:
    """Yield a trouble where mailbox services would begin to refuse us: they count reports by mails."""
    e, n = ProviderEvent, Notification
    reports = sa.select(sa.func.count()).where(e.received_at > now - _DAY, e.kind == ReceiptKind.COMPLAINED)
    number = s.scalars(reports).one()
    if number < _LEAST_LOST:
        return
    mails = sa.select(sa.func.count()).where(
        n.id >= first_id_at(now - _DAY), n.channel == Channel.EMAIL, n.accepted_at.is_not(None)
    )
    of = s.scalars(mails).one()
    if number > _IS_SPAM * of:
        text = f"{number} readers of {of} mails of a day called one spam"
        yield Trouble(Reason.SPAM_REPORTS, "mail", text, {"number": number, "of": of})


def _find_held_bounces(s: Session) -> Iterator[Trouble]:
    """Yield a trouble for each provider whose answers would have ended too many contacts at once."""
    e, contacts = ProviderEvent, sa.func.count(ProviderEvent.contact_id.distinct())
    held = sa.select(e.provider, e.code, contacts).where(is_held()).group_by(e.provider, e.code)
    answers = defaultdict[str, list[tuple[str, int]]](list)
    for provider, code, number in s.execute(held.order_by(contacts.desc(), e.code)):
        answers[provider].append((code or "no code", number))
    for provider, found in answers.items():
        said = ", ".join(f"{code} ({number})" for code, number in found[:_SHOWN])
        text = f"{provider} would end many contacts at once, which is held: {said}. `flask bounces` decides"
        number = sum(number for _, number in found)
        yield Trouble(Reason.HELD_BOUNCES, provider, text, {"number": number, "answers": said})


def check_ceilings(_: Redis) -> str:
    """Tell the UTC day on which SMS cost SMS_DAY_STOP, or half of STRANGER_MAILS_A_DAY left on strangers' word."""
    n, now = Notification, clock()
    since, day = now - _DAY, f"{now.astimezone(UTC):%Y-%m-%d}"
    asked = sa.select(sa.func.count()).where(
        n.id >= first_id_at(since), n.created_at > since, n.kind.in_(_ON_A_WORD)
    )
    troubles = []
    with read_session() as s:
        if sum_of_day(s, now) >= settings().sms_day_stop:
            troubles.append(Trouble(Reason.SMS_CEILING, f"SMS {day}", "SMS cost SMS_DAY_STOP today"))
        if s.scalars(asked).one() * 2 >= stranger_mails_a_day():
            text = "half of STRANGER_MAILS_A_DAY left on strangers' word"
            troubles.append(Trouble(Reason.MAIL_CEILING, f"mails {day}", text))
    raise_troubles(troubles)
    return "none is reached"
