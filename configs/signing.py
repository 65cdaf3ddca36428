"""Signed tokens for links: good for one purpose (scope) and for a time; they hide nothing."""

import hashlib
from functools import lru_cache
from typing import Any, Literal

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from configs.clock import clock
from configs.settings import settings

SKEW = 60  # seconds that the clocks of two machines may differ


class LinkRefused(ValueError):
    """A token is not good: `reason` is `expired` (ours, too old) or `forged` (not ours, or of another scope)."""

    def __init__(self, reason: Literal["expired", "forged"]) -> None:
        super().__init__(f"this link is {reason}: ask for a new one")
        self.reason = reason


class _Signer(TimestampSigner):
    def get_timestamp(self) -> int:
        """Ask our clock, which tests freeze."""
        return int(clock().timestamp())


def read_signing_keys() -> tuple[str, ...]:
    """Return the values of JWT_SECRET and, last, JWT_SECRET_PREVIOUS: the first one signs, all verify.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    previous = settings().jwt_secret_previous
    return (*settings().require_all("jwt_secret"), *([previous.get_secret_value()] if previous else []))


@lru_cache(maxsize=64)
def _serializer(keys: tuple[str, ...], scope: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        list(reversed(keys)),  # the last one signs, all verify
        salt=f"rdvpriority.{scope}",
        signer=_Signer,
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )


def sign(scope: str, payload: Any) -> str:
    """Return a token that carries the payload (plain JSON values) and the moment; safe in an address.

    Raises:
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    return str(_serializer(read_signing_keys(), scope).dumps(payload))


def unsign(scope: str, token: str, max_age_seconds: float) -> Any:
    """Return the payload of a token signed for this scope at most that long ago.

    Raises:
        LinkRefused: it is expired or forged.
        configs.settings.SettingMissing: JWT_SECRET is not set.
    """
    serializer = _serializer(read_signing_keys(), scope)
    try:
        payload, signed_at = serializer.loads(token, return_timestamp=True)
    except (BadData, UnicodeError):  # UnicodeError: a lone surrogate is no token either
        raise LinkRefused("forged") from None
    age = (clock() - signed_at).total_seconds()
    if age < -SKEW:
        raise LinkRefused("forged")
    if age > max_age_seconds:
        raise LinkRefused("expired")
    return payload
