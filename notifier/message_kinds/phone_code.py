"""The SMS with the code that proves a phone number."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.contact_linking import PHONE_CODE_SECONDS
from api.models.contact_linking import PhoneCode as PhoneCodeRow
from api.models.contact_lookup import hash_address
from api.models.notification import State
from api.models.user import Channel, Contact
from configs.encryption import decrypt
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class PhoneCode(MessageKind):
    """Carries the code, which its notification holds encrypted, to the number that waits to be confirmed."""

    is_secret = True

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a phone number, verified or not: its owner asked a moment ago."""
        return contact.channel is Channel.SMS

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return the code, or why it is of no use any more."""
        code = session.get(PhoneCodeRow, UUID(row.params["code_id"]))
        oldest = now - timedelta(seconds=PHONE_CODE_SECONDS)
        if code is None or code.used_at is not None or code.created_at <= oldest:
            return Skip(State.EXPIRED, "code used or expired")
        number = contact.unconfirmed_address
        if number is None or code.number_hash not in hash_address(Channel.SMS, number):
            return Skip(State.SKIPPED, "number changed meanwhile")
        minutes = max(1, round(PHONE_CODE_SECONDS / 60))
        return TemplateContext({"code": decrypt(row.params["code"]), "minutes": minutes}, address=number)
