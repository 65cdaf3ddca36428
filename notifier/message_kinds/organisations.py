"""Messages of organisations: to who is invited, to members of what became of it, and to people whom they help.

These are asked whether they agree to messages, told that the help ends, and sent the way to an account.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from babel.numbers import format_currency

from api.models.notification import State
from api.models.organisation import Beneficiary, Organisation, OrganisationEnd
from api.models.user import Channel, Contact, ContactState
from configs.ground.clock import clock
from configs.ground.signing import ShowHelp, write_link
from notifier.content.desk_location import HOME, write_moment
from notifier.content.message_kind_base import (
    ADDRESS,
    CONFIRMED_MAIL,
    DueMessage,
    MessageKind,
    Recipients,
    Skip,
    TemplateContext,
    account_page,
    skip_address,
)

_MONEY = (
    "billed",
    "bill_due",
    "bill_again",
    "bill_late",
    "bill_paid",
    "limit",
)  # what owners see on the page of money
_OVER = Skip(State.SKIPPED, "the organisation helps the person no more")
_ANSWERED = Skip(State.SKIPPED, "answered already")


def _write_invitation(due: DueMessage) -> TemplateContext:
    """Return who (`by`: an address) invites to which `organisation`, empty before it is opened, until `ends`."""
    day = write_moment(due.params["ends"], HOME, due.language)[0]
    named = {name: due.params[name] for name in ("by", "organisation")}
    return TemplateContext(named | {"ends": day, "url": account_page("organisation")})


def _tell_news(due: DueMessage) -> TemplateContext:
    """Return what became of an organisation. Params: `what`, `organisation`, `reason`, `ends` (ISO 8601, or none).

    `what`: opened, grant_ends, ends, abuse, kept, member_ended, webhook_ended; with a `reference` person_taken_over,
    person_deleted; of money billed, bill_due, bill_again, bill_late (with `cents`), bill_paid, limit (with `share` and
    `most`).
    """
    names = ("what", "organisation", "reason", "reference", "share", "most")
    told = {name: str(due.params.get(name, "")) for name in names}
    day = ""
    if ends := due.params.get("ends"):
        is_last = told["what"] in ("opened", "grant_ends")  # a day, which ends at midnight in Paris
        at = datetime.fromisoformat(ends) - timedelta(microseconds=1 if is_last else 0)
        day = write_moment(at, HOME if is_last else due.zone, due.language)[0]
    cents = format_currency(due.params.get("cents", 0) / 100, "EUR", locale=due.language)
    page = "organisation/argent" if told["what"] in _MONEY else "organisation"
    return TemplateContext(told | {"ends": day, "sum": cents, "url": account_page(page)})


def _is_unasked(contact: Contact) -> bool:
    """Whether its person was not asked yet, so that a question alone may go there."""
    return _is_own(contact) and contact.verified_at is None


def _ask(due: DueMessage) -> TemplateContext | Skip:
    """Return who asks: a name only of an organisation that an operator knows, as anybody may choose one."""
    found, stopped_at = _find_help(due)
    if found is None or found.is_stopped(clock()):
        return _OVER
    if stopped_at:  # by the link to another contact
        return _ANSWERED
    name = found.name if found.opened_at else ""
    return TemplateContext({"organisation": name, "url": write_link(ShowHelp(due.contact.id))})


def _tell_end(due: DueMessage) -> TemplateContext | Skip:
    """Return when the help ends (`ends`: ISO 8601) and `why`: `member`, or the word of the organisation's end.

    `pause`: alerts pause from then on, as it has not paid; `resume`: they do not after all.
    """
    found, stopped_at = _find_help(due)
    if found is None or stopped_at:
        return _OVER
    day = write_moment(due.params["ends"], HOME, due.language)[0]
    why = due.params["why"]
    told = {
        "is_abuse": why == OrganisationEnd.ABUSE.value,
        "pause": why == "pause",
        "resume": why == "resume",
    }
    url = write_link(ShowHelp(due.contact.id))
    name = found.name if found.opened_at else ""
    return TemplateContext(told | {"organisation": name, "ends": day, "url": url})


def _find_help(due: DueMessage) -> tuple[Organisation | None, datetime | None]:
    """Return who helps the person, and when the person ended that."""
    helps = sa.select(Organisation, Beneficiary.stopped_at).join(Beneficiary)
    row = due.session.execute(helps.where(Beneficiary.user_id == due.contact.user_id)).one_or_none()
    return (row[0], row[1]) if row else (None, None)


def _is_own(contact: Contact) -> bool:
    return contact.channel in (Channel.EMAIL, Channel.SMS) and contact.state is ContactState.OK


_OWN = Recipients(_is_own, lambda contact: None if _is_own(contact) else skip_address(contact))
_UNASKED = Recipients(_is_unasked, lambda contact: None if _is_unasked(contact) else _ANSWERED)
KINDS = {
    "member_invited": MessageKind(to=ADDRESS, values=_write_invitation),
    "help_contact_removed": MessageKind(to=ADDRESS, values=lambda due: TemplateContext(due.params)),
    "organisation_news": MessageKind(to=CONFIRMED_MAIL, values=_tell_news),
    "help_invitation": MessageKind(to=_UNASKED, values=_ask, secret=True),
    "help_ends": MessageKind(to=_OWN, values=_tell_end, secret=True),
    # To the address that a person chose for an account; it is confirmed by its link.
    "help_link": MessageKind(
        to=Recipients(lambda contact: contact.channel is Channel.EMAIL),
        values=lambda due: TemplateContext({"url": write_link(ShowHelp(due.contact.id, chosen=True))}),
        secret=True,
    ),
}
