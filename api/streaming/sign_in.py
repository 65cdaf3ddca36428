"""Sign-in of live streams: the access token of a login, from a header or a page's cookie. Free of Flask."""

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt

from api.streaming.database import Reader
from configs.ground.clock import clock
from configs.ground.signing import SKEW, read_signing_keys

# How long a login of the roles support and admin lasts without use
STAFF_IDLE_SECONDS = 1800

COOKIE = "__Host-access"
_ISSUER = "rdvpriority"  # as api/middleware/auth.py writes it
_ALGORITHM = "HS256"
_LONGEST = 4096  # characters of a token
_USER = "user"  # the role of who is no operator
_ALIVE = """
SELECT l.id, u.id, u.role, u.token_version, l.last_used_at FROM logins l JOIN users u ON u.id = l.user_id
WHERE l.id = ANY(%(logins)s::uuid[]) AND l.ended_at IS NULL AND l.expires_at > %(now)s
"""


@dataclass(frozen=True, slots=True)
class StreamLogin:
    """Whose stream it is, and the login that it ends with."""

    user_id: UUID
    login_id: UUID


def read_login(reader: Reader, token: str) -> StreamLogin | None:
    """Return the login of an access token that is good now; None for any other text."""
    try:
        claims = _decode(token)
        user_id, login_id, version = UUID(claims["sub"]), UUID(claims["login"]), int(claims["ver"])
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None
    if claims.get("type") != "access":
        return None
    alive = {row[1:4:2] for row in _read_alive(reader, [login_id])}
    return StreamLogin(user_id, login_id) if (user_id, version) in alive else None


def find_ended(reader: Reader, login_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the logins that have ended by now, in one statement."""
    return set(login_ids) - {row[0] for row in _read_alive(reader, login_ids)}


def _read_alive(reader: Reader, login_ids: Collection[UUID]) -> list[tuple[Any, ...]]:
    """Return login, user, role, token version and last use of those that are good now.

    One of the staff that was left alone is not: a stream is no use of it.
    """
    rows = reader.fetch(_ALIVE, {"logins": [str(each) for each in login_ids], "now": clock()})
    idle = timedelta(seconds=STAFF_IDLE_SECONDS)
    return [row for row in rows if row[2] == _USER or clock() - row[4] <= idle]


def _decode(token: str) -> dict[str, Any]:
    if len(token) > _LONGEST:
        raise jwt.InvalidTokenError
    named = jwt.get_unverified_header(token).get("kid")
    keys = read_signing_keys()
    key = next((each for each in keys if _name_key(each) == named), keys[0])
    return jwt.decode(token, key, algorithms=[_ALGORITHM], issuer=_ISSUER, leeway=SKEW)


def _name_key(key: str) -> str:
    return hmac.new(key.encode(), b"rdvpriority.key-name", hashlib.sha256).hexdigest()[:8]
