"""Messages to operators: alarms, which ask for acknowledgement where they belong to an incident, and daily figures.

They go to SUPPORT_EMAIL or, where that is not set, to the admins. They name ids, providers and amounts, never a person.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from babel.dates import format_timedelta
from sqlalchemy.orm import load_only

from api.models.incident import Incident
from api.models.notification import State
from api.models.support import SupportRequest
from api.models.user import User
from configs.ground.signing import AcknowledgeIncident, ShowProof, write_link
from notifier.content.desk_location import HOME, desk_infos, since_values, write_moment
from notifier.content.message_kind_base import (
    REACHABLE,
    DueMessage,
    MessageKind,
    Skip,
    TemplateContext,
    account_page,
)

Fill = Callable[[DueMessage], dict[str, Any]]


def _check_operator(due: DueMessage) -> Skip | None:
    if due.row.address is not None:
        return None
    user = due.session.get_one(User, due.contact.user_id, options=[load_only(User.role)])
    return Skip(State.SKIPPED, "no operator any more") if not user.role.is_operator else None


def _check_alarm(due: DueMessage) -> Skip | None:
    incident = _find_incident(due)
    if incident is not None and incident.acknowledged_at is not None:
        return Skip(State.SKIPPED, "acknowledged before")
    return _check_operator(due)


def _find_incident(due: DueMessage) -> Incident | None:
    if "incident" not in due.params:
        return None
    columns = load_only(Incident.acknowledged_at, Incident.ends_at)
    return due.session.get(Incident, due.params["incident"], options=[columns], populate_existing=True)


def _alarm(fill: Fill) -> MessageKind:
    return MessageKind(to=REACHABLE, check=_check_alarm, values=partial(_write_alarm, fill))


def _write_alarm(fill: Fill, due: DueMessage) -> TemplateContext:
    incident, url = _find_incident(due), None
    if "incident" in due.params and due.row.address is None:  # its reader has an account
        url = write_link(AcknowledgeIncident(due.params["incident"], due.contact.user_id))
    is_over = incident is not None and incident.ends_at is not None
    asked = {"acknowledge_url": url, "again": due.params.get("again", False), "over": is_over}
    return TemplateContext(fill(due) | asked, url)


def _fill_desks(due: DueMessage) -> dict[str, Any]:
    found = desk_infos(due.params["desks"])
    proofs = [
        (write_moment(each["seen_at"], HOME, due.language), ShowProof(UUID(each["detection"])))
        for each in due.params.get("proofs", ())
    ]
    return {
        "people": 0,
        **due.params,
        "spots": found,
        "more": due.params["count"] - len(found),
        "proofs": [{"day": day, "hour": hour, "url": write_link(link)} for (day, hour), link in proofs],
        **since_values(due.params["since"], HOME, due.language),
    }


def _fill_operations(due: DueMessage) -> dict[str, Any]:
    """Return what is wrong: `number` of `of` messages, their `age`, `answers`; `detail` in health's English words."""
    oldest = timedelta(seconds=due.params.get("oldest_seconds", 0))
    age = format_timedelta(oldest, threshold=2, locale=due.language) if oldest else ""
    said = {"detail": "", "number": 0, "of": 0, "answers": "", "age": age, **due.params}
    return said | since_values(due.params["since"], HOME, due.language)


def _read_request(due: DueMessage) -> TemplateContext | Skip:
    request = due.session.get(SupportRequest, due.params["request"])
    if skip := _check_operator(due):
        return skip
    if request is None:
        return Skip(State.SKIPPED, "request deleted")
    user_id = str(request.user_id) if request.user_id else None
    said = {"number": request.id, "sender": request.email, "user_id": user_id, "message": request.message}
    return TemplateContext(said | {"url": account_page(f"admin/demandes/{request.id}")})


_FIGURES = MessageKind(to=REACHABLE, check=_check_operator, values=lambda due: TemplateContext(due.params))
KINDS = {
    "desk_trouble": _alarm(_fill_desks),
    "operations_alarm": _alarm(_fill_operations),
    # Ids, numbers, amounts and instants (ISO 8601), which the texts write as they are, or by their own filters.
    "payment_trouble": _alarm(lambda due: due.params),
    # The words of who wrote to support: they go with the request.
    "operations": MessageKind(to=REACHABLE, values=_read_request, secret=True),
    **dict.fromkeys(
        ("hoarding", "organisation_asked", "sms_cost", "operations_digest", "operations_report"), _FIGURES
    ),
}
