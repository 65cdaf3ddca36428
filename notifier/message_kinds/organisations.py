"""Messages about organisations: to who is invited to one, and to members, of what became of it."""

from configs.settings import settings
from notifier.content.desk_location import HOME, write_moment
from notifier.content.message_kind_base import (
    ADDRESS,
    CONFIRMED_MAIL,
    DueMessage,
    MessageKind,
    TemplateContext,
    account_page,
)


def _write_invitation(due: DueMessage) -> TemplateContext:
    """Return who (`by`: an address) invites to which `organisation`, empty before it is opened, until `ends`."""
    day = write_moment(due.params["ends"], HOME, due.language)[0]
    named = {name: due.params[name] for name in ("by", "organisation")}
    return TemplateContext(named | {"ends": day, "url": account_page("organisation")})


def _tell_news(due: DueMessage) -> TemplateContext:
    """Return what became of an organisation. Params: `what`, `organisation`, `reason`, `ends` (ISO 8601, or none).

    `what`: opened, grant_ends, ends, abuse, kept, member_ended, webhook_ended; with a `reference` person_taken_over,
    person_deleted.
    """
    ends = due.params.get("ends")
    day = write_moment(ends, due.zone, due.language)[0] if ends else ""
    told = {"what": due.params["what"], "organisation": due.params["organisation"], "ends": day}
    reason = due.params.get("reason", "")
    told["reference"] = str(due.params.get("reference", ""))
    return TemplateContext(
        told
        | {
            "reason": reason,
            "support_email": settings().support_email or "",
            "url": account_page("organisation"),
        }
    )


KINDS = {
    "member_invited": MessageKind(to=ADDRESS, values=_write_invitation),
    "organisation_news": MessageKind(to=CONFIRMED_MAIL, values=_tell_news),
}
