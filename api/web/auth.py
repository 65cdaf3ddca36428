"""Authentication by bearer tokens: each names a user and a login, whose rows are read at each request."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask, Response, g, request
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_current_user,
    get_jwt,
    verify_jwt_in_request,
)
from flask_jwt_extended.exceptions import CSRFError

from api.ground.errors import ApiError
from api.models.base import autocommit_connection, autocommit_session
from api.models.login import Login, recent_proof_seconds
from api.models.user import Channel, Contact, Role, User
from api.web.doors import View, read_mark
from api.web.openapi import needs_token
from api.web.organisation_keys import find_key, verify_key
from api.web.problems import build_response
from api.web.rate_limits import count_request_of, count_stranger
from configs.ground.clock import clock
from configs.ground.signing import (
    ACCESS_COOKIE,
    ISSUER,
    SKEW,
    STAFF_IDLE_SECONDS,
    find_signing_key,
    name_key,
    read_signing_keys,
)
from configs.settings import settings

_VERSION = "ver"
_LOGIN = "login"
_UNCONFIRMED = "allows_unconfirmed"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_TOKENS = 4096  # remembered by a process, of some 700 bytes
_TOUCH = timedelta(minutes=1)  # a login of the staff notes its use no more often


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a login; `expires_at` is the end of the access token, UTC."""

    access: str
    refresh: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Who makes a request: what each one asks of its user and its login. To read both whole takes twice as long."""

    user_id: UUID
    role: Role
    token_version: int
    totp_confirmed_at: datetime | None
    language: str
    time_zone: str
    login_id: UUID
    last_used_at: datetime
    proven_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    verified_at: datetime | None  # since when the mailbox has confirmed the account
    has_password: bool  # none yet where a mail's link in another browser confirmed it
    suspended_because: str | None  # an operator's words


class _TokenManager(JWTManager):
    """Verifies a token once in a process: a client sends the same one for minutes, and the extension decodes it thrice.

    Its end, its user and its login are checked at each request. It also compares the token of a form: the extension
    compares texts, and raises TypeError for one that is not ASCII.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self._verified: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}  # by the token and the keys

    def _decode_jwt_from_config(
        self, encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        known = encoded_token, read_signing_keys()
        claims = self._verified.get(known, {})
        if claims.get("exp", 0) <= clock().timestamp():
            claims = super()._decode_jwt_from_config(encoded_token, None, allow_expired)
            if len(self._verified) >= _MOST_TOKENS:
                self._verified.clear()
            self._verified[known] = claims
        if csrf_value and not _is_form_token_of(claims, csrf_value):
            raise CSRFError("CSRF double submit tokens do not match")
        return dict(claims)


def register_auth(app: Flask) -> None:
    """Sign tokens with the first of JWT_SECRET; its others and JWT_SECRET_PREVIOUS verify them too.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    app.config.update(
        JWT_SECRET_KEY=read_signing_keys()[0],
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=settings().access_token_seconds),
        JWT_DECODE_LEEWAY=SKEW,  # the clock of the machine that issued the token may be ahead of this one's
        JWT_TOKEN_LOCATION=["headers"],  # everywhere but on pages, which verify cookies themselves
        JWT_COOKIE_CSRF_PROTECT=True,
        JWT_CSRF_CHECK_FORM=True,
        JWT_CSRF_IN_COOKIES=False,  # forms get the token in the page
        JWT_ACCESS_COOKIE_NAME=ACCESS_COOKIE,
        JWT_REFRESH_COOKIE_NAME="__Host-refresh",
        JWT_COOKIE_SECURE=True,
        JWT_COOKIE_SAMESITE="Lax",
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
    )
    manager = _TokenManager(app)
    manager.decode_key_loader(lambda header, _: find_signing_key(header.get("kid")))
    manager.user_lookup_loader(lambda _, claims: _load_identity(claims))
    manager.unauthorized_loader(
        lambda _: _refuse_token("not-signed-in", "send Authorization: Bearer <token>")
    )
    manager.invalid_token_loader(lambda _: _refuse_token("not-signed-in", "this is no token of ours: log in"))
    manager.expired_token_loader(
        lambda *_: _refuse_token("token-expired", "this token is too old: refresh it, or log in again")
    )
    manager.user_lookup_error_loader(
        lambda *_: _refuse_token("token-revoked", "this login ended: log in again")
    )
    app.before_request(_spell_scheme)
    app.before_request(_require_declared_sign_in)


def _spell_scheme() -> None:
    """Write the scheme as the extension compares it: it has no case (RFC 9110, 11.1)."""
    scheme, blank, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        request.environ["HTTP_AUTHORIZATION"] = f"Bearer{blank}{token}"


def issue_tokens(user: User, login: Login, token_id: str) -> Tokens:
    """Return an access token, and the refresh token of that id: the same for the same login, until it is rotated."""
    # One token for the forms of a login: a form that is open in another tab outlives the renewal of the cookies.
    claims = {_VERSION: user.token_version, _LOGIN: str(login.id), "csrf": derive_form_tokens(login.id)[0]}
    kept = {"jti": token_id, "iat": login.rotated_at, "nbf": login.rotated_at, "exp": login.expires_at}
    headers = {"kid": name_key(read_signing_keys()[0])}
    lasts = timedelta(seconds=settings().access_token_seconds)
    return Tokens(
        access=create_access_token(
            str(user.id), expires_delta=lasts, additional_claims=claims, additional_headers=headers
        ),
        refresh=create_refresh_token(
            str(user.id), expires_delta=False, additional_claims=claims | kept, additional_headers=headers
        ),
        expires_at=(clock() + lasts).replace(microsecond=0),
    )


def derive_form_tokens(login_id: UUID) -> list[str]:
    """Return the tokens that forms of a login carry: the `csrf` claim of its tokens, and that of each older key."""
    text = f"form:{login_id}".encode()
    return [hmac.new(key.encode(), text, hashlib.sha256).hexdigest() for key in read_signing_keys()]


def require_sign_in() -> None:
    """Refuse the request unless it carries a valid access token of a login that has not ended, or a key where it may.

    The handlers of register_auth answer its errors with 401.
    """
    if "signed_in" not in g:
        if not verify_key():
            verify_jwt_in_request()
        g.signed_in = True


def _require_declared_sign_in() -> None:
    """Ask for the token before the body is validated, wherever the OpenAPI document asks for one."""
    if needs_token(request.endpoint):
        require_sign_in()
        if request.method not in _READING and not (find_key() or read_mark(_UNCONFIRMED, default=False)):
            require_confirmed_address()


def allow_unconfirmed(view: View) -> View:
    """Declare a route that a login may use before its address is confirmed: to end, or have the mail sent again."""
    vars(view)[_UNCONFIRMED] = True
    return view


def require_confirmed_address() -> None:
    """Refuse to write for an account whose address nobody has confirmed: it may be a stranger's.

    Raises:
        ApiError: 403 address-unconfirmed.
    """
    if current_identity().verified_at is None:
        detail = (
            "confirm the address of the account first, by the mail that was sent to it: "
            "POST /api/auth/verify-email/again sends it again"
        )
        raise ApiError(403, "address-unconfirmed", detail)


def require_refresh_token() -> tuple[str, datetime]:
    """Refuse the request unless it carries a refresh token of a login that has not ended.

    Returns the token's id, and when it was issued, in whole seconds.
    """
    verify_jwt_in_request(refresh=True)
    claims = get_jwt()
    return str(claims["jti"]), datetime.fromtimestamp(claims["iat"], UTC)


def require_recent_proof() -> None:
    """Refuse the request unless the password, and a code of the second factor, were given a moment ago.

    Raises:
        ApiError: 403 recent-proof-needed.
    """
    if not has_recent_proof():
        detail = "prove that it is you by POST /api/auth/prove, then try again"
        raise ApiError(403, "recent-proof-needed", detail)


def has_recent_proof() -> bool:
    """Return whether the password, and a code of the second factor, were given a moment ago."""
    longest, age = timedelta(seconds=recent_proof_seconds()), clock() - current_identity().proven_at
    return -timedelta(seconds=SKEW) <= age <= longest  # a clock that was ahead leaves no proof for hours


def is_use(identity: Identity) -> bool:
    """Return whether this request uses its login: what scripts of an open page ask for keeps no operator's login."""
    return identity.role is Role.USER or not g.get("is_polled", False)


def current_identity() -> Identity:
    """Return who makes the request; call require_sign_in first."""
    identity: Identity = get_current_user()
    return identity


def current_user_id() -> UUID:
    """Return the id of the user of the request; call require_sign_in first."""
    return current_identity().user_id


def current_login_id() -> UUID:
    """Return the id of the login of the request; call require_sign_in first."""
    return current_identity().login_id


def current_user() -> User:
    """Read the user of the request, detached from a session; call require_sign_in first.

    Raises:
        ApiError: 401, the account has just been deleted.
    """
    with autocommit_session() as s:
        user = s.get(User, current_user_id())
    if user is None:
        raise ApiError(401, "token-revoked", "this login ended: log in again")
    return user


def find_user() -> User | None:
    """Return the user of a request that may carry a token, or None where it carries none.

    The handlers of register_auth answer a token that is not valid with 401.
    """
    verify_jwt_in_request(optional=True)
    return current_user() if get_current_user() else None


def _load_identity(claims: dict[str, Any]) -> Identity | None:
    try:
        user_id, login_id = UUID(claims["sub"]), UUID(claims[_LOGIN])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    with autocommit_connection() as connection:
        row = connection.execute(_select_identity(), {"user_id": user_id, "login_id": login_id}).one_or_none()
        if row is None:
            return None
        identity = Identity(*row)
        if identity.token_version != claims.get(_VERSION) or not _is_usable(identity):
            return None
        _touch(connection, identity)
    g.user_id = user_id  # for the log line of a refusal
    # Counted after the check: requests with the token of an ended login must not use up the user's limit.
    count_request_of(user_id)
    return identity


@cache
def _select_identity() -> sa.Select[*tuple[Any, ...]]:
    """Return the query for the columns of Identity."""
    user = (User.id, User.role, User.token_version, User.totp_confirmed_at, User.language, User.time_zone)
    login = (Login.id, Login.last_used_at, Login.proven_at, Login.expires_at, Login.ended_at)
    found = (Contact.verified_at, User.password_hash.is_not(None), User.suspended_because)
    query = sa.select(*user, *login, *found).join(Login, Login.user_id == User.id)
    query = query.outerjoin(Contact, sa.and_(Contact.user_id == User.id, Contact.channel == Channel.EMAIL))
    return query.where(User.id == sa.bindparam("user_id"), Login.id == sa.bindparam("login_id"))


def _is_usable(identity: Identity) -> bool:
    """Return whether the login is alive; one of the staff ends after STAFF_IDLE_SECONDS without use."""
    now = clock()
    idle = timedelta(seconds=STAFF_IDLE_SECONDS)
    is_staff = identity.role is not Role.USER
    is_alive = identity.ended_at is None and now < identity.expires_at
    return is_alive and not (is_staff and now - identity.last_used_at > idle)


def _touch(connection: sa.Connection, identity: Identity) -> None:
    """Note that a login of the staff is used. For others the refreshes are precise enough, and need no write here."""
    now = clock()
    is_staff = identity.role is not Role.USER
    if is_staff and is_use(identity) and now - identity.last_used_at >= _TOUCH:
        connection.execute(sa.update(Login).where(Login.id == identity.login_id).values(last_used_at=now))


def _is_form_token_of(claims: dict[str, Any], token: str) -> bool:
    """Return whether a form's token is that of a login: the login's cookies may have been renewed under another key."""
    try:
        derived = derive_form_tokens(UUID(claims[_LOGIN]))
    except (KeyError, ValueError, TypeError, AttributeError):
        derived = []
    return any(
        hmac.compare_digest(str(each).encode(), token.encode()) for each in (claims.get("csrf"), *derived)
    )


def _refuse_token(word: str, detail: str) -> Response:
    try:
        count_stranger()
    except ApiError as too_many:
        return build_response(too_many)
    return build_response(ApiError(401, word, detail, headers={"WWW-Authenticate": "Bearer"}))
