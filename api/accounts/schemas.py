"""Bodies of /api/auth."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from api.accounts.password_strength import LONGEST, SHORTEST, explain_weakness
from api.schemas import Answer, Body
from configs.contact_addresses import email_address, phone_number
from configs.plan import PlanName

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
NewPassword = Annotated[SecretStr, Field(min_length=SHORTEST, max_length=LONGEST)]
PHONE_NOTICE = (
    "The number is used for the alerts that you ask for and for security, never for advertising: sales calls need "
    "your prior consent (Code de la consommation, L. 223-1 and L. 223-2)."
)
Phone = Annotated[str, Field(max_length=40, examples=["06 12 34 56 78"]), AfterValidator(phone_number)]


class Registration(Body):
    """A new account; `plan` is only remembered, for the checkout."""

    model_config = ConfigDict(str_strip_whitespace=False)  # a password may begin with a space

    email: Email
    password: NewPassword
    phone: Phone | None = Field(
        None,
        description=f"A mobile number; PATCH /api/users/profile sends the code that confirms it. {PHONE_NOTICE}",
    )
    plan: PlanName | None = None

    @model_validator(mode="after")
    def _no_guess(self) -> Self:
        if weakness := explain_weakness(self.password.get_secret_value(), self.email):
            raise ValueError(weakness)
        return self


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
    wished_plan: PlanName | None
    notify_email: bool
    notify_sms: bool
    notify_telegram: bool
    totp_enabled: bool
    language: str
    time_zone: str
    created_at: datetime
    updated_at: datetime
