"""Bodies of /api/auth."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.accounts.passwords import LONGEST, SHORTEST
from api.ground.schemas import Answer, Body, name_rule
from api.models.user import OutageCredit
from configs.ground.addresses import LetterNotSent, email_address, phone_number
from configs.ground.text import Language
from configs.world.plan import PlanName

# Rough checks; configs/ground/addresses.py is stricter about domains. Blanks around are removed.
_EMAIL = r"^\s*[!-?A-~]{1,64}@[^@\s.\x00]+(\.[^@\s.\x00]+)+\s*$"
_NO_MAIL: JsonDict = {"pattern": r"\.(arpa|invalid|local|localhost|onion|test)\s*$"}  # RFC 6761


def _check_email(text: str) -> str:
    try:
        return email_address(text)
    except LetterNotSent as error:
        raise PydanticCustomError(
            "email_letter", "{why}", {"why": str(error), "letter": error.letter}
        ) from None
    except ValueError as error:
        raise PydanticCustomError("email", "{why}", {"why": str(error)}) from None


Email = Annotated[
    str,
    Field(
        max_length=254,
        examples=["camille@example.org"],
        json_schema_extra={"format": "email", "pattern": _EMAIL, "not": _NO_MAIL},
    ),
    AfterValidator(_check_email),
]
NewPassword = Annotated[SecretStr, Field(min_length=SHORTEST, max_length=LONGEST)]
PHONE_NOTICE = (
    "The number is used for the alerts that you ask for and for security, never for advertising: sales calls need "
    "your prior consent (Code de la consommation, L. 223-1 and L. 223-2)."
)
Phone = Annotated[
    str,
    Field(
        max_length=60,
        examples=["06 12 34 56 78"],
        json_schema_extra={"pattern": r"^\s*[(+]*[0-9][0-9\s().\-/\u2010-\u2015]{2,36}[0-9]\s*$"},
    ),
    name_rule("phone_number", phone_number),
]


class RegistrationForm(Body):
    """A new account; `plan` is only remembered, for the checkout."""

    model_config = ConfigDict(str_strip_whitespace=False)  # a password may begin with a space

    email: Email
    password: NewPassword
    phone: Phone | None = Field(
        None,
        description=f"A mobile number; PATCH /api/users/profile sends the code that confirms it. {PHONE_NOTICE}",
    )
    plan: PlanName | None = None
    language: Language | None = Field(
        None, description="Of messages, and of pages that speak it; French without one."
    )


class Registered(Answer):
    """The same for everybody, whether the address was known or not."""

    detail: str = "if this address can be registered, a mail is on its way: open it to confirm the address"


class Account(Answer):
    """What a person sees of their own account. `telegramChatId` only says whether Telegram is linked."""

    id: UUID
    email: str
    email_verified: bool
    new_email: str | None = Field(description="The address that takes effect when it is confirmed.")
    phone: str | None
    phone_verified: bool
    new_phone: str | None = Field(description="The number that takes effect when it is confirmed.")
    telegram_chat_id: bool
    plan: PlanName
    plan_expires_at: datetime | None
    next_plan: PlanName | None = Field(description="The plan that begins next, where none runs.")
    next_plan_starts_at: datetime | None
    wished_plan: PlanName | None
    notify_email: bool
    notify_sms: bool
    notify_telegram: bool
    notify_push: bool
    totp_enabled: bool
    factor_ends_at: datetime | None = Field(description="When support ends the second factor, reported lost.")
    outage_credit: OutageCredit
    language: str
    time_zone: str
    created_at: datetime
    updated_at: datetime
