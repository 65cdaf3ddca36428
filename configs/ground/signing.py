"""Signed tokens, good for one purpose (scope) and for a time; they hide nothing.

JWT_SECRET signs what the API hands out and reads itself, LINK_KEY the links in messages: one table says what each is
for, how long it is good and what it carries. The programs that send messages have LINK_KEY, and no JWT_SECRET, with
which they could forge logins.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, dataclass_transform
from uuid import UUID

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer
from pydantic import Field, TypeAdapter

from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.settings import settings

SigningKey = Literal["jwt_secret", "link_key"]
SKEW = 60  # seconds that the clocks of two machines may differ
ISSUER = "rdvpriority"  # of access tokens
ACCESS_COOKIE = "__Host-access"  # where pages have them
STAFF_IDLE_SECONDS = 1800  # how long a login of the roles support and admin lasts without use

# How long a link to choose a new password works
PASSWORD_RESET_SECONDS = 3600
# How long a link in a message works
LINK_SECONDS = 30 * 86400
# How long a link to a proof works
PROOF_LINK_SECONDS = 3600
_LINKS_KEY: SigningKey = "link_key"
_DAY = 86400.0
L = TypeVar("L", bound="Link")
LINK_KINDS: dict[str, type["Link"]] = {}  # by their words


class LinkRefused(ValueError):
    """A token is not good: `reason` is `expired` (ours, too old) or `forged` (not ours, or of another scope)."""

    def __init__(self, reason: Literal["expired", "forged"]) -> None:
        super().__init__(f"this link is {reason}: ask for a new one")
        self.reason = reason


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        """Ask our clock, which tests freeze."""
        return int(clock().timestamp())


def read_signing_keys(key: SigningKey = "jwt_secret") -> tuple[str, ...]:
    """Return the values of a key, of JWT_SECRET with JWT_SECRET_PREVIOUS last: the first one signs, all verify.

    Raises:
        configs.settings.SettingMissing: the key is not set.
    """
    previous = settings().jwt_secret_previous if key == "jwt_secret" else None
    return (*settings().require_all(key), *([previous.get_secret_value()] if previous else []))


def find_signing_key(name: object) -> str:
    """Return the value of JWT_SECRET that a token's header names (`kid`); without a name, the one that signs now."""
    keys = read_signing_keys()
    return next((each for each in keys if name_key(each) == name), keys[0])


def name_key(key: str) -> str:
    """Return a short name that tells a key from the one before it and reveals neither."""
    return hmac.new(key.encode(), b"rdvpriority.key-name", hashlib.sha256).hexdigest()[:8]


def get_serializer(scope: str, key: SigningKey = "jwt_secret") -> URLSafeTimedSerializer:
    """Return what signs for this scope as `sign` does.

    Raises:
        configs.settings.SettingMissing: the key is not set.
    """
    return _serializer(read_signing_keys(key), scope)


@lru_cache(maxsize=64)
def _serializer(keys: tuple[str, ...], scope: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        list(reversed(keys)),  # the last one signs, all verify
        salt=f"rdvpriority.{scope}",
        signer=_Signer,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def sign(scope: str, payload: Any, key: SigningKey = "jwt_secret") -> str:
    """Return a token that carries the payload (plain JSON values) and the moment; safe in an address.

    Raises:
        configs.settings.SettingMissing: the key is not set.
    """
    return str(get_serializer(scope, key).dumps(payload))


def unsign(scope: str, token: str, max_age_seconds: float | None, key: SigningKey = "jwt_secret") -> Any:
    """Return the payload of a token signed for this scope at most that long ago; None: at any time.

    Raises:
        LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: the key is not set.
    """
    serializer = get_serializer(scope, key)
    try:
        payload, signed_at = serializer.loads(token, return_timestamp=True)
    except (BadData, UnicodeError):  # UnicodeError: a lone surrogate is no token either
        raise LinkRefused("forged") from None
    age = (clock() - signed_at).total_seconds()
    if age < -SKEW:
        raise LinkRefused("forged")
    if max_age_seconds is not None and age > max_age_seconds:
        raise LinkRefused("expired")
    return payload


@dataclass_transform(frozen_default=True)
@dataclass(frozen=True)
class Link:
    """What a link's token carries; a class for each purpose.

    `word` begins a token, and is part of its signature: it is good for one purpose. `lifetime` is how long a token is
    good, in seconds; None: its page says when it is too late.
    """

    word: ClassVar[str]
    lifetime: ClassVar[float | None]

    def __init_subclass__(cls, *, word: str = "", lifetime: float | None = LINK_SECONDS) -> None:
        """Make a class of fields of it, the kind of link of this word; without one a base of kinds."""
        dataclass(frozen=True)(cls)
        cls.word, cls.lifetime = word, lifetime
        if word:
            LINK_KINDS[word] = cls


class AddressLink(Link):
    """A link that works while its reader's contact has the address that it was sent to."""

    contact: UUID
    address: str  # its digest


class VerifyAddress(AddressLink, word="verify"):
    """Confirms an address."""

    registration: UUID | None = None  # the account takes its password
    new: int | None = None  # of a new address: the user's token version when it was asked for


class ResetPassword(AddressLink, word="reset", lifetime=PASSWORD_RESET_SECONDS):
    """Sets another password, once."""

    password: str  # digest of the present one's hash


class ReturnAddress(AddressLink, word="address", lifetime=7 * _DAY):  # the row says when it is too late
    """Takes an account back to the mailbox that it left."""


class KeepSecondFactor(Link, word="factor", lifetime=None):
    """Keeps the second factor that was reported lost."""

    user: UUID
    ends: int  # when it would end: a later request has links of its own


class OpenPortal(AddressLink, word="portal"):
    """Opens Stripe's portal."""


class RefundClosedDesk(AddressLink, word="closed-desk"):
    """Refunds the rest of a plan where an alert's desks closed."""

    alert: UUID


class ShowHelp(Link, word="help", lifetime=400 * _DAY):
    """Shows a person what an organisation keeps, and lets the person agree, stop, take over, or have it deleted.

    The contact that it was sent to goes with each change of its address. `chosen`: the person gave it for an account.
    """

    contact: UUID
    chosen: bool = False


class StopGroup(AddressLink, word="unsubscribe"):
    """Stops a group of messages to a contact."""

    group: MessageGroup


class StopAlerts(Link, word="stop"):
    """Stops alerts."""

    alerts: Annotated[tuple[UUID, ...], Field(min_length=1)]


class NotificationLink(Link):
    """A link of one message."""

    notification: UUID


class AnswerAlert(NotificationLink, word="answer"):
    """Says what became of the slots of a slot alert."""


class ShowSlots(NotificationLink, word="places"):  # its page says when it is too late
    """Shows the open slots of an announcement, without a login."""


class ReportLook(NotificationLink, word="look", lifetime=3600.0):
    """Says what its reader sees of the page of the desk that a message was about."""


class OpenPage(NotificationLink, word="page", lifetime=3600.0):
    """Leads to the page of the desk that a reply in a chat names, and notes from which network: it signs nobody in."""


class MoveReminders(Link, word="reminder"):
    """Moves the reminders of an appointment."""

    appointment: UUID


class TellHowItWent(Link, word="went"):
    """Says how an appointment went."""

    appointment: UUID
    well: bool


class AcknowledgeIncident(Link, word="incident"):
    """Acknowledges an alarm, for the operator whom it was sent to."""

    incident: Annotated[int, Field(gt=0, lt=2**63)]
    user: UUID


class ShowProof(Link, word="proof", lifetime=PROOF_LINK_SECONDS):
    """Shows the page that proved a detection."""

    detection: UUID


class ConfirmDeclaration(Link, word="declaration", lifetime=400 * _DAY):
    """Confirms a withdrawal that was declared without signing in, or undoes it; once applied, its page says so."""

    declaration: UUID


class ConfirmCancellation(Link, word="resiliation", lifetime=500 * _DAY):  # afterwards the form is there
    """Confirms a cancellation that was declared without signing in, or undoes it."""

    declaration: UUID


class WithdrawOrder(Link, word="withdraw", lifetime=None):
    """Withdraws from an order without signing in."""

    payment: UUID


class CancelOrder(Link, word="cancel", lifetime=None):
    """Cancels the subscription of an order without signing in."""

    payment: UUID


_ADAPTERS: Mapping[type[Link], TypeAdapter[Link]] = {kind: TypeAdapter(kind) for kind in LINK_KINDS.values()}


def write_token(link: Link) -> str:
    """Return the token of a link: its kind, and what is signed.

    Raises:
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    payload = _ADAPTERS[type(link)].dump_python(link, mode="json", exclude_none=True)
    return f"{link.word}.{sign(link.word, payload, _LINKS_KEY)}"


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
    return LINK_KINDS.get(token.partition(".")[0])


def read_token(kind: type[L], token: str) -> L:
    """Return what a token of this kind carries.

    Raises:
        LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: LINK_KEY is not set.
    """
    named, _, signed = token.partition(".")
    if named != kind.word:
        raise LinkRefused("forged")
    payload = unsign(kind.word, signed, kind.lifetime, _LINKS_KEY)
    try:  # strictly, which JSON texts can be: of Python's values ids would be refused
        return cast("L", _ADAPTERS[kind].validate_json(json.dumps(payload), strict=True))
    except ValueError:
        raise LinkRefused("forged") from None


def read_unsubscription(token: str) -> StopAlerts | StopGroup:
    """Return what a token of a mail's List-Unsubscribe stops. It raises as `read_token` does."""
    if find_kind(token) is StopGroup:
        return read_token(StopGroup, token)
    return read_token(StopAlerts, token)
