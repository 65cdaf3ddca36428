"""Bodies of /api/auth."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from api.schemas import Answer, Body
from configs.contact_addresses import email_address, phone_number
from configs.plan import PlanName

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200

# A rough check; configs/contact_addresses.py is stricter. Blanks around an address are removed.
_EMAIL = r"^\s*[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+\s*$"
Email = Annotated[
    str,
    Field(
        max_length=320,
        examples=["camille@example.org"],
        json_schema_extra={"format": "email", "pattern": _EMAIL},
    ),
    AfterValidator(email_address),
]
Phone = Annotated[str, Field(max_length=40, examples=["06 12 34 56 78"]), AfterValidator(phone_number)]


class Registration(Body):
    """A new account; `plan` is only remembered, for the checkout."""

    model_config = ConfigDict(str_strip_whitespace=False)  # a password may begin with a space

    email: Email
    password: SecretStr = Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD)
    phone: Phone | None = None
    plan: PlanName | None = None

    @model_validator(mode="after")
    def _no_guess(self) -> Self:
        password = self.password.get_secret_value()
        if password.casefold() == self.email.casefold() or len(set(password)) < 4:  # noqa: PLR2004
            raise ValueError("this password can be guessed: choose another one")
        return self


class Login(Body):
    """An e-mail address and its password, however badly written: a wrong one is a wrong login."""

    model_config = ConfigDict(str_strip_whitespace=False)

    email: str = Field(max_length=320)
    password: SecretStr = Field(max_length=1000)


class Registered(Answer):
    """The same for everybody, whether the address was known or not."""

    detail: str = "if this address can be registered, a mail is on its way: open it to confirm the address"


class SignedIn(Answer):
    """What a login gives: `token` goes into the Authorization header until `expiresAt`."""

    token: str
    refresh_token: str
    expires_at: datetime


class Account(Answer):
    """What a person sees of their own account. `telegramChatId` only says whether Telegram is linked."""

    id: UUID
    email: str
    email_verified: bool
    phone: str | None
    telegram_chat_id: bool
    plan: PlanName
    plan_expires_at: datetime | None
    wished_plan: PlanName | None
    notify_email: bool
    notify_sms: bool
    notify_telegram: bool
    language: str
    time_zone: str
    created_at: datetime
    updated_at: datetime
