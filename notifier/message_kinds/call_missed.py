"""The SMS after a call that an answering machine took: what the call was about."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.message_groups import MessageGroup
from notifier.call_series import KEY_PRESSED, read_series
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext
from notifier.message_kinds.slot_call import (
    CALL_LANGUAGES,
    find_loss,
    find_wish_of_sms,
    read_open,
    restore_call,
)


class CallMissed(MessageKind):
    """Who has switched SMS off gets none: the consent to them is withdrawn with the switch, that to calls is not."""

    languages = CALL_LANGUAGES

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a confirmed number that takes SMS."""
        return contact.channel is Channel.SMS and contact.reachable

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return what is open, or why nothing is sent any more."""
        if read_series(session, row.params).has_key:
            return Skip(State.SKIPPED, KEY_PRESSED)
        skip = find_loss(contact) or _find_switch(contact) or find_wish_of_sms(session, row.id, now)
        return skip or read_open(session, row.id, row.seen_at, row.language, now)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return what the call was about."""
        return restore_call(session, row)


def _find_switch(contact: Contact) -> Skip | None:
    if not contact.enabled:
        return Skip(State.SKIPPED, "switched off")
    stopped = MessageGroup.SLOTS in (contact.stopped_groups or ())
    return Skip(State.SKIPPED, "stopped by its reader") if stopped else None
