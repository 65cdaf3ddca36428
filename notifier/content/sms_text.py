"""The text of an SMS: in GSM-7, in as few segments as its words allow.

A segment has 160 characters of GSM 03.38's alphabet; a text with any other character has 70 to a segment.
"""

# ruff: noqa: RUF001 -- characters that look alike are in the table below

import math
import unicodedata

from notifier.channel_base import RenderedMessage

LONGEST = 1600  # characters: https://www.twilio.com/docs/api/errors/21617


def fit_text(message: RenderedMessage) -> str:
    """Return the text in GSM-7, the brief one when the long one takes more than one segment.

    What Twilio would refuse as too long ends after a whole word, so that no link is cut in two.
    """
    text, brief = to_gsm(message.text), to_gsm(message.brief)
    chosen = brief if brief and segments(text) > 1 else text
    if len(chosen) <= LONGEST:
        return chosen
    whole_words = chosen[: LONGEST + 1].rpartition(" ")[0]
    return whole_words or chosen[:LONGEST]


# GSM 03.38, default alphabet and its extension: https://www.unicode.org/Public/MAPPINGS/ETSI/GSM0338.TXT
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
_SAID_OTHERWISE = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„«»″", '"'),
        **dict.fromkeys("‐‑‒–—−", "-"),
        **dict.fromkeys("\u00a0\u202f\u2009\t", " "),
        "…": "...",
        "œ": "oe",
        "Œ": "OE",
        "·": ".",
        "•": "-",
    }
)
_ONE, _MANY = 160, 153  # the header of a long message takes seven


def to_gsm(text: str) -> str:
    """Return the text in the GSM-7 alphabet: `ê` becomes `e`, `’` becomes `'`, what has no likeness goes."""
    return "".join(_nearest(character) for character in text.translate(_SAID_OTHERWISE))


def _nearest(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    plain = unicodedata.normalize("NFKD", character)
    return "".join(each for each in plain if each in _BASIC or each in _EXTENDED)


def length(text: str) -> int:
    """Return how many places a GSM-7 text takes; characters of the extension take two."""
    return len(text) + sum(character in _EXTENDED for character in text)


def segments(text: str) -> int:
    """Return how many segments are paid for."""
    places = length(text)
    return 1 if places <= _ONE else math.ceil(places / _MANY)
