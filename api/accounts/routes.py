"""Routes of /api/auth: accounts and sign-in."""

from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

import notifier
from api.accounts.passwords import hash_password, verify_password
from api.accounts.queries import find_user, read_account
from api.accounts.schemas import Account, Login, Registered, Registration, SignedIn
from api.accounts.service import register_account
from api.errors import ApiError
from api.middleware.auth import current_user, issue_tokens, require_sign_in
from api.middleware.openapi_helpers import BEARER, BODY, declare_errors, make_operation_id
from api.middleware.rate_limits import remember_address
from api.models.base import session

blueprint = APIBlueprint(
    "accounts",
    __name__,
    url_prefix="/api/auth",
    operation_id_callback=make_operation_id,
    abp_tags=[Tag(name="auth", description="Accounts and sign-in")],
)


@blueprint.post("/register", responses={202: Registered, **declare_errors(*BODY)})
def register(body: Registration) -> tuple[dict[str, Any], int]:
    """Open an account; a mail asks to confirm the address. The answer never tells whether it was known."""
    hashed = hash_password(body.password.get_secret_value())
    with session() as s:
        mails = register_account(s, body, hashed)
    notifier.nudge(mails)
    return Registered().as_json(), 202


@blueprint.post("/login", responses={200: SignedIn, **declare_errors(*BODY, 401)})
def login(body: Login) -> dict[str, Any]:
    """Sign in, also before the address is confirmed."""
    with session() as s:
        user = find_user(s, body.email)
    fits = verify_password(body.password.get_secret_value(), user.password_hash if user else None)
    if user is None or not fits:
        raise ApiError(401, "wrong-login", "no account has this address and password")
    remember_address()
    tokens = issue_tokens(user)
    answer = SignedIn(token=tokens.access, refresh_token=tokens.refresh, expires_at=tokens.expires_at)
    return answer.as_json()


@blueprint.get("/me", security=BEARER, responses={200: Account, **declare_errors(401)})
def me() -> dict[str, Any]:
    """Show the account that is signed in."""
    require_sign_in()
    with session() as s:
        return read_account(s, current_user()).as_json()
