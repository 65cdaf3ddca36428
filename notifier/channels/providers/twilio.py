"""SMS and calls by Twilio: its client over our transport, and what its refusals mean.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from requests import PreparedRequest, Response
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.rest.api.v2010 import account as _account  # noqa: F401 -- else loaded at the first message

from api.models.user import Channel, ContactState
from configs.ground.addresses import is_sms_service
from configs.settings import Constant, settings
from notifier.channels.provider_base import (
    Acceptance,
    Answer,
    DeliveryError,
    Misconfigured,
    PermanentError,
    Provider,
    RateLimited,
    Transport,
    call_ring_seconds,
    find_price,
    read_json,
)
from notifier.content.message_kind_base import CALL_WEBHOOK, SMS_WEBHOOK, OutgoingMessage, callback_of
from notifier.content.sms_text import fit_text, segments

# The longest call
_CALL_LONGEST_SECONDS = 120
# Time after which a call that nothing was reported of counts as lost: longer than it rings and lasts
_call_report_seconds = Constant("CALL_REPORT_SECONDS", 240.0)
# How long silence lasts after which Twilio takes the answer for a person's; it may be 2 to 10 s. Until then a person
# hears nothing.
_SILENCE_MILLISECONDS = 2500
_LONGEST_WORDS = 700  # characters: a document that travels with a call has 4,000 at most, and `&` counts five
# The voice is Twilio's default of the language; of Arabic it has none but this one.
_VOICES: Mapping[str, dict[str, str]] = {
    "fr": {"language": "fr-FR"},
    "en": {"language": "en-GB"},
    "es": {"language": "es-ES"},
    "pt": {"language": "pt-PT"},
    "ar": {"language": "arb", "voice": "Polly.Zeina"},
}
_DIGITS = 2  # of a number of segments: a text of 1,600 characters has 24 at most

# Full queue, rate: nothing is wrong with the message.
_TOO_MANY = {20429, 21611, 14107}
# Of Twilio's own codes
_LEAST_CODE, _HIGHEST_CODE = 1_000, 999_999
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}
_SMS, _CALLS = "twilio", "twilio_calls"
_CHANNELS = {_SMS: Channel.SMS, _CALLS: Channel.VOICE}

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
    http = TwilioHttpClient(logger=_quiet)
    http.session = _TwilioTransport(provider, _CHANNELS[provider], is_own=_is_own)
    client = Client(account, token, http_client=http)
    # There is no option for it: https://github.com/twilio/twilio-python/issues/521
    client.api.base_url = base_url
    return client


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


class _Service(NamedTuple):
    """What differs between SMS and calls: https://www.twilio.com/docs/api/errors."""

    provider: str
    sender: str  # the setting with our number
    sender_codes: frozenset[int]  # errors of that number
    # By error code: the reason, and the state that it gives the contact.
    permanent: Mapping[int, tuple[str, ContactState | None]]
    create: Callable[[Any, OutgoingMessage], Acceptance]  # hands a message to Twilio's client


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
    },
    _create_sms,
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
)


class Twilio(Provider):
    """One message a call: an SMS, or a phone call."""

    def __init__(self, service: _Service) -> None:
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
