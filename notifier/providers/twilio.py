"""SMS by Twilio.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from api.models.user import ContactState
from configs.contact_addresses import is_sms_service
from configs.settings import settings
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.content.sms_text import fit_text, segments
from notifier.delivery.provider_http import Transport, travelling
from notifier.errors import DeliveryError, Misconfigured, PermanentError, RateLimited, TemporaryError
from notifier.provider_base import OneCallProvider
from notifier.receipts.twilio import callback_of
from notifier.sms_budget import price_sms

PROVIDER = "twilio"

# Error code → reason, and the state that it gives the contact: https://www.twilio.com/docs/api/errors
_PERMANENT: dict[int, tuple[str, ContactState | None]] = {
    21211: ("no such number", ContactState.BOUNCED),
    21214: ("number cannot be reached", ContactState.BOUNCED),
    21217: ("no such number", ContactState.BOUNCED),
    21265: ("a short code is no number of a person", ContactState.BOUNCED),
    21408: ("no permission for that country: enable it at Twilio", None),
    21421: ("no such number", ContactState.BOUNCED),
    21610: ("the person answered STOP", ContactState.UNSUBSCRIBED),
    21612: ("no route to that number", ContactState.BOUNCED),
    21614: ("no mobile number", ContactState.BOUNCED),
    21617: ("text too long", None),
}
# Full queue, rate: nothing is wrong with the message.
_TOO_MANY = {20429, 21611, 14107}
# Of the sender: no such number, not ours, takes no SMS, a messaging service without numbers.
_SENDER = {21212, 21601, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704, 21705}
# Of Twilio's own codes; its client gives the HTTP status where the answer has none.
_LEAST_CODE, _HIGHEST_CODE = 1_000, 999_999
_PRICE = re.compile(r"-?\d{1,3}(\.\d{1,8})?", re.ASCII)
_DIGITS = 2  # of a number of segments: a text of 1,600 characters has 24 at most
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}

_quiet = logging.getLogger(f"{__name__}.twilio")
_quiet.disabled = True  # Twilio's client logs each request at INFO


@lru_cache(maxsize=2)
def _client(account: str, token: str, base_url: str) -> tuple[Client, Transport]:
    transport = Transport(PROVIDER)
    http = TwilioHttpClient(logger=_quiet)
    http.session = transport
    client = Client(account, token, http_client=http)
    client.api.base_url = (
        base_url  # there is no option for it: https://github.com/twilio/twilio-python/issues/521
    )
    return client, transport


def _api() -> tuple[Client, Transport]:
    now = settings()
    account, token = now.require("twilio_account_sid"), now.require("twilio_auth_token")
    return _client(account, token, str(now.twilio_base_url).rstrip("/"))


class Twilio(OneCallProvider):
    """One SMS a call, in the words that fit one segment where the kind has such."""

    def warm_up(self) -> None:
        """Build the client; Twilio imports its parts when they are first asked for."""
        _ = _api()[0].messages

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        """Hand one SMS to Twilio."""
        (message,) = messages
        client, transport = _api()
        travelling(transport, message)
        text = fit_text(message.filled)
        try:
            made = client.messages.create(
                to=message.address, body=text, status_callback=callback_of(message.ids), **_sender()
            )
        except (TwilioRestException, TwilioServiceException) as error:
            raise _delivery_error(error) from error
        parts, cost = _segments(made) or segments(text), _cost(made)
        return Acceptance(
            PROVIDER,
            made.sid or "",
            price_sms(message.address, parts) if cost is None else cost,
            awaits_receipt=True,
            segments=parts,
            awaits_price=cost is None,
        )


@dataclass(frozen=True, slots=True)
class SmsPrice:
    """What Twilio says later that a message cost; `cost` is null where it says nothing in EUR."""

    cost: Decimal | None
    segments: int  # 0 where it says none
    is_final: bool


def fetch_price(sid: str) -> SmsPrice:
    """Ask what a message cost; one that Twilio deleted has no price any more.

    Raises:
        notifier.errors.DeliveryError: Twilio does not say now.
    """
    try:
        made = _api()[0].messages(sid).fetch()
    except (TwilioRestException, TwilioServiceException) as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return SmsPrice(None, 0, is_final=True)
        raise _delivery_error(error) from error
    return SmsPrice(_cost(made), _segments(made), is_final=bool(made.price))


def _sender() -> dict[str, str]:
    """Return who a message is from, by the name of Twilio's parameter."""
    sender = settings().require("twilio_phone_number")
    return {"messaging_service_sid" if is_sms_service(sender) else "from_": sender}


def _segments(made: Any) -> int:
    """Return how many segments Twilio counted; a messaging service counts them later, and says 0."""
    counted = str(made.num_segments or "")
    return int(counted) if counted.isdecimal() and len(counted) <= _DIGITS else 0


def _cost(made: Any) -> Decimal | None:
    # Twilio bills in the account's currency; the price is negative, and often not known yet.
    if made.price_unit != "EUR" or not _PRICE.fullmatch(str(made.price)):
        return None
    return abs(Decimal(made.price))


def _delivery_error(error: TwilioRestException | TwilioServiceException) -> DeliveryError:
    code = error.code if isinstance(error.code, int) and error.code <= _HIGHEST_CODE else 0
    if code in _PERMANENT:
        reason, state = _PERMANENT[code]
        return PermanentError(f"{PROVIDER} {code}: {reason}", state)
    if code in _TOO_MANY:
        return RateLimited(f"{PROVIDER} {code}")
    if code in _SENDER:
        return Misconfigured(f"{PROVIDER} {code}: check TWILIO_PHONE_NUMBER")
    if error.status in _OURS:
        return Misconfigured(
            f"{PROVIDER} answered {error.status}: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
        )
    if code < _LEAST_CODE:  # a proxy's or a firewall's answer speaks of no message
        return TemporaryError(f"{PROVIDER} answered {error.status}, in no words of its own")
    return PermanentError(f"{PROVIDER} answered {error.status}, code {code}")
