"""Steps of a sign-in that the API and the pages share: password, code, opening and renewing a login, a recent proof."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from flask import request

from api.accounts.passwords import hash_new_password, verify_password
from api.accounts.queries import find_user, has_confirmed_mailbox
from api.auth import logins as service
from api.auth.logins import LoginChange, name_browser
from api.auth.schemas import FirstPasswordBody, LoginBody, ProofBody, TotpLoginBody
from api.auth.second_factor import take_code
from api.ground.errors import ApiError
from api.models.base import read_once, session, write_once
from api.models.user import User
from api.web.auth import current_identity, current_login_id, current_user, is_use
from api.web.known_places import is_known_place, remember_place
from api.web.rate_limits import (
    count_password_work,
    count_wrong_code,
    limit_codes,
    limit_guesses,
    may_take_kept_turn,
    note_wrong_password,
)
from configs.ground.signing import LinkRefused, sign, unsign

# How long one may take to give the code of the second factor after the password
_CHALLENGE_SECONDS = 300
_CHALLENGE = "login-challenge"
log = structlog.get_logger(__name__)


def check_password(body: LoginBody) -> User:
    """Return the user of this address and password.

    Raises:
        ApiError: 401 wrong-login.
    """
    user = read_once(find_user, body.email)
    kept = is_known_place(body.email) and may_take_kept_turn(body.email)
    fits = verify_password(body.password.get_secret_value(), user.password_hash if user else None, kept=kept)
    if user is None or not fits:
        log.info("sign-in refused", because="wrong-login", user=str(user.id) if user else None)
        note_wrong_password()
        raise ApiError(401, "wrong-login", "no account has this address and password")
    return user


def check_code(body: TotpLoginBody) -> tuple[User, bool]:
    """Return the user of a challenge whose second factor gave this code; `is_proof` of the login that follows.

    Raises:
        ApiError: 401 challenge-over or wrong-code; 429, that was one try too many.
    """
    user, is_proof = _find_challenged(body.challenge)
    fits = write_once(take_code, user.id, body.code)
    if not fits:
        log.info("sign-in refused", because="wrong-code", user=str(user.id))
        count_wrong_code(user)
        raise ApiError(401, "wrong-code", "this code is wrong, or was used before: try the next one")
    return user, is_proof


def open_login(user: User, *, is_proof: bool = True) -> LoginChange:
    """Open a login for a user who has just proven to be that; `is_proof` as of api.auth.logins."""
    is_known = is_known_place(user.email)
    with session() as s:
        change = service.open_login(
            s, user, name_browser(request.user_agent.string), from_known_place=is_known, is_proof=is_proof
        )
        is_confirmed = has_confirmed_mailbox(s, user.id)
    log.info("signed in", user=str(user.id), second_factor=user.has_second_factor, known_place=is_known)
    if is_confirmed:  # anybody opens accounts that nobody confirms: these are no more known than strangers
        remember_place(user.email)
    return change


def rotate_login(token_id: str, issued_at: datetime) -> LoginChange:
    """Use the refresh token of the request; call require_refresh_token first, or verify it.

    Raises:
        ApiError: 401, the login ended.
    """
    with session() as s:
        change = service.rotate_login(
            s, current_login_id(), token_id, issued_at, used=is_use(current_identity())
        )
    if change is None:
        raise ApiError(401, "token-revoked", "this login ended: log in again")
    if change.token_id is None:
        log.warning("a refresh token was used twice: its login ended", user=str(change.login.user_id))
        raise ApiError(401, "token-reused", "this token was used before, so the login ended: log in again")
    return change


def prove_identity(body: ProofBody) -> datetime:
    """Take the password, and the code where there is a second factor, once more; return until when that counts.

    Raises:
        ApiError: 403 wrong-proof or code-needed; 429.
    """
    user = current_user()
    count_password_work(user.id)
    with limit_guesses(user.id):
        kept = may_take_kept_turn(user.email)
        if not verify_password(body.password.get_secret_value(), user.password_hash, kept=kept):
            log.info("proof refused", because="wrong-proof", user=str(user.id))
            raise ApiError(403, "wrong-proof", "this is not the account's password")
        _take_factor(user, body.code)
    return write_once(service.note_proof, current_login_id())


def _take_factor(user: User, code: str | None) -> None:
    if user.has_second_factor and code is None:
        raise ApiError(403, "code-needed", "the account has a second factor: send its `code` too")
    if user.has_second_factor and not write_once(take_code, user.id, code or ""):
        raise ApiError(403, "wrong-proof", "this code is wrong, or was used before: try the next one")


def hash_first_password(body: FirstPasswordBody) -> str:
    """Return the hash of the first password of an account; where there is a second factor its code is needed.

    Raises:
        ApiError: 403 wrong-proof or code-needed; 422, it can be guessed; 429; 503, no turn came to hash it.
    """
    hashed = hash_chosen_password(body.password.get_secret_value())
    with limit_guesses(current_user().id):
        _take_factor(current_user(), body.code)
    return hashed


def hash_chosen_password(password: str) -> str:
    """Return the hash of the password that the signed-in user chooses.

    Raises:
        ApiError: 422, it can be guessed; 429; 503, no turn came to hash it.
    """
    user = current_user()
    count_password_work(user.id)
    return hash_new_password(password, user.email, kept=may_take_kept_turn(user.email))


def _find_challenged(text: str) -> tuple[User, bool]:
    challenge = _read_challenge(text)
    with session() as s:
        user = s.get(User, challenge.user_id) if challenge else None
    if challenge is None or user is None or user.token_version != challenge.token_version:
        raise ApiError(401, "challenge-over", "this challenge is too old: log in again")
    limit_codes(challenge.id, user)
    return user, challenge.is_proof


@dataclass(frozen=True, slots=True)
class _Challenge:
    """What a challenge carries: its own id, by which tries are counted, and who is asked for a code."""

    id: str
    user_id: UUID
    token_version: int
    is_proof: bool


def sign_challenge(user: User, *, is_proof: bool = True) -> str:
    """Return a challenge for a user whose password was right; `is_proof` as of api.auth.logins."""
    claims = {"id": secrets.token_hex(16), "user": str(user.id), "version": user.token_version}
    return sign(_CHALLENGE, claims | {"proof": is_proof})


def _read_challenge(text: str) -> _Challenge | None:
    """Return what a challenge carries, or None where it is too old or forged."""
    try:
        claims = unsign(_CHALLENGE, text, _CHALLENGE_SECONDS)
        return _Challenge(claims["id"], UUID(claims["user"]), claims["version"], claims["proof"])
    except (LinkRefused, KeyError, TypeError, ValueError, AttributeError):
        return None
