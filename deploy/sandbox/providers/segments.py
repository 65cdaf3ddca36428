"""Counts the segments of an SMS as the networks do: GSM 03.38 where the text allows, UCS-2 otherwise."""

from __future__ import annotations

from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")  # two septets each
_GSM: Final = (160, 153)  # characters of a single segment, of each part of several
_UCS2: Final = (70, 67)


def segments(text: str) -> int:
    """Return how many segments a text takes; at least one."""
    if all(character in _BASIC or character in _EXTENDED for character in text):
        length, (single, part) = sum(1 + (character in _EXTENDED) for character in text), _GSM
    else:
        length, (single, part) = len(text.encode("utf-16-be")) // 2, _UCS2
    return 1 if length <= single else -(-length // part)
