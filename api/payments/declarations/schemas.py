"""Bodies of declarations: by the account, and by the form without a login.

Names and order numbers are cleaned: a mail repeats them to an address that a stranger may name.
"""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field

from api.accounts.schemas import Email
from api.ground.schemas import Answer, Body, name_rule
from api.models.declaration import Declaration
from api.payments.billing.schemas import Cancellation
from api.payments.declarations.cancellation_dates import list_days
from configs.ground.clock import clock
from configs.ground.text import clean_typed, unify_signs

LONGEST_NAME = 100  # characters
LONGEST_REFERENCE = 64
LONGEST_LINE = 200  # in which a number stands
_PUNCTUATION = "'’-.,·"
_JOINERS = "\u200c\u200d"  # Persian and Indian scripts need them within a word
_HALF = "[2-9A-HJ-NP-Z]{5}"
# The number of an order mail: `23456-789AB` before `23456789AB` before `23456 789AB`, the last one of a line.
_NUMBERS = [
    re.compile(rf"(?<![0-9A-Z])(?=({_HALF}){between}({_HALF})(?![0-9A-Z]))", re.IGNORECASE)
    for between in (" ?[-./_] ?", "", " ")
]
# A label without a blank behind it would be read as letters of the number; NFKC makes such of `№` and `nº`.
_LABEL_SIGNS = str.maketrans({"№": "n° ", "º": "° "})
_GLUED_LABEL = re.compile(
    rf"\b(?:no|nr|r[ée]f|commande|order)(?={_HALF}[-./_ ]?{_HALF}(?![0-9A-Z]))", re.IGNORECASE
)
# What stands before a number: `N° `, `no. `, `Commande n° `.
_BEFORE_NUMBER = re.compile(
    r"^\W*(?:(?:commande|order|num[ée]ro|n\s*[°º]|no\.|nr\.|#)\s*:?\s*)+", re.IGNORECASE
)


def clean_name(text: str) -> str:
    """Return a name without controls, directions of writing, signs and figures; what would read as a link is none.

    Its words stay apart.

    Raises:
        ValueError: nothing is left.
    """
    kept = "".join(_keep(each) for each in unify_signs(unicodedata.normalize("NFC", text)))
    spaced = re.sub(r"\.(?=[^\s.,’'-])", ". ", kept)
    if not any(each.isalpha() for each in spaced):
        raise ValueError("holds no name")
    return " ".join(spaced.split())[:LONGEST_NAME].strip()


def drop_empty_name(text: str) -> str | None:
    """Return a name as `clean_name` does, None where nothing is left."""
    try:
        return clean_name(text)
    except ValueError:
        return None


def clean_reference(text: str) -> str:
    """Return the number of an order that a line holds, otherwise its letters and figures without what is before them.

    Raises:
        ValueError: nothing is left.
    """
    found = find_number(text)
    kept = re.sub(r"[^0-9A-Za-z-]", "", _BEFORE_NUMBER.sub("", found)).strip("-")[:LONGEST_REFERENCE]
    if not kept:
        raise ValueError("holds no number of an order")
    return kept


def find_number(text: str) -> str:
    """Return the number of an order that a line holds, otherwise the line, cleaned."""
    typed = _GLUED_LABEL.sub(" ", clean_typed(text.translate(_LABEL_SIGNS)))
    for number in _NUMBERS:
        if halves := number.findall(typed):
            return "".join(halves[-1]).upper()
    return typed


def _keep(character: str) -> str:
    if character == "`":
        return "'"
    kind = unicodedata.category(character)
    if kind[0] in "LM" or character in _PUNCTUATION + _JOINERS:
        return character
    return "" if kind == "Cf" else " "


PERIOD_END = "periodEnd"


def _check_wished(text: str) -> str:
    if text == PERIOD_END:
        return text
    days = list_days(clock())
    if _read_wished(text).on not in days:
        raise ValueError(f"choose a day from {days[0]} to {days[-1]}, or {PERIOD_END}")
    return text


def _check_written(text: str) -> str:
    _read_wished(text)
    return text


def _read_wished(text: str) -> Cancellation:
    return Cancellation.model_validate({PERIOD_END: True} if text == PERIOD_END else {"on": text})


Name = Annotated[str, Field(max_length=LONGEST_NAME), name_rule("name", clean_name)]
OptionalName = Annotated[
    str, Field(max_length=LONGEST_NAME, examples=["Camille Martin"]), AfterValidator(drop_empty_name)
]
Wished = Annotated[str, name_rule("out_of_range", _check_wished)]
OrderNumber = Annotated[str, Field(max_length=LONGEST_LINE), name_rule("reference", clean_reference)]


class Withdrawal(Body):
    """The order that is withdrawn from. `name`: as the acknowledgement shall show it."""

    payment_id: UUID
    name: OptionalName | None = None


class WithdrawalAnswer(Answer):
    """A withdrawal as it was received. `appliedAt` and `refund` (cents) are null until it has effect, moments later."""

    declaration_id: UUID
    order_number: str
    declared_at: datetime
    applied_at: datetime | None
    refund: int | None
    currency: str

    @classmethod
    def of(cls, row: Declaration) -> Self:
        """Return a withdrawal as its author sees it."""
        return cls(
            declaration_id=row.id,
            order_number=row.reference or "",
            declared_at=row.made_at,
            applied_at=row.applied_at,
            refund=row.refund_cents,
            currency="eur",
        )


class UndoneAnswer(Answer):
    """A subscription that goes on: when it renews next."""

    renews_at: datetime


class LinkedWithdrawal(Body):
    """What the page of the order mail's link asks for; `email` is needed where the account is gone."""

    name: OptionalName | None = None
    email: Email | None = None


class WithdrawalForm(Body):
    """What the form asks for. `declaration`: its id, so that a page that is sent twice declares once."""

    name: Name
    email: Email
    reference: OrderNumber = Field(alias="order")
    declaration: UUID | None = None


class _WishedEnd(Body):
    """`wished`: a day as `2026-11-30`, or `periodEnd`. Which days there are, the account's own zone decides."""

    wished: Annotated[str, name_rule("out_of_range", _check_written)]

    @property
    def choice(self) -> Cancellation:
        """What was wished, as the route asks for it."""
        return _read_wished(self.wished)


class CancellationForm(_WishedEnd):
    """What the form asks for. `declaration` as in a withdrawal."""

    name: Name
    email: Email
    reference: OrderNumber
    wished: Wished
    declaration: UUID | None = None


class CancellationChoice(_WishedEnd):
    """The last step in the account or by a link: the choice, and the name as the receipt shall show it."""

    name: OptionalName | None = None
