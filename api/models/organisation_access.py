"""Programs of organisations: API keys, and webhooks with what is delivered to them."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, EncryptedText, enum_column, new_id
from configs.ground.clock import clock

KEY_PREFIX, SECRET_PREFIX = "rdv_org_", "whsec_"  # what keys, and secrets of webhooks, begin with
TEST_EVENT = "test"  # which an owner sends, whatever a webhook is told of


class KeyScope(StrEnum):
    """What an API key may do."""

    PEOPLE_READ = "people:read"  # people, their alerts and what was seen for them
    PEOPLE_WRITE = "people:write"  # enter, change and end
    ALERTS_WRITE = "alerts:write"  # make, change and delete, and "found"


class WebhookEvent(StrEnum):
    """What a webhook is told of."""

    SLOT_SEEN = "slot.seen"  # for a person
    PERSON_FOUND = "person.found"  # an appointment
    CONSENT_GIVEN = "consent.given"


class WebhookEnd(StrEnum):
    """Why a webhook ended."""

    MEMBER = "member"
    GONE = "gone"  # it answered 410
    FAILING = "failing"


def hash_key(text: str) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(text.encode()).digest()


class OrganisationKey(Base):
    """An API key of an organisation. Its text is shown once; SHA-256 suffices for 256 random bits."""

    __tablename__ = "organisation_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id", ondelete="CASCADE"))
    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(sa.LargeBinary, unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    last_used_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        sa.Index("ix_organisation_keys_organisation_id", "organisation_id"),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        sa.CheckConstraint("cardinality(scopes) > 0", name="scopes"),
    )


class Webhook(Base):
    """An address of an organisation's that is told of events (https://www.standardwebhooks.com)."""

    __tablename__ = "webhooks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id", ondelete="CASCADE"))
    url: Mapped[str]
    secret: Mapped[str] = mapped_column(EncryptedText)
    events: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[WebhookEnd | None] = mapped_column(enum_column(WebhookEnd, "ended_because"))

    __table_args__ = (
        sa.Index("ix_webhooks_organisation_id", "organisation_id"),
        sa.CheckConstraint("length(url) BETWEEN 1 AND 500", name="url_length"),
        sa.CheckConstraint("starts_with(secret, 'gAAAAA')", name="secret_encrypted"),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_with_reason"),
    )


class WebhookDelivery(Base):
    """An event for a webhook. `id` is the `webhook-id`; `body` names references and times, no person."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    webhook_id: Mapped[UUID] = mapped_column(sa.ForeignKey("webhooks.id", ondelete="CASCADE"))
    dedupe_key: Mapped[str]  # of the event, once per webhook
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_attempt_at: Mapped[datetime | None] = mapped_column(default=clock)  # null: delivered, or given up
    delivered_at: Mapped[datetime | None]
    answer: Mapped[str | None]  # the last one: a status, or what failed

    __table_args__ = (
        sa.UniqueConstraint("webhook_id", "dedupe_key"),
        sa.Index("ix_webhook_deliveries_created_at", "created_at"),
        sa.Index(
            "ix_webhook_deliveries_next_attempt_at",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
    )
