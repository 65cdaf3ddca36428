"""Bodies of /api/auth: the account's address and password, its logins, their second factor."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, RootModel, SecretStr

from api.accounts.schemas import Email, NewPassword, RegistrationForm
from api.alerts.schemas import NewAlert
from api.ground.schemas import Answer, Body, clean_text
from configs.ground.text import join_code

Token = Annotated[str, Field(max_length=1000)]


class Registration(RegistrationForm):
    """A new account. Until its address is confirmed, a login of it changes nothing.

    `alert`: what the user waits for. It becomes an alert when the address is confirmed, paused where it needs a plan;
    its `name` and `voice` are left out.
    """

    alert: NewAlert | None = None


class TokenBody(Body):
    """The token of a link: what follows `/l/` in the mail."""

    token: Token


class EmailBody(Body):
    """An e-mail address."""

    email: Email


class PasswordBody(Body):
    """A new password."""

    model_config = ConfigDict(str_strip_whitespace=False)

    password: NewPassword


class ResetBody(PasswordBody):
    """The token of a link (what follows `/l/` in the mail) and the new password."""

    token: Token


class Confirmed(Answer):
    """A confirmed address.

    With a `resetToken` the account has no password: several people registered the address, and its owner chooses one
    by POST /api/auth/reset-password.
    """

    email: str
    reset_token: str | None


class MailSent(Answer):
    """The same for everybody, whether the address has an account or not."""

    detail: str = "if a mail is due, it is on its way"


Code = Annotated[
    str,
    clean_text(join_code),
    Field(
        pattern=r"^[0-9A-Za-z]{6,24}$",
        examples=["492039"],
        json_schema_extra={"pattern": r"^([0-9A-Za-z][ -]?){5,23}[0-9A-Za-z]$"},
    ),
]


class LoginBody(Body):
    """An e-mail address and its password, however badly written: a wrong one is a wrong login."""

    model_config = ConfigDict(str_strip_whitespace=False)

    email: str = Field(max_length=320)
    password: SecretStr = Field(max_length=1000)


class TotpLoginBody(Body):
    """The second step of a login: `challenge` of the first one, and a code of the second factor."""

    challenge: str = Field(max_length=1000)
    code: Code


class ProofBody(Body):
    """The password of the account and, where there is a second factor, a code."""

    model_config = ConfigDict(str_strip_whitespace=False)

    password: SecretStr = Field(max_length=1000)
    code: Code | None = None


class FirstPasswordBody(PasswordBody):
    """The first password of an account and, where there is a second factor, a code."""

    code: Code | None = None


class SignedIn(Answer):
    """What a login gives: `token` goes into the Authorization header until `expiresAt`, then `refreshToken` once."""

    token: str
    refresh_token: str
    expires_at: datetime


class TotpRequired(Answer):
    """The password is right; `challenge` and a code of the second factor finish the login within 5 minutes."""

    totp_required: Literal[True] = True
    challenge: str


class LoginAnswer(RootModel[SignedIn | TotpRequired]):
    """Tokens, or a challenge for an account with a second factor."""


class LoginItem(Answer):
    """One login of the user. `current` is the one that asks."""

    id: UUID
    browser: str = Field(examples=["Firefox, Windows"])
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool


class LoginList(Answer):
    """The user's logins, the latest first."""

    items: list[LoginItem]


class Proven(Answer):
    """Until when the proof counts as recent."""

    proven_until: datetime


class TotpSetup(Answer):
    """A secret for an authenticator app. It is in force once a code confirms it, together with `setup`."""

    secret: str
    otpauth_url: str = Field(examples=["otpauth://totp/RDVPriority:camille%40example.org?secret=…"])
    setup: str


class TotpConfirmation(Body):
    """The `setup` of POST /api/auth/totp, and the code that the app shows."""

    setup: str = Field(max_length=1000)
    code: Code


class RecoveryCodes(Answer):
    """Ten codes, each good once instead of a code of the app. They are shown only here."""

    recovery_codes: list[str]
