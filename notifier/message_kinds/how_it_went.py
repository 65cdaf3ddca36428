"""The question how an appointment went, with a link for each answer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session, load_only

from api.models.appointment import Appointment
from api.models.notification import State
from api.models.user import Channel, Contact
from configs.message_groups import MessageGroup
from configs.signed_links import TellHowItWent, write_token
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_COLUMNS = load_only(Appointment.answered_at)


class HowItWent(MessageKind):
    """Params: `appointment`. It goes to users who agreed to the question."""

    group = MessageGroup.REMINDERS

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is an e-mail address that can be reached."""
        return contact.channel is Channel.EMAIL and contact.reachable

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the links, unless it was answered."""
        if skip := skip_unreachable(contact):
            return skip
        found = session.get(Appointment, UUID(row.params["appointment"]), options=[_COLUMNS])
        if found is None or found.answered_at:
            return Skip(State.EXPIRED, "answered, or no appointment any more")
        return self.restore(session, row, contact)

    def restore(self, _session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext:
        """Return the links."""
        appointment_id = UUID(row.params["appointment"])
        urls = {
            name: link("went", write_token(TellHowItWent(appointment_id, went_well)))
            for name, went_well in (("yes_url", True), ("no_url", False))
        }
        return TemplateContext(urls, urls["yes_url"])
