"""Base of messages about declarations: their recipient, and the content with its second, in French time."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from api.models.declaration import Declaration, DeclaredBy
from api.models.notification import State
from api.models.payment import Payment
from api.models.user import Contact
from configs.plan import name_plan
from configs.settings import settings
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_ZONE = ZoneInfo("Europe/Paris")


class DeclarationNotice(MessageKind):
    """To the account's e-mail address, or to the one that was typed. Params: `declaration`, `name`, `email`.

    It proves the declaration, so it is sent also where the account is deleted meanwhile: the declaration has lost name
    and address then, its params have them.
    """

    def prepare(
        self, session: Session, row: ClaimedRow, _contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what was declared."""
        declared = session.get(Declaration, UUID(row.params["declaration"]))
        if declared is None:
            return Skip(State.SKIPPED, "declaration deleted")
        values = {"support_email": settings().support_email or ""}
        values |= describe_declaration(session, declared, row.language)
        values |= {name: text for name, text in row.params.items() if name in ("name", "email")}
        values |= self.describe(session, declared, row.language)
        return TemplateContext(values, values.get("url"))

    def describe(self, session: Session, declared: Declaration, language: str) -> dict[str, Any]:
        """Return the values that this kind adds; `url` is where its button leads."""
        raise NotImplementedError


def describe_declaration(session: Session, declared: Declaration, language: str) -> dict[str, Any]:
    """Return the content of a declaration, and when it was made. A form's says what was typed and nothing more."""
    order = session.get(Payment, declared.payment_id) if declared.payment_id else None
    known = order if declared.made_by is not DeclaredBy.FORM else None
    return {
        "number": declared.reference or "",
        "name": declared.name or "",
        "email": declared.email or "",
        "plan": name_plan(known.plan) if known else "",
        "ordered": write_day(known.paid_at or known.created_at, language) if known else "",
        "made_day": write_day(declared.made_at, language),
        "made_hour": format_time(declared.made_at, "medium", tzinfo=_ZONE, locale=language),
    }


def write_day(at: datetime, language: str) -> str:
    """Return a day in France in words: `20 novembre 2026`."""
    local = at.astimezone(_ZONE)
    day = format_date(local, "long", locale=language)
    return day.replace("1 ", "1er ", 1) if language == "fr" and local.day == 1 else day
