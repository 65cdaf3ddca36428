"""Signed tokens: good for one purpose (scope) and for a time; they hide nothing.

JWT_SECRET signs what the API hands out and reads itself, LINK_KEY the links in messages
(configs/ground/signed_links.py).
"""

import hashlib
import hmac
from functools import lru_cache
from typing import Any, Literal

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from configs.ground.clock import clock
from configs.settings import settings

SigningKey = Literal["jwt_secret", "link_key"]
SKEW = 60  # seconds that the clocks of two machines may differ
ISSUER = "rdvpriority"  # of access tokens
ACCESS_COOKIE = "__Host-access"  # where pages have them
STAFF_IDLE_SECONDS = 1800  # how long a login of the roles support and admin lasts without use


class LinkRefused(ValueError):
    """A token is not good: `reason` is `expired` (ours, too old) or `forged` (not ours, or of another scope)."""

    def __init__(self, reason: Literal["expired", "forged"]) -> None:
        super().__init__(f"this link is {reason}: ask for a new one")
        self.reason = reason


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        """Ask our clock, which tests freeze."""
        return int(clock().timestamp())


def read_signing_keys(key: SigningKey = "jwt_secret") -> tuple[str, ...]:
    """Return the values of a key, of JWT_SECRET with JWT_SECRET_PREVIOUS last: the first one signs, all verify.

    Raises:
        configs.settings.SettingMissing: the key is not set.
    """
    previous = settings().jwt_secret_previous if key == "jwt_secret" else None
    return (*settings().require_all(key), *([previous.get_secret_value()] if previous else []))


def find_signing_key(name: object) -> str:
    """Return the value of JWT_SECRET that a token's header names (`kid`); without a name, the one that signs now."""
    keys = read_signing_keys()
    return next((each for each in keys if name_key(each) == name), keys[0])


def name_key(key: str) -> str:
    """Return a short name that tells a key from the one before it and reveals neither."""
    return hmac.new(key.encode(), b"rdvpriority.key-name", hashlib.sha256).hexdigest()[:8]


def get_serializer(scope: str, key: SigningKey = "jwt_secret") -> URLSafeTimedSerializer:
    """Return what signs for this scope as `sign` does.

    Raises:
        configs.settings.SettingMissing: the key is not set.
    """
    return _serializer(read_signing_keys(key), scope)


@lru_cache(maxsize=64)
def _serializer(keys: tuple[str, ...], scope: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        list(reversed(keys)),  # the last one signs, all verify
        salt=f"rdvpriority.{scope}",
        signer=_Signer,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def sign(scope: str, payload: Any, key: SigningKey = "jwt_secret") -> str:
    """Return a token that carries the payload (plain JSON values) and the moment; safe in an address.

    Raises:
        configs.settings.SettingMissing: the key is not set.
    """
    return str(get_serializer(scope, key).dumps(payload))


def unsign(scope: str, token: str, max_age_seconds: float | None, key: SigningKey = "jwt_secret") -> Any:
    """Return the payload of a token signed for this scope at most that long ago; None: at any time.

    Raises:
        LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: the key is not set.
    """
    serializer = get_serializer(scope, key)
    try:
        payload, signed_at = serializer.loads(token, return_timestamp=True)
    except (BadData, UnicodeError):  # UnicodeError: a lone surrogate is no token either
        raise LinkRefused("forged") from None
    age = (clock() - signed_at).total_seconds()
    if age < -SKEW:
        raise LinkRefused("forged")
    if max_age_seconds is not None and age > max_age_seconds:
        raise LinkRefused("expired")
    return payload
