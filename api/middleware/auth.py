"""Authentication by bearer tokens with a user's id and token_version, compared with the row at each request."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Flask, Response
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_current_user,
    verify_jwt_in_request,
)

from api.errors import ApiError
from api.middleware.problems import build_response
from api.models.base import session
from api.models.user import User
from configs.clock import clock
from configs.settings import settings

_VERSION = "ver"
_ISSUER = "rdvpriority"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a login; `expires_at` is the end of the access token, UTC."""

    access: str
    refresh: str
    expires_at: datetime


def register_auth(app: Flask) -> None:
    """Sign and check tokens with JWT_SECRET.

    There is no refresh yet, so an access token lives as long as the login (JWT_EXPIRES_IN).

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    app.config.update(
        JWT_SECRET_KEY=settings().require("jwt_secret"),
        JWT_ACCESS_TOKEN_EXPIRES=settings().jwt_expires_in,
        JWT_REFRESH_TOKEN_EXPIRES=settings().jwt_expires_in,
        JWT_ENCODE_ISSUER=_ISSUER,
        JWT_DECODE_ISSUER=_ISSUER,
    )
    manager = JWTManager(app)
    manager.user_lookup_loader(_load_user)
    manager.unauthorized_loader(
        lambda _: _refuse_token("not-signed-in", "send Authorization: Bearer <token>")
    )
    manager.invalid_token_loader(lambda _: _refuse_token("not-signed-in", "this is no token of ours: log in"))
    manager.expired_token_loader(
        lambda *_: _refuse_token("token-expired", "this token is too old: log in again")
    )
    manager.user_lookup_error_loader(
        lambda *_: _refuse_token("token-revoked", "this token ended: log in again")
    )


def issue_tokens(user: User) -> Tokens:
    """Return new tokens for a user whose password has been checked."""
    claims = {_VERSION: user.token_version}
    expires_at = (clock() + settings().jwt_expires_in).replace(microsecond=0)
    return Tokens(
        access=create_access_token(str(user.id), additional_claims=claims),
        refresh=create_refresh_token(str(user.id), additional_claims=claims),
        expires_at=expires_at,
    )


def require_sign_in() -> None:
    """Refuse the request unless it carries a valid access token.

    The handlers of register_auth answer its errors with 401.
    """
    verify_jwt_in_request()


def current_user() -> User:
    """Return the user of the request, detached from a session; call require_sign_in first."""
    user: User = get_current_user()
    return user


def find_user() -> User | None:
    """Return the user of a request that may carry a token, or None where it carries none.

    The handlers of register_auth answer a token that is not valid with 401.
    """
    verify_jwt_in_request(optional=True)
    user: User | None = get_current_user()
    return user


def _load_user(_: dict[str, Any], claims: dict[str, Any]) -> User | None:
    try:
        user_id = UUID(claims["sub"])
    except ValueError:
        return None
    with session() as s:
        user = s.get(User, user_id)
    return user if user and user.token_version == claims.get(_VERSION) else None


def _refuse_token(word: str, detail: str) -> Response:
    return build_response(ApiError(401, word, detail, headers={"WWW-Authenticate": "Bearer"}))
