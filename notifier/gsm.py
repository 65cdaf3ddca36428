"""The alphabet of SMS: what fits it stays 160 characters to a segment, anything else would leave 70."""

# ruff: noqa: RUF001, RUF002 -- characters that look alike are what this file is about

import math
import unicodedata

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
    """Return how many messages are paid for."""
    places = length(text)
    return 1 if places <= _ONE else math.ceil(places / _MANY)
