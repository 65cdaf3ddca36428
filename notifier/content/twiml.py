"""TwiML: what Twilio says in a call, and the keys that it waits for.

https://www.twilio.com/docs/voice/twiml/gather
https://www.twilio.com/docs/voice/twiml/say
"""

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

_KEY_SECONDS = "8"  # of silence after the last word, in which a key is waited for
# The voice is Twilio's default of the language; of Arabic it has none but this one.
_VOICES: Mapping[str, dict[str, str]] = {
    "fr": {"language": "fr-FR"},
    "en": {"language": "en-GB"},
    "es": {"language": "es-ES"},
    "pt": {"language": "pt-PT"},
    "ar": {"language": "arb", "voice": "Polly.Zeina"},
}


def write_menu(language: str, texts: Sequence[str], farewell: str, action: str) -> str:
    """Return the document that says texts, brings the key that is pressed to an address, and else ends the call."""
    response = Element("Response")
    keys = SubElement(
        response,
        "Gather",
        {
            "input": "dtmf", "numDigits": "1", "finishOnKey": "", "timeout": _KEY_SECONDS, "action": action,
            "method": "POST",
        },
    )  # fmt: skip
    for text in texts:
        _say(keys, language, text)
        SubElement(keys, "Pause", {"length": "1"})
    _say(response, language, farewell)
    return _end(response)


def write_farewell(language: str, text: str = "") -> str:
    """Return the document that says a text, if there is one, and ends the call."""
    response = Element("Response")
    if text:
        _say(response, language, text)
    return _end(response)


def _end(response: Element) -> str:
    SubElement(response, "Hangup")
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(response, encoding="unicode")


def _say(parent: Element, language: str, text: str) -> None:
    said = SubElement(parent, "Say", _VOICES[language])
    said.text = " ".join(text.split())
