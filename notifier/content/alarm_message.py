"""Base class of the kinds that may be alarms, and the link by which an operator acknowledges one."""

from abc import abstractmethod
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session, load_only

from api.models.incident import Incident
from api.models.notification import State
from api.models.user import Contact
from configs.signed_links import AcknowledgeIncident, write_token
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.message_links import link
from notifier.content.operators import is_operator_no_more
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_WITHHELD = "…"  # the program that shows a message again may have no key to sign with


class AlarmMessage(MessageKind):
    """Goes to operators. One that belongs to an incident asks for acknowledgement, and is not sent after it."""

    @abstractmethod
    def fill(self, row: ClaimedRow) -> dict[str, Any]:
        """Return the values of the texts, besides those of the acknowledgement."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the values; a user who is no operator any more and an alarm that was acknowledged are skipped."""
        incident = _find_incident(session, row)
        if incident is not None and incident.acknowledged_at is not None:
            return Skip(State.SKIPPED, "acknowledged before")
        is_over = incident is not None and incident.ends_at is not None
        return self._build(session, row, contact, _write_link(row, contact), is_over=is_over)

    def restore(self, session: Session, row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        """Return what it said, acknowledged by now or not; its link is not shown again."""
        return self._build(session, row, contact, link("incident", _WITHHELD) if _has_link(row) else None)

    def _build(
        self, session: Session, row: ClaimedRow, contact: Contact, url: str | None, *, is_over: bool = False
    ) -> TemplateContext | Skip:
        if row.address is None and is_operator_no_more(session, contact):
            return Skip(State.SKIPPED, "no operator any more")
        if skipped := skip_unreachable(contact):
            return skipped
        asked = {"acknowledge_url": url, "again": row.params.get("again", False), "over": is_over}
        return TemplateContext(self.fill(row) | asked, url)


def _find_incident(session: Session, row: ClaimedRow) -> Incident | None:
    """Return the incident that a message is of, as it is now."""
    if "incident" not in row.params:
        return None
    columns = load_only(Incident.acknowledged_at, Incident.ends_at)
    return session.get(Incident, row.params["incident"], options=[columns], populate_existing=True)


def _has_link(row: ClaimedRow) -> bool:
    """Whether a message acknowledges an incident: it is of one, and its reader has an account."""
    return "incident" in row.params and row.address is None


def _write_link(row: ClaimedRow, contact: Contact) -> str | None:
    if not _has_link(row):
        return None
    return link("incident", write_token(AcknowledgeIncident(row.params["incident"], contact.user_id)))
