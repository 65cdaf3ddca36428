"""Calls of providers: the check that one is genuine, and the store of receipts, a row for each without its address."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import is_any_of, session
from api.models.contact_lookup import find_contact
from api.models.database_clock import database_clock
from api.models.notification import Notification
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact
from configs.ground.contact_addresses import fold_address
from configs.settings import SettingMissing, settings
from configs.world.retention import RECEIPTS_KEPT_FOR
from notifier.receipts.readers import READERS, Receipt

_TELEGRAM = "telegram"  # its updates are no receipts: the API handles them (api/bot/)
TELEGRAM_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name

log = structlog.get_logger(__name__)


def is_genuine(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> bool:
    """Return whether the provider made a call to one of our webhooks. Reads no table.

    `query` is what stood behind the `?` of the call's address.

    Raises:
        LookupError: no calls are received from this provider.
    """
    if provider == _TELEGRAM:
        return _is_from_telegram(headers)
    _check_known(provider)
    lower = {name.lower(): value for name, value in headers.items()}
    return READERS[provider].is_genuine(lower, body, query)


def _is_from_telegram(headers: Mapping[str, str]) -> bool:
    """Return whether a call carries one of TELEGRAM_WEBHOOK_SECRET; without that setting none is genuine.

    https://core.telegram.org/bots/api#setwebhook
    """
    try:
        known = settings().require_all("telegram_webhook_secret")
    except SettingMissing:
        return False
    wanted = TELEGRAM_SECRET_HEADER.lower()
    given = next((value for name, value in headers.items() if name.lower() == wanted), "")
    return any(hmac.compare_digest(given.encode(), each.encode()) for each in known)


def receive(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> None:
    """Store the receipts of a call; one that is repeated, or cannot be read, changes nothing: it would come again.

    The sweep has them applied within a second. A job from here would wait for a Redis that hangs.

    Raises:
        PermissionError: the provider did not make it.
        LookupError: no receipts are received from this provider.
    """
    _check_known(provider)
    if not is_genuine(provider, headers, body, query):
        raise PermissionError(f"a call in the name of {provider} is not signed as agreed")
    try:
        receipts = READERS[provider].read_receipts(body, query, database_clock())
    except ValueError as error:
        log.warning("receipts not readable", provider=provider, because=str(error)[:80])
        return
    with session() as opened:
        store(opened, provider, receipts)


def _check_known(provider: str) -> None:
    if provider not in READERS:
        raise LookupError(f"no receipts are received from {provider!r}")


def store(opened: Session, provider: str, receipts: Sequence[Receipt]) -> int:
    """Write the receipts that are new, by the provider's ids of them; return how many are."""
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
    """Return the contact that each receipt speaks of, by its id, where it has the receipt's address now."""
    about = [each for each in receipts if each.kind is not ReceiptKind.DELIVERED]
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
    """Whether a receipt about a message that was written then says something of a contact as it is now.

    Not where it has another address, nor a bounce where its owner has confirmed it since. A repetition is known by the
    row of the first; a receipt of a message from before all rows that are kept may be one.
    """
    is_its_own = fold_address(contact.address) == fold_address(receipt.address)
    is_old = written_at < now - RECEIPTS_KEPT_FOR()
    confirmed_at = contact.verified_at if receipt.kind is ReceiptKind.BOUNCED else None
    return is_its_own and not is_old and not (confirmed_at and written_at < confirmed_at)
