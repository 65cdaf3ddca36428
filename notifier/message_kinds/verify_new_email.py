"""The mail that confirms an account's new e-mail address; it goes to the new one."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.contact_addresses import digest, shorten_address
from configs.signed_links import LINK_SECONDS, VerifyAddress, write_token
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_DAY = 86400


class VerifyNewEmail(MessageKind):
    """Carries the signed link. Params: `address` (digest of the new one), `version` (the user's token version).

    A new password increases the version: then a link that a thief asked for is good no more.
    """

    is_secret = True

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is an e-mail address that is to be replaced."""
        return contact.channel is Channel.EMAIL and contact.new_address is not None

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the link, or why none is needed any more."""
        address = contact.new_address
        if address is None or digest(address) != row.params["address"]:
            return Skip(State.SKIPPED, "the change was made, ended or replaced")
        confirmed = VerifyAddress(contact.id, digest(address), new=row.params["version"])
        url = link("verify", write_token(confirmed))
        days = max(1, round(LINK_SECONDS / _DAY))
        values = {"url": url, "days": days, "account": shorten_address(contact.address)}
        return TemplateContext(values, url, address=address)
