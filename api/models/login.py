"""Logins: a sign-in of a user on one browser, from the password to its end; and pending registrations."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, EncryptedText, Hashes, enum_column, new_id
from configs.settings import Constant
from configs.world.plan import PlanName

# How long after the password was given one may change the password, the address, the second factor
recent_proof_seconds = Constant("RECENT_PROOF_SECONDS", 300.0)
# Most mails that anybody can have sent in 24 hours by naming an address (registrations, new addresses, receipts of
# support and declarations), all together; at half of them operators are alarmed
stranger_mails_a_day = Constant("STRANGER_MAILS_A_DAY", 1000)


# How long the code of a mail that confirms an address is good for
CONFIRMATION_CODE_SECONDS = 900


class EndedBecause(StrEnum):
    """Why a login ended before it expired."""

    LOGGED_OUT = "logged_out"
    ENDED_BY_USER = "ended_by_user"
    NEW_PASSWORD = "new_password"  # noqa: S105 -- a reason
    TOKEN_REUSED = "token_reused"  # noqa: S105 -- a reason
    ADDRESS_CONFIRMED = "address_confirmed"
    IDLE = "idle"


class Login(Base):
    """One login. Its refresh token is rotated at each use; only hashes of the tokens' ids are stored."""

    __tablename__ = "logins"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    browser: Mapped[str]  # "Firefox, Windows"; empty where the client does not say
    token_hash: Mapped[str]  # of the refresh token that is good now
    previous_hash: Mapped[str | None]  # of the refresh token that it replaced
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    rotated_at: Mapped[datetime]  # when the refresh token that is good now was issued
    # Unless it is used before; never later than LOGIN_MAX_AGE after `created_at`
    expires_at: Mapped[datetime]
    proven_at: Mapped[datetime]  # when the password, and the code of a second factor, were given last
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[EndedBecause | None] = mapped_column(enum_column(EndedBecause, "ended_because"))

    __table_args__ = (
        sa.CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_with_reason"),
        sa.Index("ix_logins_user_id_created_at", "user_id", "created_at"),
        sa.Index("ix_logins_expires_at", "expires_at"),
        sa.Index("ix_logins_ended_at", "ended_at"),
    )

    def is_alive(self, moment: datetime) -> bool:
        """Return whether it is neither ended nor expired."""
        return self.ended_at is None and moment < self.expires_at


class Identity(Base):
    """An account at an OpenID Connect provider by which a user signs in: `subject` is its id there, for ever."""

    __tablename__ = "identities"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    issuer: Mapped[str]
    subject: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (
        sa.UniqueConstraint("issuer", "subject"),
        sa.UniqueConstraint("user_id", "issuer"),
        sa.CheckConstraint("length(subject) BETWEEN 1 AND 255", name="subject_length"),
    )


class PendingRegistration(Base):
    """A registration of an address that is not confirmed yet: the data of the account once its mail is confirmed.

    Without a password hash: a registration that got no mail of its own, because the address had enough of them.
    """

    __tablename__ = "registrations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    password_hash: Mapped[str | None]
    wished_plan: Mapped[PlanName | None] = mapped_column(enum_column(PlanName, "wished_plan"))
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")
    phone: Mapped[str | None] = mapped_column(EncryptedText)
    # Body of POST /api/alerts: the alert that the account begins with
    alert_wish: Mapped[dict[str, Any] | None]
    wished_page: Mapped[str | None]  # as of users
    registered_from: Mapped[Hashes]  # as of users
    code_hash: Mapped[bytes | None] = mapped_column(sa.LargeBinary)  # keyed; of the code in its newest mail
    code_sent_at: Mapped[datetime | None]
    wrong_tries: Mapped[int] = mapped_column(default=0, server_default="0")  # at that code
    created_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("starts_with(phone, 'gAAAAA')", name="phone_encrypted"),
        sa.Index("ix_registrations_user_id_created_at", "user_id", "created_at"),
        sa.Index("ix_registrations_created_at", "created_at"),
    )
