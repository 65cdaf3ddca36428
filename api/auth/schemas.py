"""Bodies of the routes about an account's address and password."""

from typing import Annotated

from pydantic import ConfigDict, Field

from api.accounts.schemas import Email, NewPassword, RegistrationForm
from api.alerts.schemas import NewAlert
from api.ground.schemas import Answer, Body

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


class ResetBody(Body):
    """The token of a link (what follows `/l/` in the mail) and the new password."""

    model_config = ConfigDict(str_strip_whitespace=False)

    token: Token
    password: NewPassword


class PasswordBody(Body):
    """A new password."""

    model_config = ConfigDict(str_strip_whitespace=False)

    password: NewPassword


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
