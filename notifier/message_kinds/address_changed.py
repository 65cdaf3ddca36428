"""The mail that an account has a new e-mail address, to the old one, or a new phone number."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.contact_addresses import digest
from configs.settings import settings
from configs.signed_links import ReturnAddress, write_token
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class AddressChanged(MessageKind):
    """Says what changed, so that a person who did not do it can act.

    Params: `changed` (email or phone), `shown` (the new address, shortened), `to` (the old e-mail address, where that
    is what changed), `back` (it may take the account back: then the mail has the link for that).
    """

    is_secret = True

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what changed."""
        to = row.params.get("to")
        if to is None and not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = str(settings().frontend_url)
        values = {
            "changed": row.params["changed"],
            "shown": row.params["shown"],
            "url": url,
            "back_url": None,
        }
        if to is not None and row.params.get("back"):
            values["back_url"] = link("address", write_token(ReturnAddress(contact.id, digest(to))))
        return TemplateContext(values, url, address=to)
