"""Numbers of firms: SIREN and VAT numbers, checked by their form and key."""

import re

_SIREN = re.compile(r"[0-9]{9}")
# Other States of the EU: by their form alone (https://ec.europa.eu/taxation_customs/vies/).
_VAT = re.compile(r"(?!FR)[A-Z]{2}[0-9A-Z+*]{8,12}|FR[0-9]{11}")
_DIGITS = 10


def siren_number(text: str) -> str:
    """Return a SIREN without blanks; its last figure makes the sum of Luhn's rule end in 0.

    Raises:
        ValueError: no firm has it.
    """
    number = re.sub(r"\s", "", text)
    doubled = (int(each) * (1 + place % 2) for place, each in enumerate(reversed(number)) if each.isdecimal())
    if not _SIREN.fullmatch(number) or sum(each // _DIGITS + each % _DIGITS for each in doubled) % _DIGITS:
        raise ValueError("a SIREN has nine figures, of which the last is a key")
    return number


def vat_number(text: str) -> str:
    """Return a VAT number of the EU without blanks. A French one is FR, a key, and the SIREN: BOI-TVA-DECLA-20-10-10.

    Raises:
        ValueError: its form or its key is wrong.
    """
    number = re.sub(r"[\s.-]", "", text).upper()
    if not _VAT.fullmatch(number):
        raise ValueError("a VAT number is a country and up to twelve letters and figures: FR 40 303 265 045")
    if number.startswith("FR"):
        siren = siren_number(number[4:])
        if int(number[2:4]) != (12 + 3 * (int(siren) % 97)) % 97:
            raise ValueError("the key behind FR does not fit the SIREN")
    return number
