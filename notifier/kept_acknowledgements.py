"""Acknowledgements of declarations that wait for their provider while their account is deleted.

They are owed on a durable medium (L.215-1-1 and L.221-21 Code de la consommation), whatever becomes of the account.
"""

from collections.abc import Iterator, Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import OUTLIVES, Notification, State
from api.models.user import Channel, Contact
from notifier.message_kinds import outliving_kinds

_RECIPIENTS = ("", ":typed")  # the account, and the address that a form's author typed


def keep_acknowledgements(session: Session, declared: Mapping[UUID, Mapping[str, str]]) -> list[UUID]:
    """See `notifier.keep_acknowledgements`."""
    waiting = sa.select(Notification).where(
        Notification.dedupe_key.in_(_list_keys(declared)),
        Notification.state.in_((State.PENDING, State.SENDING)),
    )
    kept = []
    for row in session.scalars(waiting.order_by(Notification.id).with_for_update(of=Notification)).all():
        if address := _find_address(session, row):
            words = declared[UUID(row.params["declaration"])]
            row.params = row.params | dict(words) | {OUTLIVES: row.user_id is not None}
            row.address, row.user_id, row.contact_id = address, None, None
            kept.append(row.id)
    session.flush()
    return kept


def _list_keys(declared: Mapping[UUID, Mapping[str, str]]) -> Iterator[str]:
    """Yield the dedupe keys that messages about these declarations have."""
    for declaration_id in declared:
        for kind in outliving_kinds():
            for recipient in _RECIPIENTS:
                yield f"{kind}:{declaration_id}{recipient}:{Channel.EMAIL.value}"


def _find_address(session: Session, row: Notification) -> str | None:
    """Return where a message goes; None where its contact takes no mail."""
    if row.user_id is None:
        return row.address
    contact = session.get(Contact, row.contact_id) if row.contact_id else None
    return contact.address if contact and not contact.is_lost else None
