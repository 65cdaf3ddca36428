"""The store of receipts: a row for each, without its address."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import is_any_of, new_id
from api.models.contact_lookup import find_contact
from api.models.notification import Notification
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact
from notifier.receipt_base import Receipt


def store(opened: Session, provider: str, receipts: Sequence[Receipt], now: datetime) -> int:
    """Write the receipts that are new, by the provider's ids of them; return how many are."""
    unique = list({each.event_id: each for each in receipts}.values())
    if not unique:
        return 0
    contacts = _find_contacts(opened, unique)
    rows = [
        {
            "id": new_id(), "provider": provider, "event_id": each.event_id, "message_id": each.message_id,
            "notification_ids": list(each.notification_ids), "contact_id": contacts.get(each.event_id),
            "kind": each.kind, "code": each.code, "at": each.at, "received_at": now, "next_attempt_at": now,
        }
        for each in unique
    ]  # fmt: skip
    keys = [ProviderEvent.provider, ProviderEvent.event_id]
    made = insert(ProviderEvent).values(rows).on_conflict_do_nothing(index_elements=keys)
    return len(opened.scalars(made.returning(ProviderEvent.id)).all())


def _find_contacts(opened: Session, receipts: Sequence[Receipt]) -> dict[str, UUID]:
    """Return the contact that each receipt speaks of, by its id, where it has the receipt's address now."""
    about = [each for each in receipts if each.kind is not ReceiptKind.DELIVERED]
    contacts = _by_notification(opened, [each.notification_ids[0] for each in about if each.notification_ids])
    found = {}
    for each in about:
        if each.notification_ids:
            contact = contacts.get(each.notification_ids[0])
        else:  # a person's own message: only phones send one
            contact = find_contact(opened, Channel.SMS, each.address)
        if contact and contact.address.casefold() == each.address.casefold():
            found[each.event_id] = contact.id
    return found


def _by_notification(opened: Session, ids: Sequence[UUID]) -> Mapping[UUID, Contact]:
    if not ids:
        return {}
    query = sa.select(Notification.id, Contact).join(Contact, Contact.id == Notification.contact_id)
    return {row[0]: row[1] for row in opened.execute(query.where(is_any_of(Notification.id, ids)))}
