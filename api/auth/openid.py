"""Sign-in by an OpenID Connect provider: what it is asked and answers, and the accounts that are linked to it.

The code flow of https://openid.net/specs/openid-connect-core-1_0.html, with PKCE, state and nonce. The provider proves
a mailbox, never a password: an account that has one is linked by who gave it.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import requests
import sqlalchemy as sa
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.accounts.queries import lock_mailbox
from api.accounts.schemas import RegistrationForm
from api.accounts.service import add_user
from api.auth.service import confirm_first
from api.ground.errors import ApiError
from api.ground.messages import write_message
from api.models.base import new_id
from api.models.login import Identity
from api.models.user import User
from configs.ground.addresses import email_address, is_loopback
from configs.ground.clock import clock
from configs.settings import Constant, settings

_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
_SKEW = 60  # seconds by which clocks may differ
_KEPT_FOR = 3600  # seconds for which a process keeps what the provider says of itself
_provider_call_seconds = Constant("PROVIDER_CALL_SECONDS", 5.0)
_TURNS = BoundedSemaphore(3)  # a provider that hangs holds no more of a process's eight threads
_LONGEST_SUBJECT = 255  # characters, by the standard
log = structlog.get_logger(__name__)


class ProviderFailed(Exception):
    """The provider did not answer as the standard says, so nobody is signed in."""


class SignInQuestion(NamedTuple):
    """A question to the provider; the browser brings its answer."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """Who signed in at the provider."""

    issuer: str
    subject: str
    email: str | None  # that the provider has confirmed


def ask_provider(redirect_uri: str) -> SignInQuestion:
    """Return where a browser is led to, and what its answer must fit.

    Raises:
        ProviderFailed: the provider does not say where it is asked.
    """
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    address = _read_endpoint("authorization_endpoint")
    with _open_session(redirect_uri) as client:
        url, _ = client.create_authorization_url(address, state=state, nonce=nonce, code_verifier=verifier)
    return SignInQuestion(str(url), state, nonce, verifier)


def read_answer(question: SignInQuestion, code: str, redirect_uri: str) -> ProviderAnswer:
    """Exchange the code of an answer, and return whom its ID token names. No transaction may be open.

    Raises:
        ProviderFailed: the code is not good, or the token is not from this provider, for us and for this question.
    """
    address = _read_endpoint("token_endpoint")
    try:
        with _take_turn(), _open_session(redirect_uri) as client:
            token = client.fetch_token(
                address,
                code=code,
                code_verifier=question.verifier,
                timeout=_provider_call_seconds(),
                allow_redirects=False,
            )
        claims = _verify(str(token["id_token"]), question.nonce, token.get("access_token"))
    except (requests.RequestException, AuthlibBaseError, JoseError, KeyError, TypeError, ValueError) as error:
        log.warning("sign-in by the provider failed", error=f"{type(error).__name__}: {error}"[:300])
        raise ProviderFailed from error
    return claims


def _verify(id_token: str, nonce: str, access_token: str | None) -> ProviderAnswer:
    issuer, client_id = _find_issuer(), settings().require("oidc_client_id")
    try:
        found = jwt.decode(id_token, _read_keys(issuer, _count_periods()), _ALGORITHMS)
    except InvalidKeyIdError:  # the provider has newer keys
        _read_keys.cache_clear()
        found = jwt.decode(id_token, _read_keys(issuer, _count_periods()), _ALGORITHMS)
    options = {
        "iss": {"essential": True, "value": _read_metadata(issuer, _count_periods())["issuer"]},
        "aud": {"essential": True, "value": client_id},
    }
    params = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    claims = CodeIDToken(found.claims, found.header, options, params)
    claims.validate(now=int(clock().timestamp()), leeway=_SKEW)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST_SUBJECT:
        raise ValueError("the ID token's subject is none")
    is_confirmed = claims.get("email_verified") in (True, "true")
    return ProviderAnswer(issuer, subject, email_address(str(claims["email"])) if is_confirmed else None)


def _find_issuer() -> str:
    return settings().require("oidc_issuer").rstrip("/")


def _open_session(redirect_uri: str) -> OAuth2Session:
    known = settings()
    session = OAuth2Session(
        known.require("oidc_client_id"), known.require("oidc_client_secret"),
        scope="openid email", redirect_uri=redirect_uri, code_challenge_method="S256",
    )  # fmt: skip
    session.trust_env = False
    return session


def _read_endpoint(name: str) -> str:
    try:
        return _ensure_allowed(str(_read_metadata(_find_issuer(), _count_periods())[name]))
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        log.warning("the provider of sign-ins says nothing of itself", error=type(error).__name__)
        raise ProviderFailed from error


def _count_periods() -> int:
    return int(time.monotonic() // _KEPT_FOR)


@lru_cache(maxsize=1)
def _read_metadata(issuer: str, _period: int) -> dict[str, Any]:
    """Return what the provider says of itself: https://openid.net/specs/openid-connect-discovery-1_0.html."""
    found: dict[str, Any] = _get(f"{issuer}/.well-known/openid-configuration")
    if str(found["issuer"]).rstrip("/") != issuer:
        raise ValueError("the provider names another issuer")
    return found


@lru_cache(maxsize=1)
def _read_keys(issuer: str, period: int) -> KeySet:
    return KeySet.import_key_set(_get(str(_read_metadata(issuer, period)["jwks_uri"])))


def _get(url: str) -> Any:
    with _take_turn(), requests.Session() as session:
        session.trust_env = False
        answer = session.get(_ensure_allowed(url), timeout=_provider_call_seconds(), allow_redirects=False)
    answer.raise_for_status()
    return answer.json()


@contextmanager
def _take_turn() -> Iterator[None]:
    if not _TURNS.acquire(blocking=False):
        log.warning("the provider of sign-ins is not asked: others wait for its answer")
        raise ProviderFailed
    try:
        yield
    finally:
        _TURNS.release()


def _ensure_allowed(url: str) -> str:
    """Return an address that may be asked: by https, or outside production on this machine."""
    parts = urlsplit(url)
    if settings().loopback_only:
        if not is_loopback(parts.hostname or ""):
            raise ValueError("here only this machine is asked")
    elif parts.scheme != "https":
        raise ValueError("the provider is asked by https only")
    return url


def find_user(session: Session, answer: ProviderAnswer, language: str) -> User:
    """Return the user whom a provider's answer signs in; the first time it is linked to its mailbox's account.

    An account that nobody confirmed is built anew, as by its mail; without one it is opened.

    Raises:
        ApiError: 409 no-mailbox, the provider has confirmed none; 409 password-needed, the account has a password.
    """
    known = Identity.issuer == answer.issuer, Identity.subject == answer.subject
    linked = session.scalars(
        sa.select(User).join(Identity, Identity.user_id == User.id).where(*known)
    ).first()
    if linked:
        return linked
    if answer.email is None:
        raise ApiError(409, "no-mailbox", "the provider has confirmed no e-mail address")
    wish: dict[str, Any] = {"email": answer.email, "plan": None, "language": language}
    add_user(session, RegistrationForm.model_construct(**wish), None)
    contact = lock_mailbox(session, answer.email)
    if contact is None:
        raise ApiError(409, "no-mailbox", "this address has no mailbox of ours")
    user = session.get_one(User, contact.user_id)
    if contact.verified_at is None:
        confirm_first(session, user, contact, None, None, language=language)
        _keep_identity(session, user.id, answer)
        return user
    if user.password_hash is not None:
        raise ApiError(409, "password-needed", "sign in by the password, then link the provider")
    link_provider(session, user.id, answer)
    return user


def link_provider(session: Session, user_id: UUID, answer: ProviderAnswer) -> None:
    """Link an account to who signed in at the provider, in place of an earlier link of it, and tell its owner.

    Raises:
        ApiError: 409 linked-elsewhere; roll back then.
    """
    _keep_identity(session, user_id, answer)
    params = {"changed": "provider", "shown": settings().oidc_name}
    write_message(session, user_id, "address_changed", params, f"provider-linked:{new_id()}")


def _keep_identity(session: Session, user_id: UUID, answer: ProviderAnswer) -> None:
    unlink_provider(session, user_id)
    session.add(Identity(user_id=user_id, issuer=answer.issuer, subject=answer.subject, created_at=clock()))
    try:
        session.flush()
    except IntegrityError:
        raise ApiError(409, "linked-elsewhere", "this account of the provider is linked to another") from None


def unlink_provider(session: Session, user_id: UUID) -> None:
    """End a user's sign-in by the provider."""
    session.execute(sa.delete(Identity).where(Identity.user_id == user_id))


def is_linked(session: Session, user_id: UUID) -> bool:
    """Return whether a user may sign in by the provider."""
    if not settings().offers_provider:
        return False
    mine = Identity.user_id == user_id, Identity.issuer == _find_issuer()
    return session.scalar(sa.select(Identity.id).where(*mine)) is not None
