"""Webhook calls of providers: whether one is genuine, its receipts, and their rows, which hold no address.

Calls of SendGrid and Twilio are read here, not in `notifier/channels/providers/`, whose files load the providers' SDKs:
the API reads receipts and sends nothing.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
https://www.twilio.com/docs/usage/security#validating-requests
https://www.twilio.com/docs/voice/answering-machine-detection
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.models.base import database_clock, is_any_of, session
from api.models.contact_lookup import find_contact
from api.models.notification import Notification
from api.models.provider_event import LONGEST_CODE, ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact
from configs.ground.addresses import fold_address
from configs.settings import SettingMissing, settings
from configs.world.retention import receipts_kept_for
from notifier.channels.fates import ACCEPTED
from notifier.channels.mail_refusals import is_dead_address
from notifier.content.message_kind_base import CALL_WEBHOOK, IDS, RETRIES, SMS_WEBHOOK, webhook_address

_TELEGRAM = "telegram"  # its updates are no receipts: the API handles them (api/bot/)
TELEGRAM_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 -- the header's name

log = structlog.get_logger(__name__)

LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt, as the provider sent it."""

    event_id: str  # the provider's id of the event, the same in a repetition
    kind: ReceiptKind
    at: datetime  # by the provider's clock
    # Of the message, or of the person who answered; compared with the contact's and never stored
    address: str
    message_id: str | None = None  # the provider's id of the message
    notification_ids: tuple[UUID, ...] = ()  # as they travelled with the message
    code: str | None = None  # the provider's error code


def parse_ids(text: str) -> tuple[UUID, ...]:
    """Return the ids in a list with commas or dots; parts that are no id are left out."""
    found = []
    for part in text.replace(".", ",").split(","):
        try:
            found.append(UUID(part.strip()))
        except ValueError:
            continue
    return tuple(found)


_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
# Why SendGrid dropped a message itself: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
_DROPPED = {
    **dict.fromkeys(("spam reporting address", "unsubscribed address"), ReceiptKind.STOPPED),
    **dict.fromkeys(("bounced address", "invalid"), ReceiptKind.BOUNCED),
}
_CODE = re.compile(r"[\w.]+")  # such as 5.1.1; the full reason may repeat the address


@lru_cache(maxsize=8)
def _load_key(text: str) -> ec.EllipticCurvePublicKey:
    key = load_der_public_key(base64.b64decode(text))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("no key of an elliptic curve")
    return key


def _is_signed_by(key: str, signature: bytes, signed: bytes) -> bool:
    try:
        _load_key(key).verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        log.warning(
            "SENDGRID_WEBHOOK_KEY holds no key: copy it from SendGrid again", because=type(error).__name__
        )
        return False
    return True


def _is_from_sendgrid(headers: Mapping[str, str], body: bytes, _query: str) -> bool:
    """Return whether timestamp and raw body are signed with one of the keys of SENDGRID_WEBHOOK_KEY."""
    try:
        keys = settings().require_all("sendgrid_webhook_key")
        signature = base64.b64decode(headers.get(_SIGNATURE, ""), validate=True)
    except (SettingMissing, ValueError):  # a signature that is not base64, or not ASCII
        return False
    signed = headers.get(_TIMESTAMP, "").encode() + body
    return any(_is_signed_by(each, signature, signed) for each in keys)


def _read_events(body: bytes, _query: str, now: datetime) -> Sequence[Receipt]:
    """Return the receipts among SendGrid's events; openings, clicks and delays are none.

    Each event has the `custom_args` of its message.
    """
    events = json.loads(body)
    if not isinstance(events, list):
        raise ValueError("no list of events")  # noqa: TRY004 -- the shape of a call, not a wrong argument
    found = (_read_event(each, now) for each in events if isinstance(each, dict))
    return [each for each in found if each]


def _read_event(event: dict[str, Any], now: datetime) -> Receipt | None:
    kind, event_id = _kind_of(event), _text(event, "sg_event_id")
    at = _read_time(event.get("timestamp"))
    if kind is None or at is None or not 1 <= len(event_id) <= LONGEST_ID:
        return None
    status = _text(event, "status")
    return Receipt(
        event_id=event_id,
        kind=kind,
        at=min(at, now),  # SendGrid's clock may be fast
        address=_text(event, "email"),
        # X-Message-Id of the call, then a dot and the name of the machine that sent it
        message_id=_text(event, "sg_message_id").partition(".")[0][:LONGEST_ID] or None,
        notification_ids=parse_ids(_text(event, "notification_ids") or _text(event, "notification_id")),
        code=status[:LONGEST_CODE] if _CODE.fullmatch(status) else None,
    )


def _kind_of(event: dict[str, Any]) -> ReceiptKind | None:
    match _text(event, "event"):
        case "delivered":
            return ReceiptKind.DELIVERED
        case "bounce":
            # `blocked` and `expired` speak of the mail and of time.
            is_hard = _text(event, "type") in ("bounce", "")
            is_dead = is_hard and is_dead_address(_text(event, "reason"), _text(event, "status"))
            return ReceiptKind.BOUNCED if is_dead else ReceiptKind.REFUSED
        case "dropped":
            return _DROPPED.get(_text(event, "reason").casefold(), ReceiptKind.REFUSED)
        case "spamreport":
            return ReceiptKind.COMPLAINED
    return None


def _text(event: dict[str, Any], name: str) -> str:
    """Return a text without NUL and lone surrogates, which JSON may hold and PostgreSQL refuses."""
    value = event.get(name)
    return value.encode("utf-8", "ignore").decode().replace("\0", "") if isinstance(value, str) else ""


def _read_time(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_TWILIO_SIGNATURE = "x-twilio-signature"

_DELIVERED, _NOT_DELIVERED = frozenset({"delivered", "read"}), frozenset({"undelivered", "failed"})
_ON_THEIR_WAY = frozenset({"accepted", "queued", "sending", "sent"})
# Error codes that are about the number; every other one is about the message: https://www.twilio.com/docs/api/errors
_SMS_FAILURES = {
    "21610": ReceiptKind.STOPPED,
    **dict.fromkeys(("21211", "21214", "21217", "21421", "21614", "30005", "30006"), ReceiptKind.BOUNCED),
}
_FAILURES = (ReceiptKind.REFUSED, ReceiptKind.BOUNCED, ReceiptKind.STOPPED)
# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out, and the French words; without accents
_STOP_WORDS = frozenset(
    {"stop", "stopall", "stopsms", "unsubscribe", "cancel", "end", "quit", "optout", "revoke", "arret"}
)
# "arrêtez de plaisanter" asks for nothing
_ALONE = frozenset({"arrete", "arreter", "arretez", "stoppe", "stopper", "stoppez"})
_STOPPED_THINGS = frozenset({"sms", "message", "messages", "envoyer", "envoi", "envois", "alerte", "alertes"})
_COURTESY = frozenset(
    "bonjour bonsoir salut hello hi merci thanks svp stp please pls veuillez de d".split()  # noqa: SIM905 -- a list of words
)
_UNSUBSCRIBE = ("desabo", "desinscri", "unsubscri")  # beginnings of words, wherever they stand
_NEGATIONS = frozenset({"ne", "n", "pas", "non", "jamais", "not", "don", "dont", "never"})
_WORD = re.compile(r"[^\W\d_]+")

MACHINE = "machine"  # the code of a call that an answering machine took
_MACHINES = ("machine", "fax")  # how AnsweredBy begins for them; a person is `human` or `unknown`
_MISSED = frozenset({"busy", "no-answer", "failed", "canceled"})


def _is_from_twilio(path: str, headers: Mapping[str, str], body: bytes, query: str) -> bool:
    """Return whether address (API_URL and path) and form are signed with our token, and the account is ours.

    Names of headers are in lower case.
    """
    try:
        token, form = settings().require("twilio_auth_token"), _read_form(body)
    except (SettingMissing, ValueError):
        return False
    given, address = headers.get(_TWILIO_SIGNATURE, "").encode(), webhook_address(path, query)
    fields = "".join(f"{name}{form[name]}" for name in sorted(form))
    # Twilio does not document whether the signature covers the part after #.
    is_ours = any(
        hmac.compare_digest(
            base64.b64encode(hmac.new(token.encode(), (each + fields).encode(), hashlib.sha1).digest()), given
        )
        for each in (address, address + RETRIES)
    )
    return is_ours and form.get("AccountSid", "") == settings().twilio_account_sid


ReadForm = Callable[[Mapping[str, str]], tuple[ReceiptKind | None, str | None]]


def _read_twilio(
    sids: Sequence[str], read_form: ReadForm, body: bytes, query: str, now: datetime
) -> Sequence[Receipt]:
    """Return the receipt in a form about one message, or none. Twilio names no time, so that of its arrival counts.

    `sids` are the fields with Twilio's id of the message.
    """
    form = {name: value.replace("\0", "") for name, value in _read_form(body).items()}
    sid = next((form[each] for each in sids if form.get(each)), "")
    if not 1 <= len(sid) <= LONGEST_ID // 2:
        raise ValueError(f"no {sids[0]}")
    kind, code = read_form(form)
    if kind is None:
        return []
    if kind is ReceiptKind.STOPPED and code is None:  # the person wrote it
        return [Receipt(f"{sid}:stop", kind, now, form.get("From", ""))]
    ids = parse_ids(dict(parse_qsl(query)).get(IDS, ""))
    return [Receipt(_name_event(sid, kind), kind, now, form.get("To", ""), sid, ids, code)]


def _name_event(sid: str, kind: ReceiptKind) -> str:
    return f"{sid}:{kind.value}"


def list_failures(sid: str) -> list[str]:
    """Return the ids of Twilio's events about a message that did not arrive."""
    return [_name_event(sid, each) for each in _FAILURES]


def _read_sms(form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
    """Return the new state of an SMS and its error code; STOPPED without a code if a person answered STOP."""
    state, code = form.get("MessageStatus"), form.get("ErrorCode", "")
    if state is None:  # a person's answer; Twilio says OptOutType if it manages opt-outs
        stops = form.get("OptOutType") == "STOP" or _asks_to_stop(form.get("Body", ""))
        return ReceiptKind.STOPPED if stops else None, None
    shown = code[:LONGEST_CODE] if code.isdecimal() else None
    if state in _NOT_DELIVERED:
        return _SMS_FAILURES.get(code, ReceiptKind.REFUSED), shown
    if state in _ON_THEIR_WAY:
        return ReceiptKind.ACCEPTED, shown
    return (ReceiptKind.DELIVERED, shown) if state in _DELIVERED else (None, None)


def _read_call(form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
    """Return how a call ended: DELIVERED if a person answered, else REFUSED and a code that says why."""
    status = form.get("CallStatus", "")
    if status in _MISSED:
        return ReceiptKind.REFUSED, status
    if status != "completed":
        return None, None
    is_machine = form.get("AnsweredBy", "").startswith(_MACHINES)
    return (ReceiptKind.REFUSED, MACHINE) if is_machine else (ReceiptKind.DELIVERED, None)


def _asks_to_stop(text: str) -> bool:
    """Return whether an SMS asks to stop: people write « Stop. Merci », S.T.O.P. and « Désabonnez-moi »."""
    apart = unicodedata.normalize("NFKD", text)
    plain = "".join(each for each in apart if not unicodedata.combining(each)).casefold()
    words = _WORD.findall(plain)
    said = [each for each in words if each not in _COURTESY]
    if {*said[:1], "".join(words)} & _STOP_WORDS or "".join(said) in _ALONE:
        return True
    if said and said[0] in _ALONE and _STOPPED_THINGS.intersection(said):
        return True
    clauses = map(_WORD.findall, re.split(r"[.,;:!\n]", plain))  # « Désabonnez-moi, je n'ai rien demandé »
    wishes = (each for each in clauses if not _NEGATIONS.intersection(each))
    return any(word.startswith(_UNSUBSCRIBE) for each in wishes for word in each)


def _read_form(body: bytes) -> dict[str, str]:
    """Return the fields of a call; ValueError where there are too many of them."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200))


# (headers with names in lower case, body, query) → whether the provider signed the call; False while its key is not set
CheckCall = Callable[[Mapping[str, str], bytes, str], bool]
# (body, query, now) → the receipts of a genuine call, without events that change nothing. ValueError: the body does not
# have the documented shape
ReadCall = Callable[[bytes, str, datetime], Sequence[Receipt]]
_read_sms_call = partial(_read_twilio, ("MessageSid", "SmsSid"), _read_sms)
READERS: Mapping[str, tuple[CheckCall, ReadCall]] = {
    "sendgrid": (_is_from_sendgrid, _read_events),
    "twilio": (partial(_is_from_twilio, SMS_WEBHOOK), _read_sms_call),
    "twilio_calls": (partial(_is_from_twilio, CALL_WEBHOOK), partial(_read_twilio, ("CallSid",), _read_call)),
}


def is_genuine(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> bool:
    """Return whether the provider made a call to one of our webhooks. Reads no table.

    `query` is what stood behind the `?` of the call's address.

    Raises:
        LookupError: no calls are received from this provider.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    check = _is_from_telegram if provider == _TELEGRAM else _find_reader(provider)[0]
    return check(lower, body, query)


def _is_from_telegram(headers: Mapping[str, str], _body: bytes, _query: str) -> bool:
    """Return whether a call carries one of TELEGRAM_WEBHOOK_SECRET; without that setting none is genuine.

    https://core.telegram.org/bots/api#setwebhook
    """
    try:
        known = settings().require_all("telegram_webhook_secret")
    except SettingMissing:
        return False
    given = headers.get(TELEGRAM_SECRET_HEADER.lower(), "")
    return any(hmac.compare_digest(given.encode(), each.encode()) for each in known)


def store_receipts(provider: str, headers: Mapping[str, str], body: bytes, query: str = "") -> None:
    """Store the receipts of a call. A repeated call changes nothing; an unreadable one is logged: it would come again.

    The sweep applies them within a second; no job is enqueued here, since the call would wait if Redis hangs.

    Raises:
        PermissionError: the call is not genuine.
        LookupError: no receipts are received from this provider.
    """
    _, read = _find_reader(provider)
    if not is_genuine(provider, headers, body, query):
        raise PermissionError(f"a call in the name of {provider} is not signed as agreed")
    try:
        receipts = read(body, query, database_clock())
    except (ValueError, RecursionError) as error:
        log.warning("receipts not readable", provider=provider, because=str(error)[:80])
        return
    with session() as opened:
        store(opened, provider, receipts)


def _find_reader(provider: str) -> tuple[CheckCall, ReadCall]:
    if provider not in READERS:
        raise LookupError(f"no receipts are received from {provider!r}")
    return READERS[provider]


def store(opened: Session, provider: str, receipts: Sequence[Receipt]) -> int:
    """Write the receipts whose event ids are new; return their number."""
    found = {each.event_id: each for each in _drop_needless(opened, receipts)}
    unique = [found[key] for key in sorted(found)]  # one order, so that calls at once do not deadlock
    if not unique:
        return 0
    now = database_clock(opened)
    contacts = _find_contacts(opened, unique, now)
    rows = [
        {
            "provider": provider, "event_id": each.event_id, "message_id": each.message_id,
            "notification_ids": [*each.notification_ids], "contact_id": contacts.get(each.event_id), "kind": each.kind,
            "code": each.code, "at": each.at, "received_at": now, "next_attempt_at": now,
        }
        for each in unique
    ]  # fmt: skip
    new = insert(ProviderEvent).on_conflict_do_nothing(
        index_elements=[ProviderEvent.provider, ProviderEvent.event_id]
    )
    return len(opened.scalars(new.returning(ProviderEvent.id), rows).all())


def _drop_needless(opened: Session, receipts: Sequence[Receipt]) -> list[Receipt]:
    """Leave out receipts of acceptance whose message is recorded as accepted."""
    said = {key for each in receipts if each.kind is ReceiptKind.ACCEPTED for key in each.notification_ids}
    open_ones = sa.select(Notification.id).where(
        is_any_of(Notification.id, [*said]), Notification.state.not_in(ACCEPTED)
    )
    unknown = {*opened.scalars(open_ones)} if said else set()
    return [
        each
        for each in receipts
        if each.kind is not ReceiptKind.ACCEPTED or unknown.intersection(each.notification_ids)
    ]


def _find_contacts(opened: Session, receipts: Sequence[Receipt], now: datetime) -> dict[str, UUID]:
    """Return contacts by event id, for receipts (other than deliveries) whose address is still the contact's."""
    about = [each for each in receipts if each.kind not in (ReceiptKind.ACCEPTED, ReceiptKind.DELIVERED)]
    first = [each.notification_ids[0] for each in about if each.notification_ids]
    query = sa.select(Notification.id, Contact, Notification.created_at).join(
        Contact, Contact.id == Notification.contact_id
    )
    rows = opened.execute(query.where(is_any_of(Notification.id, first))).all() if first else []
    contacts = {row[0]: (row[1], row[2]) for row in rows}
    found = {}
    for each in about:
        if each.notification_ids:
            contact, written_at = contacts.get(each.notification_ids[0], (None, now))
        else:  # a person's own SMS, or a mailbox that answered late: its bounce carries no ids
            channel = Channel.EMAIL if "@" in each.address else Channel.SMS
            contact, written_at = find_contact(opened, channel, each.address), each.at
        if contact and _is_news(contact, each, written_at, now):
            found[each.event_id] = contact.id
    return found


def _is_news(contact: Contact, receipt: Receipt, written_at: datetime, now: datetime) -> bool:
    """Return whether a receipt, about a message of `written_at`, still applies to its contact.

    It does not if the contact has another address now, nor a bounce if the owner has confirmed the address since. One
    about a message older than RECEIPTS_KEPT_FOR may be a repetition whose first row is deleted.
    """
    is_its_own = fold_address(contact.address) == fold_address(receipt.address)
    is_old = written_at < now - receipts_kept_for()
    confirmed_at = contact.verified_at if receipt.kind is ReceiptKind.BOUNCED else None
    return is_its_own and not is_old and not (confirmed_at and written_at < confirmed_at)
