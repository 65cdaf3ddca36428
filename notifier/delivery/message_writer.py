"""The writer of messages that are no slot alerts, each with its notice; due at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from rq.timeouts import JobTimeoutException
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, load_only

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that are not named here
from api.models.base import new_id
from api.models.database_clock import database_clock
from api.models.notice import Notice
from api.models.notification import Notification, Priority
from api.models.user import Channel, Contact, ContactState, User
from configs.ground.clock import clock
from configs.world.languages import FRENCH
from notifier.content.message_kind_base import ClaimedRow, MessageKind, Skip
from notifier.content.messages import (
    NoticeText,
    choose_language,
    choose_notice_language,
    render_notice,
    speaks,
)
from notifier.content.text_files import languages_of
from notifier.message_kinds import kind_of

# Programs write messages that must not read where they go: they have neither the keys nor the right.
_LANGUAGE = load_only(User.language)
_REACHED = load_only(Contact.channel, Contact.verified_at, Contact.enabled, Contact.state)

log = structlog.get_logger(__name__)


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
) -> list[UUID]:
    """Write a notification for each contact that the kind accepts and has texts for; return the ids of the new ones.

    `nudge` them after the commit. `params` (plain JSON values) fill the kind's texts. A `dedupe_key` that was used
    before writes nothing. `channels` leaves out contacts on others; `language` stands in for the user's.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    accepts_contact = kind_of(kind).accepts_contact
    wanted = language or session.get_one(User, user_id, options=[_LANGUAGE]).language
    spoken = choose_language(kind, wanted)
    mine = sa.select(Contact).options(_REACHED).where(Contact.user_id == user_id)
    contacts = session.scalars(mine.order_by(Contact.id))
    if kind_of(kind).makes_notice:
        write_notice(session, user_id, kind, params, dedupe_key, language=spoken)
    return _insert(
        session,
        [
            _message(kind, contact.channel, spoken, params, Priority(priority))
            | {"user_id": user_id, "contact_id": contact.id}
            | {"dedupe_key": f"{dedupe_key}:{_name_way(contact)}"}
            for contact in contacts
            if (channels is None or contact.channel in channels)
            and accepts_contact(contact)
            and any(speaks(kind, each, contact.channel) for each in languages_of(kind))
        ],
    )


def _name_way(contact: Contact) -> str:
    """Return the channel; of push the device too, as a person may have several."""
    is_device = contact.channel is Channel.PUSH
    return f"{contact.channel.value}:{contact.id}" if is_device else contact.channel.value


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

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    spoken = choose_language(kind, language)
    if user_id and kind_of(kind).makes_notice:
        write_notice(session, user_id, kind, params, dedupe_key, language=spoken)
    row = _message(kind, Channel.EMAIL, spoken, params, Priority.IMMEDIATE)
    to = {"address": address, "user_id": user_id, "dedupe_key": f"{dedupe_key}:{Channel.EMAIL.value}"}
    return _insert(session, [row | to])


def _message(
    kind: str, channel: Channel, language: str, params: dict[str, Any], priority: Priority
) -> dict[str, Any]:
    return {
        "id": new_id(), "channel": channel, "kind": kind, "language": language, "params": params, "priority": priority,
    }  # fmt: skip


def _insert(session: Session, rows: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """Write rows that are due now and whose dedupe key is new; return their ids. Each names the same columns."""
    if not rows:
        return []
    now = database_clock(session)
    made = insert(Notification).on_conflict_do_nothing(index_elements=[Notification.dedupe_key])
    times = {"created_at": now, "next_attempt_at": now}
    new = set(session.scalars(made.returning(Notification.id), [{**row, **times} for row in rows]))
    return [row["id"] for row in rows if row["id"] in new]


def write_to_contacts(
    session: Session, kind: str, channel: str, messages: Sequence[Mapping[str, Any]]
) -> list[UUID]:
    """Write messages in bulk to contacts that the caller chose; return the ids of the new ones, to nudge.

    Each has `user_id`, `contact_id`, `language`, `params` and `dedupe_key`.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    kind_of(kind)
    rows = [
        _message(
            kind,
            Channel(channel),
            choose_language(kind, each["language"]),
            each["params"],
            Priority.BULK,
        )
        | {name: each[name] for name in ("user_id", "contact_id", "dedupe_key")}
        for each in messages
    ]
    return _insert(session, rows)


def write_notice(
    session: Session, user_id: UUID, kind: str, params: Mapping[str, Any], dedupe_key: str, *, language: str
) -> None:
    """Write the notice of a message that is not a slot alert, once for each `dedupe_key`.

    One that cannot be rendered is logged, and stops no message; what is over by now makes none.
    """
    now = clock()
    row = ClaimedRow(
        id=new_id(), contact_id=None, channel=Channel.EMAIL, kind=kind, params=dict(params), created_at=now,
        language=choose_notice_language(kind, language), priority=Priority.IMMEDIATE, attempts=0, unknown_attempts=0,
        reason=None, held_for=None, seen_at=None, matched_at=None,
    )  # fmt: skip
    text = _render(session, user_id, row)
    if text is None:
        return
    values = {
        "id": row.id, "user_id": user_id, "kind": kind, "language": text.language, "title": text.title,
        "body": text.body, "link": kind_of(kind).notice_link, "dedupe_key": dedupe_key, "created_at": now,
    }  # fmt: skip
    once = (
        insert(Notice)
        .values(values)
        .on_conflict_do_nothing(
            index_elements=[Notice.user_id, Notice.dedupe_key], index_where=Notice.dedupe_key.is_not(None)
        )
    )
    session.execute(once)


def _render(session: Session, user_id: UUID, row: ClaimedRow) -> NoticeText | None:
    kind = kind_of(row.kind)
    try:
        context = kind.values(session, row, _build_contact(kind, user_id, row.created_at), row.created_at)
        return None if isinstance(context, Skip) else render_notice(row.kind, row.language, context.values)
    except (sa.exc.DBAPIError, JobTimeoutException):
        raise
    except Exception:
        # The boundary: what a text lacks is the notice's alone.
        log.exception("no notice", kind=row.kind)
        return None


def _build_contact(kind: MessageKind, user_id: UUID, now: datetime) -> Contact:
    """Return a contact that a kind accepts, in no session: a notice has none, and the kinds ask for one.

    It is confirmed only where it must be: for a confirmed address links are signed, and not every program has the key.
    """
    contact = Contact(
        id=new_id(), user_id=user_id, channel=Channel.EMAIL, address="", enabled=True, state=ContactState.OK
    )
    if not kind.accepts_contact(contact):
        contact.verified_at = now
    return contact
