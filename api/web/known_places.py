"""Places at which an account is known: a browser with our signed cookie, or a network address of a recent sign-in.

What strangers do uses up neither the tries of a known place nor its turn at hashing passwords. To be known proves
nothing else: the password is asked for as everywhere. Programs that keep no cookie are known by their address. An
account whose address nobody has confirmed is known nowhere: strangers open as many as they like.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from uuid import UUID

import structlog
from flask import Response, after_this_request, request
from redis import Redis
from redis.exceptions import RedisError

from api.ground.limit_counters import PATIENCE
from api.network_addresses import group_network_address
from configs.ground.addresses import fold_address
from configs.ground.encryption import lookup_hashes
from configs.ground.redis import open_redis
from configs.ground.signing import LINK_SECONDS, LinkRefused, sign, unsign
from configs.settings import settings

COOKIE = "__Host-known"
_REGISTERED = "__Host-registered"
_SCOPE = "known-browser"
_COOKIE_SECONDS = 365 * 86400  # from the last sign-in
_ADDRESS_SECONDS = 30 * 86400
_MOST_ACCOUNTS = 5  # of one browser, the latest
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Browser:
    """What the cookie says: the browser's own id, and the accounts that signed in there, by keyed hashes."""

    id: str
    accounts: tuple[str, ...]

    @classmethod
    def read(cls) -> Self:
        """Return what the request's cookie says; a new browser where it has none that is ours."""
        try:
            claims = unsign(_SCOPE, request.cookies.get(COOKIE, ""), _COOKIE_SECONDS)
            return cls(str(claims["id"]), tuple(map(str, claims["accounts"])))
        except (LinkRefused, KeyError, TypeError):
            return cls(secrets.token_hex(8), ())


def read_browser_id() -> str | None:
    """Return the id of a browser where some account signed in before."""
    browser = _Browser.read()
    return browser.id if browser.accounts else None


def find_browser(email: str) -> str | None:
    """Return the id of the request's browser where the account with this e-mail address signed in there before."""
    if COOKIE not in request.cookies:
        return None
    browser = _Browser.read()
    return browser.id if browser.accounts and set(browser.accounts) & set(_hash_account(email)) else None


def is_known_place(email: str) -> bool:
    """Return whether the account with this e-mail address signed in by this browser, or from this address lately."""
    try:
        return find_browser(email) is not None or bool(_get_redis().exists(_build_key(email)))
    except RedisError:
        return False  # the limiter meets the same error and answers it


def remember_place(email: str) -> None:
    """Have the browser and the network address known to the account with this e-mail address, which signed in."""
    browser = _Browser.read()
    mine = _hash_account(email)
    accounts = [mine[0], *(each for each in browser.accounts if each not in mine)][:_MOST_ACCOUNTS]
    token = sign(_SCOPE, {"id": browser.id, "accounts": accounts})

    _set_cookie(COOKIE, token, _COOKIE_SECONDS)
    try:
        _get_redis().set(_build_key(email), 1, ex=_ADDRESS_SECONDS)
    except RedisError as error:
        log.warning("an address is not remembered: a wave of guesses may keep it out", because=str(error))


def remember_registration(registration_id: UUID) -> None:
    """Have the browser known as the one that made a registration, whether or not its address has an account already."""
    _set_cookie(_REGISTERED, registration_id.hex, LINK_SECONDS)


def made_registration(registration_id: UUID | None) -> bool:
    """Return whether the request's browser made a registration: its latest one."""
    return registration_id is not None and request.cookies.get(_REGISTERED) == registration_id.hex


def _set_cookie(name: str, value: str, seconds: float) -> None:
    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            name, value, max_age=int(seconds), path="/", secure=True, httponly=True, samesite="Lax"
        )
        return response


def forget_place(email: str) -> None:
    """Forget this network address of an account that was deleted.

    Raises:
        redis.RedisError: Redis is away.
    """
    _get_redis().delete(_build_key(email))


def get_network() -> str:
    """Return the network address to count by. Of IPv6 it is the subscriber's whole /64, who may use any of it."""
    return group_network_address(request.remote_addr or "nobody")


def read_email(body: object) -> str:
    """Return the e-mail address that a body names; "" where it names none."""
    email = body.get("email") if isinstance(body, Mapping) else None
    return email if isinstance(email, str) else ""


def digest_account(email: str) -> str:
    """Return a digest of an account by its e-mail address: Redis must not hold addresses."""
    return hashlib.sha256(fold_address(email).encode("utf-8", "replace")).hexdigest()


def digest_at(account: str, place: str) -> str:
    """Return a digest of an account and a place."""
    return hashlib.sha256(f"{account} {place}".encode()).hexdigest()


def _hash_account(email: str) -> list[str]:
    """Return how the cookie names an account: its reader cannot find the address by trying."""
    text = f"known-browser:{digest_account(email)}"
    return [each.hex()[:16] for each in lookup_hashes(text)]


def _build_key(email: str) -> str:
    return f"api:known-address:{digest_at(digest_account(email), get_network())}"


@lru_cache(maxsize=2)
def _get_client(_url: str) -> Redis:
    return open_redis(PATIENCE)


def _get_redis() -> Redis:
    return _get_client(settings().require("redis_url"))
