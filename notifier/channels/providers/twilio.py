"""SMS and calls by Twilio: its client over our transport, what its refusals mean, and the receipts that it sends.

The API reads receipts and sends nothing: it does without the client, which takes tens of megabytes.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource
https://www.twilio.com/docs/usage/security#validating-requests
https://www.twilio.com/docs/voice/answering-machine-detection
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

import hmac
import logging
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID
from xml.etree.ElementTree import Element, SubElement, tostring

from requests import PreparedRequest, Response
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator

from api.models.provider_event import LONGEST_CODE, ReceiptKind
from api.models.user import Channel, ContactState
from configs.ground.addresses import is_sms_service
from configs.settings import Constant, SettingMissing, settings
from notifier.channels.provider_base import (
    LONGEST_EVENT_ID,
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    PermanentError,
    Provider,
    RateLimited,
    Receipt,
    Transport,
    call_ring_seconds,
    find_price,
    parse_ids,
    read_json,
)
from notifier.content.message_kind_base import MOST_IDS, OutgoingMessage
from notifier.content.sms_text import fit_text, segments

# The longest call
_CALL_LONGEST_SECONDS = 120
# Time after which a call that nothing was reported of counts as lost: longer than it rings and lasts
_call_report_seconds = Constant("CALL_REPORT_SECONDS", 240.0)
# How long silence lasts after which Twilio takes the answer for a person's; it may be 2 to 10 s. Until then a person
# hears nothing.
_SILENCE_MILLISECONDS = 2500
_LONGEST_WORDS = 700  # characters: a document that travels with a call has 4,000 at most, and `&` counts five
# The voice is Twilio's default of the language; of Arabic it has none but this one, of Chinese and Hindi none for sure.
_VOICES: Mapping[str, dict[str, str]] = {
    "fr": {"language": "fr-FR"},
    "en": {"language": "en-GB"},
    "es": {"language": "es-ES"},
    "pt": {"language": "pt-PT"},
    "ar": {"language": "arb", "voice": "Polly.Zeina"},
    "de": {"language": "de-DE"},
    "ru": {"language": "ru-RU"},
    "zh": {"language": "cmn-CN", "voice": "Polly.Zhiyu"},
    "hi": {"language": "hi-IN", "voice": "Polly.Aditi"},
}
_DIGITS = 2  # of a number of segments: a text of 1,600 characters has 24 at most

# Full queue, rate: nothing is wrong with the message.
_TOO_MANY = {20429, 21611, 14107}
# Webhooks that Twilio reports to, and what their query calls the notifications of a message.
SMS_WEBHOOK, CALL_WEBHOOK = "/api/hooks/twilio", "/api/hooks/twilio/calls"
IDS = "notifications"
# Twilio gives up a call that we answer with an error, unless its address asks for retries; five, in 15 s:
# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
RETRIES = "#rc=5&rp=all"
# Of Twilio's own codes
_LEAST_CODE, _HIGHEST_CODE = 1_000, 999_999
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
_SMS, _CALLS = "twilio", "twilio_calls"
_CHANNELS = {_SMS: Channel.SMS, _CALLS: Channel.VOICE}

_SIGNATURE = "x-twilio-signature"
_DELIVERED, _NOT_DELIVERED = frozenset({"delivered", "read"}), frozenset({"undelivered", "failed"})
_ON_THEIR_WAY = frozenset({"accepted", "queued", "sending", "sent"})
_KINDS: Mapping[ContactState | None, ReceiptKind] = {
    ContactState.UNSUBSCRIBED: ReceiptKind.STOPPED,
    ContactState.BOUNCED: ReceiptKind.BOUNCED,
}
FAILURES = (ReceiptKind.REFUSED, *_KINDS.values())  # of a message that did not arrive
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

_quiet = logging.getLogger(f"{__name__}.twilio")
_quiet.disabled = True  # Twilio's client logs each request at INFO
# Of the message that this thread hands over: Twilio's client takes no headers.
_inbox_headers: ContextVar[Mapping[str, str]] = ContextVar("inbox_headers")


class _TwilioTransport(Transport):
    def send(self, request: PreparedRequest, **options: Any) -> Response:
        request.headers.update(_inbox_headers.get())
        return super().send(request, **options)


def _is_own(answer: Response) -> bool:
    code = read_json(answer).get("code")
    return type(code) is int and _LEAST_CODE <= code <= _HIGHEST_CODE


@lru_cache(maxsize=4)
def _client(provider: str, account: str, token: str, base_url: str) -> Any:
    from twilio.rest import Client  # noqa: PLC0415 -- not for receipts

    http = TwilioHttpClient(logger=_quiet)
    http.session = _TwilioTransport(provider, _CHANNELS[provider], is_own=_is_own)
    client = Client(account, token, http_client=http)
    # There is no option for it: https://github.com/twilio/twilio-python/issues/521
    client.api.base_url = base_url
    return client


def webhook_address(path: str, query: str = "") -> str:
    """Return the public address of a webhook, which Twilio signs."""
    address = f"{settings().api_url}{path}"
    return f"{address}?{query}" if query else address


def callback_of(path: str, ids: Sequence[UUID]) -> str:
    """Return where Twilio reports on the message of these notifications."""
    return webhook_address(path, f"{IDS}={'.'.join(str(each) for each in ids[:MOST_IDS])}") + RETRIES


def _create_sms(client: Any, message: OutgoingMessage) -> Acceptance:
    text, sender = fit_text(message.filled), settings().require("twilio_phone_number")
    made = client.messages.create(
        to=message.address,
        body=text,
        status_callback=callback_of(SMS_WEBHOOK, message.ids),
        **{"messaging_service_sid" if is_sms_service(sender) else "from_": sender},
    )
    counted = str(made.num_segments or "")  # a messaging service counts later, and says 0
    is_count = counted.isdecimal() and len(counted) <= _DIGITS
    parts = (int(counted) if is_count else 0) or segments(text)
    cost = find_price(Channel.SMS, message.address) * parts
    return Acceptance(_SMS, made.sid or "", cost, awaits_receipt=True, segments=parts)


def _create_call(client: Any, message: OutgoingMessage) -> Acceptance:
    """Call one number, and have it said whether a machine answered. A machine hears the words, too.

    The words travel with the call: they were true when it was made.
    """
    response, language = Element("Response"), message.content.language
    # https://www.twilio.com/docs/voice/twiml/say
    said = SubElement(response, "Say", _VOICES[language] | {"loop": "2"})
    said.text = " ".join(message.filled.text.split())[:_LONGEST_WORDS]
    SubElement(response, "Hangup")
    made = client.calls.create(
        to=message.address,
        from_=settings().require("twilio_voice_number"),
        twiml=tostring(response, encoding="unicode"),
        status_callback=callback_of(CALL_WEBHOOK, message.ids),
        status_callback_method="POST",
        timeout=call_ring_seconds(),
        time_limit=_CALL_LONGEST_SECONDS,
        machine_detection="Enable",
        machine_detection_silence_timeout=_SILENCE_MILLISECONDS,
    )
    cost, within = find_price(Channel.VOICE, message.address), _call_report_seconds()
    return Acceptance(_CALLS, made.sid or "", cost, awaits_receipt=True, receipt_within=within)


def _read_sms(form: Mapping[str, str]) -> tuple[ReceiptKind | None, str | None]:
    """Return the new state of an SMS and its error code; STOPPED without a code if a person answered STOP."""
    state, code = form.get("MessageStatus"), form.get("ErrorCode", "")
    if state is None:  # a person's answer; Twilio says OptOutType if it manages opt-outs
        stops = form.get("OptOutType") == "STOP" or _asks_to_stop(form.get("Body", ""))
        return ReceiptKind.STOPPED if stops else None, None
    shown = code[:LONGEST_CODE] if code.isdecimal() else None
    if state in _NOT_DELIVERED:
        _, contact_state = SMS.permanent.get(int(shown or 0), ("", None))
        return _KINDS.get(contact_state, ReceiptKind.REFUSED), shown
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


class _Service(NamedTuple):
    """What differs between SMS and calls: https://www.twilio.com/docs/api/errors."""

    provider: str
    sender: str  # the setting with our number
    sender_codes: frozenset[int]  # errors of that number
    # By error code: the reason, and the state that it gives the contact.
    permanent: Mapping[int, tuple[str, ContactState | None]]
    create: Callable[[Any, OutgoingMessage], Acceptance]  # hands a message to Twilio's client
    webhook: str
    sids: Sequence[str]  # fields of its forms with Twilio's id of the message
    read: Callable[[Mapping[str, str]], tuple[ReceiptKind | None, str | None]]  # kind and code of a form


SMS = _Service(
    _SMS,
    "TWILIO_PHONE_NUMBER",
    # No such number, not ours, takes no SMS, a messaging service without numbers.
    frozenset({21212, 21601, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704, 21705}),
    {
        21211: ("no such number", ContactState.BOUNCED),
        21214: ("number cannot be reached", ContactState.BOUNCED),
        21217: ("no such number", ContactState.BOUNCED),
        21265: ("a short code is no number of a person", ContactState.BOUNCED),
        21408: ("no permission for that country: enable it at Twilio", None),
        21421: ("no such number", ContactState.BOUNCED),
        21610: ("the person answered STOP", ContactState.UNSUBSCRIBED),
        21612: ("no route from TWILIO_PHONE_NUMBER to that number: check what it may send to", None),
        21614: ("no mobile number", ContactState.BOUNCED),
        21617: ("text too long", None),
        30005: ("no such handset", ContactState.BOUNCED),
        30006: ("no mobile number", ContactState.BOUNCED),
    },
    _create_sms,
    SMS_WEBHOOK,
    ("MessageSid", "SmsSid"),
    _read_sms,
)
CALLS = _Service(
    _CALLS,
    "TWILIO_VOICE_NUMBER",
    frozenset({21210, 21212, 21213, 21606}),  # no number, not ours, not verified
    {
        13224: ("no such number", None),
        21211: ("no such number", ContactState.BOUNCED),
        21214: ("number cannot be reached", None),
        21215: ("no permission to call that country: enable it at Twilio", None),
        21216: ("Twilio does not call that number", None),
        21217: ("no such number", ContactState.BOUNCED),
    },
    _create_call,
    CALL_WEBHOOK,
    ("CallSid",),
    _read_call,
)


class Twilio(Provider):
    """One message a call: an SMS, or a phone call."""

    def __init__(self, service: _Service) -> None:
        from twilio.rest.api.v2010 import account  # noqa: F401, PLC0415 -- else loaded at the first message

        self.service = service

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        """Hand one message to Twilio."""
        (message,), now, provider = messages, settings(), self.service.provider
        account, token = now.require("twilio_account_sid"), now.require("twilio_auth_token")
        client = _client(provider, account, token, now.address_of(provider))
        _inbox_headers.set(message.inbox_headers)
        try:
            return [self.service.create(client, message)]
        except (TwilioRestException, TwilioServiceException) as error:
            raise _delivery_error(error, self.service) from error


def _delivery_error(error: TwilioRestException | TwilioServiceException, service: _Service) -> DeliveryError:
    provider = service.provider
    code = error.code
    if code in service.permanent:
        reason, state = service.permanent[code]
        return PermanentError(f"{provider} {code}: {reason}", state)
    if code in _TOO_MANY:
        return RateLimited(f"{provider} {code}")
    if code in service.sender_codes:
        return Misconfigured(f"{provider} {code}: check {service.sender}")
    if error.status in _OURS:
        return Misconfigured(
            f"{provider} answered {error.status}: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
        )
    return PermanentError(f"{provider} answered {error.status}, code {code}")


def is_genuine(service: _Service, headers: Mapping[str, str], body: bytes, query: str) -> bool:
    """Return whether address (API_URL and path) and form are signed with our token, and the account is ours.

    Names of headers are in lower case.
    """
    try:
        token, form = settings().require("twilio_auth_token"), _read_form(body)
    except (SettingMissing, ValueError):
        return False
    given, address = headers.get(_SIGNATURE, "").encode(), webhook_address(service.webhook, query)
    sign = RequestValidator(token).compute_signature
    # Twilio does not document whether the signature covers the part after #.
    signed = (str(sign(each, form)).encode() for each in (address, address + RETRIES))
    is_ours = any(hmac.compare_digest(each, given) for each in signed)
    return is_ours and form.get("AccountSid", "") == settings().twilio_account_sid


def read_receipts(service: _Service, body: bytes, query: str, now: datetime) -> Sequence[Receipt]:
    """Return the receipt in a form about one message, or none. Twilio names no time, so that of its arrival counts.

    Raises:
        ValueError: it does not have the documented shape.
    """
    form = {name: value.replace("\0", "") for name, value in _read_form(body).items()}
    sid = next((form[each] for each in service.sids if form.get(each)), "")
    if not 1 <= len(sid) <= LONGEST_EVENT_ID // 2:
        raise ValueError(f"no {service.sids[0]}")
    kind, code = service.read(form)
    if kind is None:
        return []
    if kind is ReceiptKind.STOPPED and code is None:  # the person wrote it
        return [Receipt(f"{sid}:stop", kind, now, form.get("From", ""))]
    ids = parse_ids(dict(parse_qsl(query)).get(IDS, ""))
    return [Receipt(f"{sid}:{kind.value}", kind, now, form.get("To", ""), sid, ids, code)]


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
    """Return the fields of a webhook's call; ValueError where there are too many of them."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=200))
