"""The writer of messages that are no slot alerts, each with its notice, of the loss of a contact, and of alarms."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not named here
from api.models.base import database_clock, new_id
from api.models.incident import Incident
from api.models.notification import Notice, Notification, Priority
from api.models.provider_event import BOUNCE_WAIT, LONGEST_CODE, ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact, ContactState, Role, User
from configs.ground.clock import clock
from configs.ground.text import FRENCH
from configs.programs.circuit_breaker import CircuitBreaker, provider_rest_seconds
from notifier.channels.provider_base import PermanentError
from notifier.content.message_kind_base import ClaimedRow, DueMessage, Skip
from notifier.content.messages import choose_language, render_notice, speaks
from notifier.message_kinds import kind_of

# Programs write messages that must not read where they go: they have neither the keys nor the right.
_LANGUAGE = load_only(User.language)
_REACHED = load_only(Contact.user_id, Contact.channel, Contact.verified_at, Contact.enabled, Contact.state)

log = structlog.get_logger(__name__)
_KIND = "channel_lost"
# A contact that was lost in two ways has the later of these states, in whatever order it was heard of.
_RANKS = (ContactState.OK, ContactState.BOUNCED, ContactState.BLOCKED, ContactState.UNSUBSCRIBED)

# In the order of the hourly cap, and each user once, as there. The key share of the user keeps out its deletion, and no
# other change.
_LOCK = sa.text("""
WITH owners AS (
  SELECT id FROM users WHERE id IN (SELECT user_id FROM contacts WHERE id = ANY(CAST(:ids AS uuid[])))
  ORDER BY id FOR KEY SHARE
)
SELECT FROM owners u JOIN contacts k ON k.user_id = u.id WHERE k.id = ANY(CAST(:ids AS uuid[]))
ORDER BY u.id, k.id FOR NO KEY UPDATE OF k
""")
_CHANNELS = (Channel.TELEGRAM, Channel.EMAIL)  # the quickest first
_QUICKEST = "telegram"  # its only provider


def create_notifications(
    session: Session,
    user_id: UUID,
    kind: str,
    params: dict[str, Any],
    dedupe_key: str,
    *,
    priority: str = "immediate",
    channels: Collection[str] | None = None,
    language: str | None = None,
    delay: timedelta | None = None,
) -> list[UUID]:
    """Write a notification for each contact that the kind accepts and has texts for; return the ids of the new ones.

    `ask_deliver` them after the commit. `params` (plain JSON values) fill the kind's texts. A `dedupe_key` that was
    used before writes nothing. `channels` leaves out contacts on others; `language` stands in for the user's. They wait
    for `delay`, in which the caller may take them back.
    """
    sent = kind_of(kind)
    wanted = language or session.get_one(User, user_id, options=[_LANGUAGE]).language
    spoken = choose_language(kind, wanted)
    mine = sa.select(Contact).options(_REACHED).where(Contact.user_id == user_id)
    contacts = session.scalars(mine.order_by(Contact.id))
    if sent.notice_link:
        write_notice(session, user_id, kind, params, dedupe_key, language=spoken)
    return insert_rows(
        session,
        [
            build_row(kind, contact.channel, spoken, params, Priority(priority))
            | {"user_id": user_id, "contact_id": contact.id}
            | {"dedupe_key": f"{dedupe_key}:{contact.channel.value}{device}"}
            | ({"next_attempt_at": clock() + delay} if delay else {})
            for contact in contacts
            for device in [f":{contact.id}" if contact.channel is Channel.PUSH else ""]
            if (channels is None or contact.channel in channels)
            and sent.to.accepts(contact)
            and speaks(kind, spoken, contact.channel)
        ],
    )


def notify_address(
    session: Session,
    address: str,
    kind: str,
    params: dict[str, Any],
    dedupe_key: str,
    *,
    language: str = FRENCH,
    user_id: UUID | None = None,
) -> list[UUID]:
    """Write an e-mail to an address that needs no account; return its id where the dedupe key is new.

    It is also shown in the account of `user_id`, whose deletion a mail that waits outlives. Nothing is checked about
    the address: the caller limits how often strangers may name one.
    """
    spoken = choose_language(kind, language)
    if user_id and kind_of(kind).notice_link:
        write_notice(session, user_id, kind, params, dedupe_key, language=spoken)
    row = build_row(kind, Channel.EMAIL, spoken, params, Priority.IMMEDIATE)
    to = {"address": address, "user_id": user_id, "dedupe_key": f"{dedupe_key}:{Channel.EMAIL.value}"}
    return insert_rows(session, [row | to])


def build_row(
    kind: str, channel: Channel, language: str, params: dict[str, Any], priority: Priority
) -> dict[str, Any]:
    """Return the columns that each message has; its writer adds whom it goes to, and its `dedupe_key`."""
    return {
        "id": new_id(), "channel": channel, "kind": kind, "language": language, "params": params, "priority": priority,
    }  # fmt: skip


def insert_rows(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """Write the rows whose dedupe key is new, due now where they do not say when; return their ids.

    Each names the same columns.
    """
    if not rows:
        return []
    now = database_clock(session)
    made = insert(Notification).on_conflict_do_nothing(index_elements=[Notification.dedupe_key])
    times = {"created_at": now, "next_attempt_at": now}
    new = set(session.scalars(made.returning(Notification.id), [{**times, **row} for row in rows]))
    return [row["id"] for row in rows if row["id"] in new]


def write_to_contacts(
    session: Session, kind: str, channel: str, messages: Sequence[Mapping[str, Any]]
) -> list[UUID]:
    """Write messages in bulk to contacts that the caller chose; return the ids of the new ones, to nudge.

    Each has `user_id`, `contact_id`, `language`, `params` and `dedupe_key`.
    """
    kind_of(kind)
    to = Channel(channel)
    rows = [
        build_row(kind, to, choose_language(kind, each["language"]), each["params"], Priority.BULK)
        | {name: each[name] for name in ("user_id", "contact_id", "dedupe_key")}
        for each in messages
    ]
    return insert_rows(session, rows)


def write_notice(
    session: Session, user_id: UUID, kind: str, params: Mapping[str, Any], dedupe_key: str, *, language: str
) -> None:
    """Write the notice of a message that is not a slot alert, once for each `dedupe_key`.

    One that cannot be rendered is logged, and stops no message; what is over by now makes none.
    """
    now, sent = clock(), kind_of(kind)
    row = ClaimedRow(
        new_id(), Channel.EMAIL, kind, language, dict(params), Priority.IMMEDIATE,
        attempts=0, unknown_attempts=0, created_at=now,
    )  # fmt: skip
    # A notice has no contact, and the kinds ask for one. It is confirmed only where it must be: for a confirmed address
    # links are signed, and not every program has the key.
    contact = Contact(
        id=new_id(), user_id=user_id, channel=Channel.EMAIL, address="", enabled=True, state=ContactState.OK
    )
    if not sent.to.accepts(contact):
        contact.verified_at = now
    try:
        context = sent.values(DueMessage(session, row, contact, now))
        if isinstance(context, Skip):
            return
        text = render_notice(kind, row.language, context.values)
    except (sa.exc.DBAPIError, JobTimeoutException):
        raise
    except Exception:
        # The boundary: what a text lacks is the notice's alone.
        log.exception("no notice", kind=kind)
        return
    values = {
        "id": row.id, "user_id": user_id, "kind": kind, "language": text.language, "title": text.title,
        "body": text.body, "link": sent.notice_link, "dedupe_key": dedupe_key, "created_at": now,
    }  # fmt: skip
    once = (
        insert(Notice)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=[Notice.user_id, Notice.dedupe_key], index_where=Notice.dedupe_key.is_not(None)
        )
    )
    session.execute(once)


def lock_contacts(opened: Session, contact_ids: Collection[UUID]) -> None:
    """Lock contacts whose states may change, users before their contacts: before the first of several changes."""
    opened.execute(_LOCK, {"ids": [str(each) for each in contact_ids]})


def refuse_contact(
    opened: Session, contact_id: UUID, address: str, answer: PermanentError, left_at: datetime
) -> None:
    """Give a contact the state of a provider's answer to a message; its reason begins with the provider's name.

    That a verified one bounced waits, as a receipt of it does (notifier/applied_receipts.py).
    """
    contact, state = opened.get(Contact, contact_id, populate_existing=True), answer.contact_state
    if state and (state is not ContactState.BOUNCED or not contact or contact.verified_at is None):
        change_state(opened, contact_id, state, address)
    elif contact and contact.address == address:
        now, provider = database_clock(opened), answer.reason.split(maxsplit=1)[0].rstrip(":")
        opened.add(
            ProviderEvent(
                provider=provider, event_id=str(new_id()), notification_ids=[], contact_id=contact_id,
                kind=ReceiptKind.BOUNCED, code=answer.reason[:LONGEST_CODE], at=left_at, received_at=now,
                next_attempt_at=now + BOUNCE_WAIT,
            )
        )  # fmt: skip


def change_state(opened: Session, contact_id: UUID, state: ContactState, address: str) -> None:
    """Give a contact that state, unless its address is no longer the one given; tell its user where it was well.

    A state other than BOUNCED withdraws the consent: its owner answered STOP, or blocked us.
    """
    lock_contacts(opened, [contact_id])
    contact = opened.get(Contact, contact_id, populate_existing=True)
    if contact is None or contact.address != address:
        return
    was_well = contact.state is ContactState.OK and contact.verified_at is not None
    if _RANKS.index(state) > _RANKS.index(contact.state):
        contact.state = state
    if state is not ContactState.BOUNCED:
        contact.consented_at = None
    reached = sa.select(Contact.id).where(
        Contact.user_id == contact.user_id,
        Contact.channel == contact.channel,
        Contact.id != contact.id,
        Contact.state == ContactState.OK,
    )
    # That a browser ended one of several subscriptions is no loss.
    if not was_well or opened.scalar(reached.limit(1)) is not None:
        return
    others = [each.value for each in Channel if each is not contact.channel]
    params = {"channel": contact.channel.value, "state": contact.state.value}
    key = f"{_KIND}:{new_id()}"  # the sweep has them sent
    create_notifications(opened, contact.user_id, _KIND, params, key, channels=others)


def raise_alarm(
    session: Session, incident: Incident, kind: str, params: dict[str, Any], now: datetime
) -> list[UUID]:
    """Notify operators of an incident, and store the message for its repetition; return what was written."""
    incident.told_at, incident.alarm_kind, incident.alarm_params = now, kind, params
    return _write_alarm(session, incident, again=False)


def repeat_alarm(session: Session, incident: Incident, now: datetime) -> list[UUID]:
    """Notify operators once more, on another channel where they have one; return what was written."""
    incident.repeated_at = now
    return _write_alarm(session, incident, again=True)


def _write_alarm(session: Session, incident: Incident, *, again: bool) -> list[UUID]:
    if incident.alarm_kind is None:
        return []
    params = {**(incident.alarm_params or {}), "incident": incident.id, "again": again}
    written: list[UUID] = []
    for user_id, channels in _list_operators(session).items():
        first, second = (f"alarm:{incident.id}:{each}:{user_id}" for each in ("first", "again"))
        told = sa.select(Notification.channel).where(
            Notification.dedupe_key.in_([f"{first}:{each.value}" for each in _CHANNELS])
        )
        used = session.scalar(told) if again else None
        others = [each for each in channels if each is not used]
        written += create_notifications(
            session, user_id, incident.alarm_kind, params, second if again else first,
            channels=[(others or channels)[0]], language=FRENCH,
        )  # fmt: skip
    return written


def _list_operators(session: Session) -> dict[UUID, list[Channel]]:
    """Return the operators that can be reached, each with the channels, the quickest first.

    Telegram is last while its provider is down.
    """
    query = (
        sa.select(Contact)
        .join(User, User.id == Contact.user_id)
        .where(User.role.in_([Role.ADMIN, Role.SUPPORT]), Contact.channel.in_(_CHANNELS))
        .options(_REACHED)
        .order_by(Contact.user_id)
    )
    found: dict[UUID, list[Channel]] = {}
    for contact in session.scalars(query):
        if contact.reachable:
            found.setdefault(contact.user_id, []).append(contact.channel)
    is_down = CircuitBreaker(_QUICKEST, provider_rest_seconds()).is_open()
    order = _CHANNELS[::-1] if is_down else _CHANNELS
    return {user_id: sorted(mine, key=order.index) for user_id, mine in found.items()}
