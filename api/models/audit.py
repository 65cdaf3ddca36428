"""Audit: what operators and members of organisations did, and which personal data they saw. Rows are only added."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id


class ActorKind(StrEnum):
    """Who acted: a signed-in operator by role, a command on a server, a member of an organisation or its API key."""

    SUPPORT = "support"
    ADMIN = "admin"
    COMMAND = "command"
    MEMBER = "member"
    KEY = "key"


class AuditEntry(Base):
    """One action or view of an operator or a member, written in its own transaction.

    No foreign key: the row outlives the accounts it names. A trigger refuses every change of a row, and its removal
    before three years are over (api/migrations/tables.py).
    """

    __tablename__ = "audit"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]  # a user's, or the key's; null for a command
    actor_kind: Mapped[ActorKind] = mapped_column(enum_column(ActorKind, "actor_kind"))
    action: Mapped[str]  # subject and verb: `host.stop`
    subject_type: Mapped[str]
    subject_id: Mapped[str | None]  # null where there are several, or none
    request_id: Mapped[str | None]
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=sa.text("'{}'"))

    __table_args__ = (
        sa.CheckConstraint("(actor_id IS NULL) = (actor_kind = 'command')", name="actor"),
        sa.Index("ix_audit_at", "at"),
        sa.Index("ix_audit_actor_id_id", "actor_id", "id"),
        sa.Index("ix_audit_subject_id_id", "subject_id", "id"),
        sa.Index("ix_audit_action_id", "action", "id"),
        # Of members and keys, by the organisation that they acted for
        sa.Index(
            "ix_audit_organisation_id",
            sa.text("(changes ->> 'organisation')"),
            "id",
            postgresql_where=sa.text("actor_kind IN ('member', 'key')"),
        ),
    )
