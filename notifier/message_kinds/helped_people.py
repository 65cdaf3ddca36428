"""Messages to people whom an organisation helps: do they agree to messages, the help ends, the way to an account."""

import sqlalchemy as sa

from api.models.notification import State
from api.models.organisation import Beneficiary, Organisation, OrganisationEnd
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.signing import ShowHelp, write_link
from notifier.content.desk_location import HOME, write_moment
from notifier.content.message_kind_base import (
    REACHABLE,
    DueMessage,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
)

_OVER = Skip(State.SKIPPED, "the organisation helps the person no more")
_ANSWERED = Skip(State.SKIPPED, "answered already")


def _is_unasked(contact: Contact) -> bool:
    """Whether its person was not asked yet, so that a question alone may go there."""
    is_own = contact.channel in (Channel.EMAIL, Channel.SMS)
    return is_own and contact.verified_at is None and contact.state is ContactState.OK


def _ask(due: DueMessage) -> TemplateContext | Skip:
    """Return who asks: a name only of an organisation that an operator knows, as anybody may choose one."""
    found = _find_organisation(due)
    if found is None or found.is_stopped(clock()):
        return _OVER
    stopped = sa.select(Beneficiary.stopped_at).where(Beneficiary.user_id == due.contact.user_id)
    if due.session.scalar(stopped) is not None:  # by the link to another contact
        return _ANSWERED
    name = found.name if found.opened_at else ""
    return TemplateContext({"organisation": name, "url": write_link(ShowHelp(due.contact.id))})


def _tell_end(due: DueMessage) -> TemplateContext | Skip:
    """Return when the help ends (`ends`: ISO 8601) and `why`: `member`, or the word of the organisation's end."""
    found = _find_organisation(due)
    if found is None:
        return _OVER
    day = write_moment(due.params["ends"], HOME, due.language)[0]
    is_abuse = due.params["why"] == OrganisationEnd.ABUSE.value
    url = write_link(ShowHelp(due.contact.id))
    return TemplateContext({"organisation": found.name, "ends": day, "is_abuse": is_abuse, "url": url})


def _find_organisation(due: DueMessage) -> Organisation | None:
    helps = sa.select(Organisation).join(Beneficiary, Beneficiary.organisation_id == Organisation.id)
    return due.session.scalars(helps.where(Beneficiary.user_id == due.contact.user_id)).one_or_none()


_UNASKED = Recipients(_is_unasked, lambda contact: None if _is_unasked(contact) else _ANSWERED)
KINDS = {
    "help_invitation": MessageKind(to=_UNASKED, values=_ask, secret=True),
    "help_ends": MessageKind(to=REACHABLE, values=_tell_end, secret=True),
    # To the address that a person chose for an account; it is confirmed by its link.
    "help_link": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.EMAIL),
        values=lambda due: TemplateContext({"url": write_link(ShowHelp(due.contact.id))}),
        secret=True,
    ),
}
