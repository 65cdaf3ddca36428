"""Bodies of /api/support."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from api.accounts.schemas import Email
from api.schemas import Answer, Body
from configs.world.languages import Language

LONGEST = 5000  # characters
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _clean(text: str) -> str:
    """Return a text without control characters but tabs and line breaks.

    Raises:
        ValueError: nothing would be left.
    """
    cleaned = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not cleaned:
        raise ValueError("holds no text")
    return cleaned


class NewSupportRequest(Body):
    """A question to support. `email` is needed without a sign-in; otherwise the account's is taken.

    `language` is that of the acknowledgement; without it the account's, or French.
    """

    message: Annotated[
        str,
        Field(
            max_length=LONGEST,
            examples=["Je ne reçois pas de SMS."],
            json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00-\x1f\x7f-\x9f][^\x00]*$"},
        ),
        AfterValidator(_clean),
    ]
    email: Email | None = None
    language: Language | None = None


class SupportTicket(Answer):
    """The number to quote, and the address that the answer goes to."""

    number: int
    email: str
