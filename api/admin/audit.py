"""Audit of operators: a row for each action and each view, in the transaction of what it tells of.

Support sees addresses and numbers shortened: enough to compare with one that a person names.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.paging import Found, PageQuery, apply_filter, read_page
from api.models.audit import ActorKind, AuditEntry
from api.models.user import User
from configs.ground.clock import clock

_HIDDEN = "…"
_KEPT_DIGITS = 2
_COUNTRY = 3  # characters: `+33`


def shorten_email(address: str) -> str:
    """Return `a…@example.org` for `alice@example.org`."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}{_HIDDEN}@{domain}"


def shorten_phone(number: str) -> str:
    """Return `+33…12` for `+33612345612`."""
    return f"{number[:_COUNTRY]}{_HIDDEN}{number[-_KEPT_DIGITS:]}"


def shorten_search(text: str) -> str:
    """Return an address or a phone number shortened; a number of an order or of Stripe's has letters."""
    if "@" in text:
        return shorten_email(text)
    return text if any(each.isalpha() for each in text) else shorten_phone(text)


def shorten_address(name: str, value: Any) -> Any:
    """Return a field of an account shortened if its name says that it holds an address: `email`, `new_phone`."""
    if isinstance(value, str) and name.endswith("email"):
        return shorten_email(value)
    return shorten_phone(value) if isinstance(value, str) and name.endswith("phone") else value


@dataclass(frozen=True, slots=True)
class Actor:
    """An operator in one request, or a command (without id and request)."""

    id: UUID | None
    kind: ActorKind
    request_id: str | None = None

    @property
    def sees_addresses(self) -> bool:
        """Whether addresses of people are shown in full."""
        return self.kind is ActorKind.ADMIN


@dataclass(frozen=True, slots=True)
class AuditedWork:
    """A transaction of an operator. `changes` goes into its audit row: plain JSON values, no personal data."""

    session: Session
    actor: Actor
    changes: dict[str, Any] = field(default_factory=dict)

    def note_seen(self, ids: Iterable[UUID]) -> None:
        """Note whose data, or which rows of people, a list showed."""
        self.changes["seen"] = [str(each) for each in ids]


def record_audit(work: AuditedWork, action: str, subject_type: str, subject_id: object | None = None) -> None:
    """Add the row of what was done in this transaction. `action` is subject and verb: `host.stop`."""
    work.session.add(
        AuditEntry(
            at=clock(),
            actor_id=work.actor.id,
            actor_kind=work.actor.kind,
            action=action,
            subject_type=subject_type,
            subject_id=None if subject_id is None else str(subject_id),
            request_id=work.actor.request_id,
            changes=work.changes,
        )
    )


def write_instant(moment: datetime | None) -> str | None:
    """Return an instant as JSON has it, for `changes`."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


class AuditQuery(PageQuery):
    """Entries by who acted, what was done, and to what."""

    actor_id: UUID | None = None
    action: str | None = Field(None, max_length=60)
    subject_type: str | None = Field(None, max_length=60)
    subject_id: str | None = Field(None, max_length=300)


def list_audit(session: Session, wanted: AuditQuery) -> Found[AuditEntry]:
    """Return a page of the audit, the newest first."""
    names = ("actor_id", "action", "subject_type", "subject_id")
    columns = {name: getattr(AuditEntry, name) for name in names}
    query = apply_filter(sa.select(AuditEntry), wanted, **columns)
    return Found(*read_page(session, query, AuditEntry.id, wanted))


def name_actors(session: Session, entries: Collection[AuditEntry]) -> dict[UUID, str]:
    """Return the addresses of those who acted and have an account, by id."""
    ids = {each.actor_id for each in entries if each.actor_id}
    rows = session.execute(sa.select(User.id, User.email).where(User.id.in_(ids)))
    return dict(rows.all())
