"""Organisations that help people who wait: their members, and the people helped there."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSTZRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, EncryptedText, enum_column, new_id, word_column
from configs.ground.clock import clock

# From the word that a help ends until it does; an invitation lasts as long
NOTICE_PERIOD = timedelta(days=14)
GRANT_SOURCE = "organisation"  # of the grants of its people


class OrganisationKind(StrEnum):
    """What an organisation is."""

    ASSOCIATION = "association"
    LAWYER = "lawyer"
    EMPLOYER = "employer"
    PUBLIC_BODY = "public_body"
    OTHER = "other"


class MemberRole(StrEnum):
    """What a member may do: a viewer reads, a caseworker helps people, an owner does all."""

    OWNER = "owner"
    CASEWORKER = "caseworker"
    VIEWER = "viewer"


class OrganisationEnd(StrEnum):
    """Why an organisation ends."""

    DELETED = "deleted"  # by an owner
    CLOSED = "closed"  # by an operator
    UNPAID = "unpaid"
    ABUSE = "abuse"  # stops at once


class Told(StrEnum):
    """Who is told of a slot for a person."""

    CASEWORKER = "caseworker"
    PERSON = "person"
    BOTH = "both"


class Organisation(Base):
    """A house that helps several people. An operator opens it, with a grant for its people until a day."""

    __tablename__ = "organisations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    kind: Mapped[OrganisationKind] = mapped_column(enum_column(OrganisationKind, "kind"))
    siren: Mapped[str | None]
    vat_number: Mapped[str | None]
    address: Mapped[str]
    purpose: Mapped[str]  # whom it helps and how, for the operator who opens it
    created_at: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    opened_at: Mapped[datetime | None]
    granted_until: Mapped[datetime | None]  # end of the grant of its people
    needs_second_factor: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    contract_version: Mapped[str | None]  # of the newest contract that an owner accepted
    contract_accepted_at: Mapped[datetime | None]
    contract_accepted_by: Mapped[UUID | None]  # a user's id, which outlives the account as the audit's do
    next_reference: Mapped[int] = mapped_column(default=1, server_default="1")  # of a person
    # When its people and members go: NOTICE_PERIOD after they are told.
    ends_at: Mapped[datetime | None]
    ends_because: Mapped[OrganisationEnd | None] = mapped_column(enum_column(OrganisationEnd, "ends_because"))
    end_reason: Mapped[str | None]  # in an operator's words
    ended_at: Mapped[datetime | None]  # when they were gone
    # Money, where plans.yaml has prices (api/payments/organisations): an owner accepted the terms for firms. From then
    # on `granted_until` moves on by itself, and what is used after `free_until`, an operator's grant, is paid; so is
    # what was used between two grants (`paid_times`).
    billed_since: Mapped[datetime | None]
    free_until: Mapped[datetime | None]
    paid_times: Mapped[list[Range[datetime]]] = mapped_column(
        ARRAY(TSTZRANGE), default=list, server_default="{}"
    )
    firm_terms_version: Mapped[str | None]
    firm_terms_accepted_by: Mapped[UUID | None]  # a user's id, as of the contract
    purchase_order: Mapped[str | None]  # text for invoices
    billed_until: Mapped[datetime | None]  # up to here what was used is on an invoice
    most_watched: Mapped[int | None]  # people at once, beyond whom a new one waits; an owner's choice
    pauses_at: Mapped[datetime | None]  # an invoice is not paid: `granted_until` moves on no more

    __table_args__ = (
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
        sa.CheckConstraint("siren ~ '^[0-9]{9}$'", name="siren"),
        sa.CheckConstraint("(opened_at IS NULL) = (granted_until IS NULL)", name="opened_with_grant"),
        sa.CheckConstraint(
            "(contract_version IS NULL) = (contract_accepted_at IS NULL)"
            " AND (contract_version IS NULL) = (contract_accepted_by IS NULL)",
            name="contract",
        ),
        sa.CheckConstraint(
            "(ends_at IS NULL) = (ends_because IS NULL) AND (ended_at IS NULL OR ends_at IS NOT NULL)",
            name="ends_with_reason",
        ),
        sa.CheckConstraint(
            "(billed_since IS NULL) = (firm_terms_version IS NULL)"
            " AND (billed_since IS NULL) = (firm_terms_accepted_by IS NULL)"
            " AND (billed_since IS NULL) = (free_until IS NULL) AND (billed_since IS NULL) = (billed_until IS NULL)",
            name="billed",
        ),
        sa.CheckConstraint("most_watched > 0", name="most_watched"),
        sa.CheckConstraint("length(purchase_order) <= 50", name="purchase_order_length"),
        sa.Index(
            "ix_organisations_ends_at",
            "ends_at",
            postgresql_where=sa.text("ends_at IS NOT NULL AND ended_at IS NULL"),
        ),
        sa.Index(
            "ix_organisations_not_opened",
            "id",
            postgresql_where=sa.text("opened_at IS NULL AND ends_at IS NULL"),
        ),
    )

    def is_open(self, moment: datetime) -> bool:
        """Return whether its people have the grant: until its last day, or an end that has come."""
        return self.granted_until is not None and moment < self.granted_until and not self.is_stopped(moment)

    def is_stopped(self, moment: datetime) -> bool:
        """Return whether its members can do nothing any more; ended for abuse it stops before its people go."""
        if self.ends_at is None:
            return False
        return self.ends_because is OrganisationEnd.ABUSE or self.ends_at <= moment


class Member(Base):
    """A user's membership, or an invitation to one: `user_id` is null, `email` where it was sent. It ends with its row.

    A user is a member of one organisation at a time.
    """

    __tablename__ = "organisation_members"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id", ondelete="CASCADE"))
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    email: Mapped[str | None]
    role: Mapped[MemberRole] = mapped_column(enum_column(MemberRole, "role"))
    # The hours in which the member is told of people's slots, in the time zone of the account; null: always.
    told_from: Mapped[time | None]
    told_until: Mapped[time | None]
    created_at: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    joined_at: Mapped[datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("organisation_id", "email"),
        sa.CheckConstraint(
            "(user_id IS NULL) = (email IS NOT NULL) AND (user_id IS NULL) = (joined_at IS NULL)",
            name="invitation",
        ),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint(
            "(told_from IS NULL) = (told_until IS NULL) AND told_from <> told_until", name="told_hours"
        ),
        sa.Index(
            "ix_organisation_members_invited", "created_at", postgresql_where=sa.text("user_id IS NULL")
        ),
    )


class Beneficiary(Base):
    """A person whom an organisation helps: what it keeps beside the person's row of `users`, whose role says so.

    Contacts, alerts, appointments, language, quiet hours and the grant are that row's, as any user's. The person who
    takes over keeps the row, and loses this one.
    """

    __tablename__ = "beneficiaries"

    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    reference: Mapped[int]  # a number of the organisation's, never given twice
    # What members call the person; they alone see it
    label: Mapped[str | None] = mapped_column(EncryptedText)
    caseworker_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("organisation_members.id", ondelete="SET NULL")
    )
    told: Mapped[Told] = word_column(Told.CASEWORKER, "told")
    created_at: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    # Messages to the person's own contacts: asked for once per address, and sent only while the person agrees.
    invited_at: Mapped[datetime | None]
    consented_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]  # the person said no, or stopped
    ends_at: Mapped[datetime | None]  # a member ended the help: NOTICE_PERIOD after the person was told
    measured_until: Mapped[datetime | None]  # up to here its hours are in `watched_days`
    placed_at: Mapped[datetime | None]  # since when it is one of the `most_watched`

    __table_args__ = (
        sa.UniqueConstraint("organisation_id", "reference"),
        sa.CheckConstraint("starts_with(label, 'gAAAAA')", name="label_encrypted"),
        sa.Index("ix_beneficiaries_caseworker_id", "caseworker_id"),
        sa.Index("ix_beneficiaries_ends_at", "ends_at", postgresql_where=sa.text("ends_at IS NOT NULL")),
    )

    def is_reached(self) -> bool:
        """Return whether messages may go to the person's own contacts."""
        return self.consented_at is not None and self.stopped_at is None


class WatchedDay(Base):
    """Hours of a day in Paris in which a person was watched for, by the reference: what an organisation pays."""

    __tablename__ = "watched_days"

    organisation_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    reference: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date] = mapped_column(primary_key=True)
    hours: Mapped[int]  # bit n: the hour that begins n hours after midnight; a day has 23 to 25
