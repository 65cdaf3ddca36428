"""SMS by Twilio.

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from api.models.user import ContactState
from configs.contact_addresses import is_sms_service
from configs.settings import settings
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.content.sms_text import fit_text, segments
from notifier.delivery.provider_http import Transport, travelling
from notifier.provider_base import OneCallProvider
from notifier.sms_budget import price_sms
from notifier.twilio_api import open_client, sorted_errors
from notifier.twilio_webhooks import MESSAGES, callback_of

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
# Of the sender: no such number, not ours, takes no SMS, a messaging service without numbers.
_SENDER = frozenset({21212, 21601, 21603, 21606, 21659, 21660, 21661, 21701, 21703, 21704, 21705})
_DIGITS = 2  # of a number of segments: a text of 1,600 characters has 24 at most

_sorted = partial(sorted_errors, PROVIDER, _PERMANENT, _SENDER, "TWILIO_PHONE_NUMBER")


def _api() -> tuple[Any, Transport]:
    return open_client(PROVIDER, settings().address_of("twilio"))


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
        with _sorted():
            made = client.messages.create(
                to=message.address, body=text, status_callback=callback_of(MESSAGES, message.ids), **_sender()
            )
        parts = _segments(made) or segments(text)
        cost = price_sms(message.address, parts)
        return Acceptance(PROVIDER, made.sid or "", cost, awaits_receipt=True, segments=parts)


def _sender() -> dict[str, str]:
    """Return who a message is from, by the name of Twilio's parameter."""
    sender = settings().require("twilio_phone_number")
    return {"messaging_service_sid" if is_sms_service(sender) else "from_": sender}


def _segments(made: Any) -> int:
    """Return how many segments Twilio counted; a messaging service counts them later, and says 0."""
    counted = str(made.num_segments or "")
    return int(counted) if counted.isdecimal() and len(counted) <= _DIGITS else 0
