"""Tokens of the links in our messages: one table of what each is for, how long it is good and what it carries.

LINK_KEY signs them. The programs that send messages have it, and no JWT_SECRET, with which they could forge logins.
The tokens hide nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar, cast
from uuid import UUID

from pydantic import Field, TypeAdapter

from configs.ground.message_groups import MessageGroup
from configs.ground.signing import LinkRefused, SigningKey, sign, unsign
from configs.settings import settings

# How long a link to choose a new password works
PASSWORD_RESET_SECONDS = 3600
# How long a link in a message works
LINK_SECONDS = 30 * 86400
# How long a link to a proof works
PROOF_LINK_SECONDS = 3600

_KEY: SigningKey = "link_key"
_DAY = 86400.0
L = TypeVar("L", bound="Link")


@dataclass(frozen=True, slots=True)
class Link:
    """What a link's token carries; a class for each purpose."""


@dataclass(frozen=True, slots=True)
class AddressLink(Link):
    """A link that works while its reader's contact has the address that it was sent to."""

    contact: UUID
    address: str  # its digest


@dataclass(frozen=True, slots=True)
class VerifyAddress(AddressLink):
    """Confirms an address."""

    registration: UUID | None = None  # the account takes its password
    new: int | None = None  # of a new address: the user's token version when it was asked for


@dataclass(frozen=True, slots=True)
class ResetPassword(AddressLink):
    """Sets another password, once."""

    password: str  # digest of the present one's hash


@dataclass(frozen=True, slots=True)
class ReturnAddress(AddressLink):
    """Takes an account back to the mailbox that it left."""


@dataclass(frozen=True, slots=True)
class KeepSecondFactor(Link):
    """Keeps the second factor that was reported lost."""

    user: UUID
    ends: int  # when it would end: a later request has links of its own


@dataclass(frozen=True, slots=True)
class OpenPortal(AddressLink):
    """Opens Stripe's portal."""


@dataclass(frozen=True, slots=True)
class RefundClosedDesk(AddressLink):
    """Refunds the rest of a plan where an alert's desks closed."""

    alert: UUID


@dataclass(frozen=True, slots=True)
class StopGroup(AddressLink):
    """Stops a group of messages to a contact."""

    group: MessageGroup


@dataclass(frozen=True, slots=True)
class StopAlerts(Link):
    """Stops alerts."""

    alerts: Annotated[tuple[UUID, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class AnswerAlert(Link):
    """Says what became of the slots of a slot alert."""

    notification: UUID


@dataclass(frozen=True, slots=True)
class MoveReminders(Link):
    """Moves the reminders of an appointment."""

    appointment: UUID


@dataclass(frozen=True, slots=True)
class TellHowItWent(Link):
    """Says how an appointment went."""

    appointment: UUID
    well: bool


@dataclass(frozen=True, slots=True)
class AcknowledgeIncident(Link):
    """Acknowledges an alarm, for the operator whom it was sent to."""

    incident: Annotated[int, Field(gt=0, lt=2**63)]
    user: UUID


@dataclass(frozen=True, slots=True)
class ShowProof(Link):
    """Shows the page that proved a detection."""

    detection: UUID


@dataclass(frozen=True, slots=True)
class ConfirmDeclaration(Link):
    """Confirms a withdrawal that was declared without signing in, or undoes it."""

    declaration: UUID


@dataclass(frozen=True, slots=True)
class ConfirmCancellation(Link):
    """Confirms a cancellation that was declared without signing in, or undoes it."""

    declaration: UUID


@dataclass(frozen=True, slots=True)
class WithdrawOrder(Link):
    """Withdraws from an order without signing in."""

    payment: UUID


@dataclass(frozen=True, slots=True)
class CancelOrder(Link):
    """Cancels the subscription of an order without signing in."""

    payment: UUID


class _Purpose(NamedTuple):
    kind: str  # begins a token, and is part of its signature: it is good for one purpose
    # How long a token is good, in seconds. None: its page says when it is too late.
    lifetime: float | None = LINK_SECONDS


_PURPOSES: Mapping[type[Link], _Purpose] = {
    VerifyAddress: _Purpose("verify"),
    ResetPassword: _Purpose("reset", PASSWORD_RESET_SECONDS),
    ReturnAddress: _Purpose("address", 7 * _DAY),  # the row says when it is too late
    KeepSecondFactor: _Purpose("factor", None),
    OpenPortal: _Purpose("portal"),
    RefundClosedDesk: _Purpose("closed-desk"),
    StopGroup: _Purpose("unsubscribe"),
    StopAlerts: _Purpose("stop"),
    AnswerAlert: _Purpose("answer"),
    MoveReminders: _Purpose("reminder"),
    TellHowItWent: _Purpose("went"),
    AcknowledgeIncident: _Purpose("incident"),
    ShowProof: _Purpose("proof", PROOF_LINK_SECONDS),
    ConfirmDeclaration: _Purpose("declaration", 400 * _DAY),  # once it was applied, the page says so
    ConfirmCancellation: _Purpose("resiliation", 500 * _DAY),  # afterwards the form is there
    WithdrawOrder: _Purpose("withdraw", None),
    CancelOrder: _Purpose("cancel", None),
}

_ADAPTERS: Mapping[type[Link], TypeAdapter[Link]] = {kind: TypeAdapter(kind) for kind in _PURPOSES}
_KINDS: Mapping[str, type[Link]] = {purpose.kind: kind for kind, purpose in _PURPOSES.items()}


def write_token(link: Link) -> str:
    """Return the token of a link: its kind, and what is signed.

    Raises:
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    payload = _ADAPTERS[type(link)].dump_python(link, mode="json", exclude_none=True)
    word = _PURPOSES[type(link)].kind
    return f"{word}.{sign(word, payload, _KEY)}"


def write_link(link: Link) -> str:
    """Return the address of a link's page.

    Raises:
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    return write_address(write_token(link))


def write_address(token: str) -> str:
    """Return the address of a token's page."""
    return f"{str(settings().api_url).rstrip('/')}/l/{token}"


def find_kind(token: str) -> type[Link] | None:
    """Return the kind that a token names, signed or not; None for an unknown kind."""
    return _KINDS.get(token.partition(".")[0])


def read_token(kind: type[L], token: str) -> L:
    """Return what a token of this kind carries.

    Raises:
        configs.ground.signing.LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    word, lifetime = _PURPOSES[kind]
    named, _, signed = token.partition(".")
    if named != word:
        raise LinkRefused("forged")
    payload = unsign(word, signed, lifetime, _KEY)
    try:  # strictly, which JSON texts can be: of Python's values ids would be refused
        return cast("L", _ADAPTERS[kind].validate_json(json.dumps(payload), strict=True))
    except ValueError:
        raise LinkRefused("forged") from None


def read_unsubscription(token: str) -> StopAlerts | StopGroup:
    """Return what a token of a mail's List-Unsubscribe stops. It raises as `read_token` does."""
    if find_kind(token) is StopGroup:
        return read_token(StopGroup, token)
    return read_token(StopAlerts, token)
