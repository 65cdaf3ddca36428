"""Calls by Twilio.

https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from api.models.user import ContactState
from configs.call_prices import price_call
from configs.constants import Constant
from configs.settings import settings
from notifier.channel_base import Acceptance, OutgoingMessage
from notifier.delivery.provider_http import Transport, travelling
from notifier.delivery.retry_policy import CALL_RING_SECONDS
from notifier.provider_base import OneCallProvider
from notifier.twilio_api import open_client, sorted_errors
from notifier.twilio_webhooks import CALLS, callback_of

# The longest call
_CALL_LONGEST_SECONDS = 120
# Time after which a call that nothing was reported of counts as lost: longer than it rings and lasts
_CALL_REPORT_SECONDS = Constant("CALL_REPORT_SECONDS", 240.0)

PROVIDER = "twilio_calls"

# Error code → reason, and the state that it gives the contact: https://www.twilio.com/docs/api/errors
_PERMANENT: dict[int, tuple[str, ContactState | None]] = {
    13224: ("no such number", None),
    21211: ("no such number", ContactState.BOUNCED),
    21214: ("number cannot be reached", None),
    21215: ("no permission to call that country: enable it at Twilio", None),
    21216: ("Twilio does not call that number", None),
    21217: ("no such number", ContactState.BOUNCED),
}
# Of the sender: no number, not ours, not verified.
_SENDER = frozenset({21210, 21212, 21213, 21606})
# How long silence lasts after which Twilio takes the answer for a person's; it may be 2 to 10 s. Until then a person
# hears nothing.
_SILENCE_MILLISECONDS = 2500


# The voice is Twilio's default of the language; of Arabic it has none but this one.
_VOICES: Mapping[str, dict[str, str]] = {
    "fr": {"language": "fr-FR"},
    "en": {"language": "en-GB"},
    "es": {"language": "es-ES"},
    "pt": {"language": "pt-PT"},
    "ar": {"language": "arb", "voice": "Polly.Zeina"},
}
_LONGEST_WORDS = 700  # characters: a document that travels with a call has 4,000 at most, and `&` counts five


def write_twiml(text: str, language: str) -> str:
    """Return the document that says a text twice and ends the call: https://www.twilio.com/docs/voice/twiml/say."""
    response = Element("Response")
    said = SubElement(response, "Say", _VOICES[language] | {"loop": "2"})
    said.text = " ".join(text.split())[:_LONGEST_WORDS]
    SubElement(response, "Hangup")
    return tostring(response, encoding="unicode")


def _api() -> tuple[Any, Transport]:
    return open_client(PROVIDER, settings().address_of("twilio_calls"))


class TwilioCalls(OneCallProvider):
    """One call. Its words travel with it: they were true when it was made."""

    def warm_up(self) -> None:
        """Build the client; Twilio imports its parts when they are first asked for."""
        _ = _api()[0].calls

    def send(self, messages: Sequence[OutgoingMessage]) -> Acceptance:
        """Have Twilio call one number, and say whether a machine answered. A machine hears the words, too."""
        (message,) = messages
        client, transport = _api()
        travelling(transport, message)
        with sorted_errors(PROVIDER, _PERMANENT, _SENDER, "TWILIO_VOICE_NUMBER"):
            made = client.calls.create(
                to=message.address,
                from_=settings().require("twilio_voice_number"),
                twiml=write_twiml(message.filled.text, message.content.language),
                status_callback=callback_of(CALLS, message.ids),
                status_callback_method="POST",
                timeout=CALL_RING_SECONDS(),
                time_limit=_CALL_LONGEST_SECONDS,
                machine_detection="Enable",
                machine_detection_silence_timeout=_SILENCE_MILLISECONDS,
            )
        return Acceptance(
            PROVIDER,
            made.sid or "",
            price_call(message.address),
            awaits_receipt=True,
            receipt_within=_CALL_REPORT_SECONDS(),
        )
