"""Receipts of providers as they come: whether a call is genuine, and their rows, which hold no address.

How a provider signs and what it says stands in its file of `notifier/channels/providers/`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import database_clock, is_any_of, session
from api.models.contact_lookup import find_contact
from api.models.notification import Notification
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact
from configs.ground.addresses import fold_address
from configs.world.retention import receipts_kept_for
from notifier.channels.provider_base import Receipt
from notifier.channels.providers import sendgrid, telegram, twilio

log = structlog.get_logger(__name__)

# (headers with names in lower case, body, query) → whether the provider signed the call; False while its key is not set
CheckCall = Callable[[Mapping[str, str], bytes, str], bool]
# (body, query, now) → the receipts of a genuine call, without events that change nothing. ValueError: the body does not
# have the documented shape
ReadCall = Callable[[bytes, str, datetime], Sequence[Receipt]]
READERS: Mapping[str, tuple[CheckCall, ReadCall]] = {
    "sendgrid": (sendgrid.is_genuine, sendgrid.read_receipts),
    **{
        each.provider: (partial(twilio.is_genuine, each), partial(twilio.read_receipts, each))
        for each in (twilio.SMS, twilio.CALLS)
    },
}


def is_genuine(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> bool:
    """Return whether the provider made a call to one of our webhooks. Reads no table.

    `query` is what stood behind the `?` of the call's address.

    Raises:
        LookupError: no calls are received from this provider.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    # whose updates are no receipts: the API handles them (api/bot/)
    check = telegram.is_genuine if provider == telegram.PROVIDER else READERS[provider][0]
    return check(lower, body, query)


def store_receipts(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> None:
    """Store the receipts of a call. A repeated call changes nothing; an unreadable one is logged: it would come again.

    The sweep applies them within a second; no job is enqueued here, since the call would wait if Redis hangs.

    Raises:
        PermissionError: the call is not genuine.
        LookupError: no receipts are received from this provider.
    """
    _, read = READERS[provider]
    if not is_genuine(provider, headers, body, query):
        raise PermissionError(f"a call in the name of {provider} is not signed as agreed")
    try:
        receipts = read(body, query, database_clock())
    except (ValueError, RecursionError) as error:
        log.warning("receipts not readable", provider=provider, because=str(error)[:80])
        return
    with session() as opened:
        store(opened, provider, receipts)


def store(opened: Session, provider: str, receipts: Sequence[Receipt]) -> int:
    """Write the receipts whose event ids are new; return their number."""
    found = {each.event_id: each for each in receipts}
    unique = [found[key] for key in sorted(found)]  # one order, so that calls at once do not deadlock
    if not unique:
        return 0
    now = database_clock(opened)
    contacts = _find_contacts(opened, unique, now)
    rows = [
        {
            "provider": provider, "event_id": each.event_id, "message_id": each.message_id,
            "notification_ids": [*each.notification_ids], "contact_id": contacts.get(each.event_id), "kind": each.kind,
            "code": each.code, "at": each.at, "received_at": now, "next_attempt_at": now,
        }
        for each in unique
    ]  # fmt: skip
    new = insert(ProviderEvent).on_conflict_do_nothing(
        index_elements=[ProviderEvent.provider, ProviderEvent.event_id]
    )
    return len(opened.scalars(new.returning(ProviderEvent.id), rows).all())


def _find_contacts(opened: Session, receipts: Sequence[Receipt], now: datetime) -> dict[str, UUID]:
    """Return contacts by event id, for receipts (other than deliveries) whose address is still the contact's."""
    about = [each for each in receipts if each.kind not in (ReceiptKind.ACCEPTED, ReceiptKind.DELIVERED)]
    first = [each.notification_ids[0] for each in about if each.notification_ids]
    query = sa.select(Notification.id, Contact, Notification.created_at).join(
        Contact, Contact.id == Notification.contact_id
    )
    rows = opened.execute(query.where(is_any_of(Notification.id, first))).all() if first else []
    contacts = {row[0]: (row[1], row[2]) for row in rows}
    found = {}
    for each in about:
        if each.notification_ids:
            contact, written_at = contacts.get(each.notification_ids[0], (None, now))
        else:  # a person's own SMS, or a mailbox that answered late: its bounce carries no ids
            channel = Channel.EMAIL if "@" in each.address else Channel.SMS
            contact, written_at = find_contact(opened, channel, each.address), each.at
        if contact and _is_news(contact, each, written_at, now):
            found[each.event_id] = contact.id
    return found


def _is_news(contact: Contact, receipt: Receipt, written_at: datetime, now: datetime) -> bool:
    """Return whether a receipt, about a message of `written_at`, still applies to its contact.

    It does not if the contact has another address now, nor a bounce if the owner has confirmed the address since. One
    about a message older than RECEIPTS_KEPT_FOR may be a repetition whose first row is deleted.
    """
    is_its_own = fold_address(contact.address) == fold_address(receipt.address)
    is_old = written_at < now - receipts_kept_for()
    confirmed_at = contact.verified_at if receipt.kind is ReceiptKind.BOUNCED else None
    return is_its_own and not is_old and not (confirmed_at and written_at < confirmed_at)
