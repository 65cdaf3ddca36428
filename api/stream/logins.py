"""Logins of live streams, and the notices of their users, read by psycopg2 alone.

SQLAlchemy and the records would be a third of the program's memory.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

import jwt
import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 -- it is a class
from psycopg2.extras import register_uuid

from api.models.session_options import set_session_options, wait_no_longer_than
from configs.ground.clock import clock
from configs.ground.database import database_seconds, database_url
from configs.ground.signing import ISSUER, SKEW, STAFF_IDLE_SECONDS, find_signing_key

DatabaseAway = psycopg2.Error
_ALGORITHM = "HS256"
_LONGEST = 4096  # characters of a token
_LOGINS = """
SELECT l.id, u.id, u.token_version, array_remove(array_agg(n.id), NULL)
FROM logins l JOIN users u ON u.id = l.user_id LEFT JOIN notices n ON n.user_id = u.id AND n.id > %(begin)s
WHERE l.id = ANY(%(logins)s::uuid[]) AND l.ended_at IS NULL AND l.expires_at > %(now)s
  AND (u.role = 'user' OR l.last_used_at >= %(idle)s)
GROUP BY l.id, u.id
"""
_OPTIONS: dict[str, Any] = {
    "application_name": "stream", "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}  # fmt: skip


class OpenLogin(NamedTuple):
    """A login that is good now, and what was written for its user lately."""

    id: UUID
    user_id: UUID
    version: int  # of the user's tokens
    notices: list[UUID]


class Reader:
    """One connection, by which statements of a millisecond take turns; each is a transaction of its own."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._turn = Lock()
        wait_no_longer_than(database_seconds())
        register_uuid()  # type: ignore[no-untyped-call]

    def read_logins(self, login_ids: Collection[UUID], begin: UUID) -> Mapping[UUID, OpenLogin]:
        """Return those of the logins that are good now, with their users' notices behind an id.

        One of the staff that was left alone is not good: a stream is no use of it. After an error the next call
        connects anew.

        Raises:
            DatabaseAway: it does not answer.
        """
        now, logins = clock(), [str(each) for each in login_ids]
        idle = now - timedelta(seconds=STAFF_IDLE_SECONDS)
        with self._turn:
            try:
                self._connection = self._connection or _connect()
                with self._connection.cursor() as cursor:
                    cursor.execute(_LOGINS, {"logins": logins, "begin": begin, "now": now, "idle": idle})
                    return {row[0]: OpenLogin(*row) for row in cursor.fetchall()}
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        made, self._connection = self._connection, None
        if made:
            made.close()


def _connect() -> Connection:
    made: Connection = psycopg2.connect(database_url().replace("+psycopg2", "", 1), **_OPTIONS)
    set_session_options(made, None)
    made.autocommit = True
    return made


def find_login(reader: Reader, token: str, begin: UUID) -> OpenLogin | None:
    """Return the login of an access token that is good now; None for any other text."""
    try:
        claims = _decode(token)
        user_id, login_id, version = UUID(claims["sub"]), UUID(claims["login"]), int(claims["ver"])
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return None
    if claims.get("type") != "access":
        return None
    found = reader.read_logins([login_id], begin).get(login_id)
    return found if found and (found.user_id, found.version) == (user_id, version) else None


def _decode(token: str) -> dict[str, Any]:
    if len(token) > _LONGEST:
        raise jwt.InvalidTokenError
    key = find_signing_key(jwt.get_unverified_header(token).get("kid"))
    return jwt.decode(token, key, algorithms=[_ALGORITHM], issuer=ISSUER, leeway=SKEW)
