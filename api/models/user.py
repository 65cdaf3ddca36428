"""Users, their contacts, the grants that entitle them, and exports of their data."""

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from api.models.base import Base, ContactAddress, EncryptedText, Hashes, enum_column, new_id, word_column
from api.models.payment import Payment  # noqa: F401 -- a flush of a grant resolves its foreign key
from configs.ground.addresses import fold_address
from configs.ground.clock import clock
from configs.ground.push_subscriptions import read_subscription
from configs.settings import settings
from configs.world.plan import PlanName

_NOW = sa.func.now()
FORMER_KEPT_FOR = timedelta(days=7)  # a mailbox that an account left
PUSH_DEVICES = 5  # that a person has at most
AFTER_REPORT = "after_report"  # a key of a consent that was given again after a spam report or a STOP
DIGEST_AT = time(7)  # of a day, in the user's time zone, unless the user says otherwise
CALLS_FROM, CALLS_UNTIL = time(8), time(22)  # unless the user says otherwise
# `users.email` of a beneficiary, behind its id: a name that no mail reaches and no form takes (RFC 6761, 6.4)
NO_ACCOUNT = "@beneficiary.invalid"


def _is_protected(column: str) -> str:
    """Return the condition that a column holds an e-mail address, or another one encrypted (Fernet's beginning)."""
    return f"CASE channel WHEN 'email' THEN position('@' in {column}) > 0 ELSE starts_with({column}, 'gAAAAA') END"


class Role(StrEnum):
    """What a user may do: `support` reads, and helps with a lost second factor; `admin` acts.

    A `beneficiary` is a person whom an organisation helps (api/models/organisation.py), and has no account: the row
    never signs in.
    """

    USER = "user"
    SUPPORT = "support"
    ADMIN = "admin"
    BENEFICIARY = "beneficiary"

    @property
    def is_operator(self) -> bool:
        """Whether it acts for others on the operators' pages."""
        return self in (Role.SUPPORT, Role.ADMIN)


class OutageCredit(StrEnum):
    """What a user gets for paid time without watching: time or a lower invoice, or money."""

    CREDIT = "credit"
    REFUND = "refund"


class Channel(StrEnum):
    """Channel by which a person is reached."""

    EMAIL = "email"
    SMS = "sms"
    TELEGRAM = "telegram"
    VOICE = "voice"  # a call, to the number of the SMS contact
    PUSH = "push"  # to a browser, of which a person may have several


# The channels of contacts.
CONTACT_CHANNELS: tuple[Channel, ...] = tuple(each for each in Channel if each is not Channel.VOICE)


class ContactState(StrEnum):
    """State of an address; messages go only to `ok`."""

    OK = "ok"
    BOUNCED = "bounced"
    BLOCKED = "blocked"
    UNSUBSCRIBED = "unsubscribed"


class SlotRhythm(StrEnum):
    """When slot alerts leave: each at once, or together once an hour or a day."""

    AT_ONCE = "at_once"
    HOURLY = "hourly"
    DAILY = "daily"


class User(Base):
    """A person with an account, or one whom an organisation helps: Role.BENEFICIARY."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str]
    email_folded: Mapped[str] = mapped_column(unique=True)  # what all spellings of it have in common
    password_hash: Mapped[str | None]
    role: Mapped[Role] = word_column(Role.USER, "role")
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")
    time_zone: Mapped[str] = mapped_column(default="Europe/Paris", server_default="Europe/Paris")
    token_version: Mapped[int] = mapped_column(default=0, server_default="0")
    totp_secret: Mapped[str | None] = mapped_column(EncryptedText, deferred=True)  # second factor
    totp_confirmed_at: Mapped[datetime | None]  # since when the second factor is asked for
    totp_used_step: Mapped[int | None] = mapped_column(sa.BigInteger)  # 30-second step of the last code taken
    # Recovery codes that are left, as HMACs whose key is the factor's secret.
    recovery_hashes: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), default=list, server_default="{}")
    # When a lost second factor ends, unless somebody objects (api/auth/factor_end.py).
    factor_ends_at: Mapped[datetime | None]
    # Since when an operator has its alerts, reports and orders stopped, and why, as its owner reads it.
    suspended_at: Mapped[datetime | None]
    suspended_because: Mapped[str | None]
    wished_plan: Mapped[PlanName | None] = mapped_column(enum_column(PlanName, "wished_plan"))
    # Where the wish of its registration goes on, a target of api/pages/lost_sessions.py: until an alert is created.
    wished_page: Mapped[str | None]
    stripe_customer_id: Mapped[str | None] = mapped_column(unique=True)
    outage_credit: Mapped[OutageCredit] = word_column(OutageCredit.CREDIT, "outage_credit")
    # When messages leave, in `time_zone` (notifier/delivery/reader_wishes.py).
    slot_rhythm: Mapped[SlotRhythm] = word_column(SlotRhythm.AT_ONCE, "slot_rhythm")
    # Of the rhythm `daily`
    digest_at: Mapped[time] = mapped_column(default=DIGEST_AT, server_default="07:00")
    quiet_from: Mapped[time | None]  # from then to `quiet_until` nothing leaves that can wait
    quiet_until: Mapped[time | None]
    # Slot alerts wait, too
    quiet_slots: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # When calls may be made, in `time_zone`; from a later hour to an earlier one over midnight.
    calls_from: Mapped[time] = mapped_column(default=CALLS_FROM, server_default="08:00")
    calls_until: Mapped[time] = mapped_column(default=CALLS_UNTIL, server_default="22:00")
    # which they do not want to set up now
    declined_channels: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), default=list, server_default="{}")
    # Of what people report: told also what one untrusted person saw; may be asked to look at a desk.
    told_in_doubt: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    may_be_asked: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    report_consent: Mapped[dict[str, Any] | None]  # to both, by name (api/accounts/consents.py)
    # the network of its registration, as those of reports
    registered_from: Mapped[Hashes]
    last_used_at: Mapped[datetime] = mapped_column(default=clock, server_default=_NOW)  # its day counts
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(default=clock, onupdate=clock, server_default=_NOW)

    contacts: Mapped[list["Contact"]] = relationship(back_populates="user", passive_deletes=True)
    grants: Mapped[list["Grant"]] = relationship(back_populates="user", passive_deletes=True)

    __table_args__ = (
        sa.Index("ix_users_last_used_at", "last_used_at"),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint(
            f"(role = 'beneficiary') = (email LIKE '%{NO_ACCOUNT}')"
            " AND (role <> 'beneficiary' OR (password_hash IS NULL AND totp_secret IS NULL))",
            name="no_account",
        ),
        sa.CheckConstraint("(totp_confirmed_at IS NULL) = (totp_secret IS NULL)", name="second_factor"),
        sa.CheckConstraint("factor_ends_at IS NULL OR totp_secret IS NOT NULL", name="factor_end"),
        sa.Index(
            "ix_users_factor_ends_at",
            "factor_ends_at",
            postgresql_where=sa.text("factor_ends_at IS NOT NULL"),
        ),
        sa.CheckConstraint(
            "(quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from <> quiet_until", name="quiet_hours"
        ),
        sa.CheckConstraint("calls_from <> calls_until", name="call_hours"),
        sa.CheckConstraint("(suspended_at IS NULL) = (suspended_because IS NULL)", name="suspension"),
    )

    @validates("email")
    def _fold_email(self, _name: str, email: str) -> str:
        self.email_folded = fold_address(email)
        return email

    @property
    def has_second_factor(self) -> bool:
        """Whether a sign-in asks for a code besides the password."""
        return self.totp_confirmed_at is not None


class Contact(Base):
    """A user's address on one channel; by push one for each device.

    Phone numbers, chat ids and subscriptions of browsers are encrypted; `contact_lookup` finds them by their hashes.

    `new_address` replaces the address of a verified contact when its owner confirms it.
    """

    __tablename__ = "contacts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel, "channel"))
    address: Mapped[str] = mapped_column(ContactAddress)
    lookup_hashes: Mapped[Hashes]
    new_address: Mapped[str | None] = mapped_column(ContactAddress)
    former_address: Mapped[str | None]  # the mailbox that may take the account back, until FORMER_KEPT_FOR
    moved_at: Mapped[datetime | None]  # when the account left it
    number: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")  # among the devices
    device_name: Mapped[str | None] = mapped_column(EncryptedText)  # as its owner sees it; of devices only
    verified_at: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    state: Mapped[ContactState] = word_column(ContactState.OK, "state")
    consent: Mapped[dict[str, Any] | None]
    consented_at: Mapped[datetime | None]
    # groups of messages that its reader stopped (configs/ground/message_groups.py)
    stopped_groups: Mapped[list[str]] = mapped_column(ARRAY(sa.Text), default=list, server_default="{}")
    summary_since: Mapped[datetime | None]  # since when its reader wants the weekly summary there
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    user: Mapped[User] = relationship(back_populates="contacts")

    __table_args__ = (
        sa.UniqueConstraint("user_id", "channel", "number"),
        sa.Index("ix_contacts_channel_address", "channel", "address"),
        sa.Index("ix_contacts_lookup_hashes", "lookup_hashes", postgresql_using="gin"),
        sa.Index("ix_contacts_unverified", "created_at", postgresql_where=sa.text("verified_at IS NULL")),
        sa.Index("ix_contacts_summary", "user_id", postgresql_where=sa.text("summary_since IS NOT NULL")),
        sa.CheckConstraint(
            "length(address) BETWEEN 1 AND CASE channel WHEN 'push' THEN 2048 ELSE 254 END",
            name="address_length",
        ),
        sa.CheckConstraint("length(new_address) BETWEEN 1 AND 254", name="new_address_length"),
        sa.CheckConstraint(_is_protected("address"), name="address_protected"),
        sa.CheckConstraint(_is_protected("new_address"), name="new_address_protected"),
        sa.CheckConstraint(
            "(former_address IS NULL) = (moved_at IS NULL) AND (former_address IS NULL OR channel = 'email')",
            name="former_address",
        ),
        sa.CheckConstraint(
            f"number BETWEEN 0 AND CASE channel WHEN 'push' THEN {PUSH_DEVICES - 1} ELSE 0 END", name="number"
        ),
        sa.CheckConstraint(
            "(channel = 'push') = (device_name IS NOT NULL) AND starts_with(device_name, 'gAAAAA')",
            name="device_name",
        ),
        # Each message changes a budget: the page has room for the row's next version.
        {"postgresql_with": {"fillfactor": 70}},
    )

    @property
    def unconfirmed_address(self) -> str | None:
        """The address that its owner has yet to confirm, if there is one."""
        return self.new_address or (self.address if self.verified_at is None else None)

    @property
    def confirmed(self) -> bool:
        """Whether its owner has confirmed it, and no message has bounced since."""
        return self.verified_at is not None and self.state is not ContactState.BOUNCED

    @property
    def is_linked(self) -> bool:
        """Whether it is its owner's. A chat that blocked the bot is not any more, nor a device whose push has ended."""
        is_own = self.verified_at is not None and self.state is not ContactState.BLOCKED
        return is_own and not self.is_ended_device

    @property
    def is_ended_device(self) -> bool:
        """Whether it is a browser that ended its subscription, or subscribed for another VAPID key than that of now."""
        if self.channel is not Channel.PUSH or self.state is not ContactState.OK:
            return self.channel is Channel.PUSH
        return read_subscription(self.address).is_of_former_key(settings().vapid_public_key)

    @property
    def addresses(self) -> list[str]:
        """Its address, the one that waits and the one that it had lately."""
        return [each for each in (self.address, self.new_address, self.former_address) if each]

    @property
    def reachable(self) -> bool:
        """Whether a slot alert may be sent there: verified, enabled, not bounced, not unsubscribed."""
        return self.enabled and self.verified_at is not None and self.state is ContactState.OK

    @property
    def wants_news(self) -> bool:
        """Whether its owner consented to news there (api/accounts/consents.py), and to the channel still."""
        given = (self.consent or {}).get("news")
        return self.consented_at is not None and given is not None and "withdrawn_at" not in given

    @property
    def consented_after_report(self) -> bool:
        """Whether its owner consented again after a spam report or a STOP: a provider's list may name it still."""
        given = (self.consent or {}).get("alerts", {})
        return self.consented_at is not None and AFTER_REPORT in given

    @property
    def wants_summary(self) -> bool:
        """Whether its owner asked for the weekly summary there."""
        return self.summary_since is not None

    @property
    def is_lost(self) -> bool:
        """Whether nothing arrives there: it bounced, or its owner blocked us."""
        return self.state in (ContactState.BOUNCED, ContactState.BLOCKED)

    @property
    def takes_account_mail(self) -> bool:
        """Whether mail about the account goes there: also after a spam report, if it is its owner's for certain."""
        return self.state is ContactState.OK or (not self.is_lost and self.verified_at is not None)


class Grant(Base):
    """A plan given to a user from one instant to another. Entitled means that a grant covers the moment."""

    __tablename__ = "grants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    plan: Mapped[PlanName] = mapped_column(enum_column(PlanName, "plan"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    source: Mapped[str]
    payment_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)

    user: Mapped[User] = relationship(back_populates="grants")

    __table_args__ = (
        sa.CheckConstraint("ends_at > starts_at", name="order"),
        sa.CheckConstraint("plan <> 'NONE'", name="real_plan"),
        sa.Index("ix_grants_user_id_ends_at", "user_id", "ends_at"),
        sa.Index("ix_grants_starts_at", "starts_at"),
        sa.Index("ix_grants_ends_at", "ends_at"),
        # One grant per paid period, and one for the days of grace before it is paid.
        sa.Index(
            "uq_grants_payment_id_source",
            "payment_id",
            "source",
            unique=True,
            postgresql_where=sa.text("source IN ('payment', 'grace')"),
        ),
    )

    def covers_moment(self, moment: datetime) -> bool:
        """Return whether it entitles at `moment`; the end is excluded."""
        return self.starts_at <= moment < self.ends_at


class Export(Base):
    """An export that a user asked for. A user has one at most; its file in the store is named by `id`.

    The file is encrypted with `file_key`, which is nowhere else: without the row nobody can read the file.
    """

    __tablename__ = "exports"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), unique=True)
    requested_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_attempt_at: Mapped[datetime | None]  # null once the file is made
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    file_key: Mapped[str | None] = mapped_column(EncryptedText)
    size_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)

    __table_args__ = (
        sa.CheckConstraint(
            "num_nulls(ready_at, expires_at, file_key, size_bytes) IN (0, 4)"
            " AND (ready_at IS NULL) = (next_attempt_at IS NOT NULL)",
            name="ready",
        ),
        sa.CheckConstraint("starts_with(file_key, 'gAAAAA')", name="encrypted"),
        sa.Index("ix_exports_next_attempt_at", "next_attempt_at"),
        sa.Index("ix_exports_expires_at", "expires_at"),
    )
