"""Settings of the names that the law wants: the seller, the publisher, the host and the mediator.

LCEN art. 1-1 (legal notice), R.221-2 (contract) and R.616-1 (mediator) of the Code de la consommation: docs/legal.md.
"""

import re
from decimal import Decimal
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator, Field, StringConstraints
from pydantic_settings import BaseSettings

from configs.ground.contact_addresses import REGION
from configs.settings.value_types import checked, like

LONGEST = 200  # characters of a name or an address
_LONGEST_LINE = 500
_SIREN = like(r"\d{3} ?\d{3} ?\d{3}", "no SIREN: nine digits, as 123 456 789")
_VAT = like(
    "[A-Z]{2}[A-Z0-9]{2} ?[0-9 ]{6,13}",
    "no VAT number, as FR12 123456789; leave it empty where no VAT is charged",
)
_SAMPLE = re.compile(r"\bex[ae]mple\b", re.IGNORECASE)
# Phone numbers that Arcep keeps for fiction, and a SIREN of zeros; without spaces, dots and dashes.
_INVENTED = re.compile(r"(?<!\d)(?:(?:\+33|0)(?:19900|26191|35301|46571|53649|63998)\d{4}|0{9})(?!\d)")
_PAID = {phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST}


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a line break or another control character: write it in one line")
    return text


def _phone(text: str) -> str:
    """Check a phone number, which stays as it is written; L.224-25-8 forbids premium-rate ones."""
    try:
        number = phonenumbers.parse(text, REGION)
    except phonenumbers.NumberParseException:
        raise ValueError("no phone number: write it as 01 23 45 67 89 or +33123456789") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no phone number that can exist: check its digits")
    if phonenumbers.number_type(number) in _PAID:
        raise ValueError("a premium-rate number, which the law forbids here: name an ordinary one")
    return text


def split_mediator(text: str) -> tuple[str, str, str]:
    """Read `name, postal address, https://site`: how R.616-1 wants the consumer mediator named.

    Raises:
        ValueError: one of the three is missing.
    """
    name, _, rest = (each.strip() for each in text.partition(","))
    address, _, site = (each.strip() for each in rest.rpartition(","))
    if not (name and address and re.fullmatch(r"https?://\S+", site)):
        raise ValueError("must be: name, postal address, https://site")
    return name, address, site


def _company(text: str) -> str:
    """Check `name, postal address, phone`."""
    if len(text.split(",")) < 3:  # noqa: PLR2004 -- name, address, phone
        raise ValueError("must be: name, postal address, phone")
    try:
        _phone(text.rpartition(",")[2].strip())
    except ValueError as error:
        raise ValueError(f"must end with the phone number: {error}") from None
    return text


def is_sample(text: str) -> bool:
    """Return whether a name is a sample, as those of a local stack: an example, or a number of fiction."""
    return bool(_SAMPLE.search(text) or _INVENTED.search(re.sub(r"[ .-]", "", text)))


OneLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST),
    AfterValidator(_one_line),
]
_LongLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=_LONGEST_LINE),
    AfterValidator(_one_line),
]


class LegalNames(BaseSettings):
    """The names, each in one line; `configs.world.sales_terms` hands them to terms, notice, mails and invoices."""

    seller_name: OneLine | None = None
    seller_address: OneLine | None = None
    seller_phone: Annotated[OneLine, AfterValidator(_phone)] | None = None
    seller_siren: Annotated[OneLine, _SIREN] | None = None
    seller_vat: Annotated[OneLine, _VAT] | None = None
    seller_vat_percent: Decimal = Field(Decimal(20), ge=0, le=100)
    seller_registration: OneLine | None = None
    publisher: OneLine | None = None
    host_company: Annotated[_LongLine, AfterValidator(_company)] | None = None
    mediator: Annotated[_LongLine, checked(split_mediator)] | None = None
