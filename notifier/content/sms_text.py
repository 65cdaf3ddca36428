"""The text of an SMS: in GSM-7 where its language can be written so, in as few segments as its words allow.

A segment has 160 characters of GSM 03.38's alphabet; a text with any other character is sent as UCS-2, 70 to a segment.
"""

# ruff: noqa: RUF001 -- characters that look alike are in the table below

import math
import unicodedata

from configs.ground.text import OTHER_SCRIPTS
from notifier.content.message_kind_base import RenderedMessage

LONGEST = 1600  # characters: https://www.twilio.com/docs/api/errors/21617
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
_MARKS = dict.fromkeys((0x2068, 0x2069), "")
_ONE, _MANY = 160, 153  # the header of a long message takes seven
_ONE_UCS2, _MANY_UCS2 = 70, 67


def fit_text(message: RenderedMessage) -> str:
    """Return the text in GSM-7 if its language has Latin letters, the brief one where that takes fewer segments.

    What Twilio would refuse as too long ends after a whole word, so that no link is cut in two.
    """
    text, brief = message.text, message.brief
    if message.language in OTHER_SCRIPTS:
        # GSM-7 would leave nothing: plain spaces, hyphens and quotes, without the marks that old phones draw
        text, brief = (each.translate(_SAID_OTHERWISE | _MARKS) for each in (text, brief))
    else:
        text, brief = to_gsm(text), to_gsm(brief)
    chosen = brief if brief and segments(brief) < segments(text) else text
    if len(chosen) <= LONGEST:
        return chosen
    whole_words = chosen[: LONGEST + 1].rpartition(" ")[0]
    return whole_words or chosen[:LONGEST]


def to_gsm(text: str) -> str:
    """Return the text in the GSM-7 alphabet: `ê` becomes `e`, `’` becomes `'`, what has no likeness goes."""
    return "".join(_nearest(character) for character in text.translate(_SAID_OTHERWISE))


def _nearest(character: str) -> str:
    if character in _BASIC or character in _EXTENDED:
        return character
    plain = unicodedata.normalize("NFKD", character)
    return "".join(each for each in plain if each in _BASIC or each in _EXTENDED)


def length(text: str) -> int:
    """Return how many places a text takes; in GSM-7 characters of the extension take two, in UCS-2 those beyond it."""
    if _is_gsm(text):
        return len(text) + sum(character in _EXTENDED for character in text)
    return len(text.encode("utf-16-be")) // 2


def segments(text: str) -> int:
    """Return how many segments are paid for."""
    places, (one, many) = length(text), (_ONE, _MANY) if _is_gsm(text) else (_ONE_UCS2, _MANY_UCS2)
    return 1 if places <= one else math.ceil(places / many)


def _is_gsm(text: str) -> bool:
    return _BASIC.union(_EXTENDED).issuperset(text)
