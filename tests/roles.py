"""Each program's statements and commands run under its role and its user of Redis, as in production; a test's own do not.

A connection gets the role of the code that takes it from the pool: of the program whose function the test called, found
by the stack. So fixtures write what they like, and a missing grant or rule fails a test.
"""

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import redis.asyncio
import sqlalchemy as sa

from configs.ground.redis import OWNER as REDIS_OWNER

if TYPE_CHECKING:
    from types import FrameType

_ROOT = Path(__file__).parents[1]
_TESTS = f"{_ROOT}/tests/"
_OWNER = "none"  # SET ROLE NONE: the login itself
# The longest beginning counts. What is not named takes the role of its caller.
_ROLES = {
    "api/": "rdvpriority_api",
    "api/admin/health/": "rdvpriority_background",  # on threads of its own; the API asks it too, and may do more
    "api/admin/health/status_report.py": "rdvpriority_api",
    "api/admin/health/findings.py": None,  # the thread, whose function says whose it is
    "api/jobs/": "rdvpriority_background",
    "api/privacy/export_": "rdvpriority_background",
    "api/prefectures/desk_days.py": "rdvpriority_background",
    "api/payments/invoices/issuing.py": "rdvpriority_background",
    "api/payments/invoices/__main__.py": "rdvpriority_background",
    "api/payments/exchange/commands.py": "rdvpriority_background",
    "api/payments/exchange/jobs.py": "rdvpriority_background",
    "api/payments/exchange/book_checks.py": "rdvpriority_background",
    "api/payments/exchange/reconciliation.py": "rdvpriority_background",
    "api/migrations/": _OWNER,
    "api/models/": None,
    "crawler/": "rdvpriority_crawler",
    "crawler/proofs/__main__.py": "rdvpriority_proofs",  # a user of Redis, no role of the database
    "crawler/proofs/job.py": "rdvpriority_proofs",
    "api/stream/": "rdvpriority_stream",
    "deploy/": _OWNER,
    "deploy/metrics/": "rdvpriority_reader",
    "deploy/status.py": "rdvpriority_reader",
    "notifier/": "rdvpriority_notifier",
    "notifier/__init__.py": None,
    "notifier/receipts.py": "rdvpriority_api",  # webhooks
}
_ROLE = "role"  # in a connection's info
USERS = "TEST_REDIS_USERS"  # their passwords, as JSON


def act_as_programs(engine: sa.Engine) -> None:
    """Have the connections of an engine take the role of the code that asks for them."""
    sa.event.listen(engine, "checkout", _take_role)


def _take_role(connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
    role = find_role()
    if record.info.get(_ROLE, _OWNER) == role:
        return
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {role}")
        record.info[_ROLE] = role
    except psycopg2.Error:
        pass  # it is broken, and the statement fails as in life; or a program's own login, which has one role
    finally:
        if not connection.closed:
            connection.autocommit = False


def find_role() -> str:
    """Return the role of the program whose code a test called, or that a thread runs; the owner's for a test's own."""
    frame: FrameType | None = sys._getframe(1)
    role = _OWNER
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_TESTS) and file != __file__:
            break
        role = _role_of(file) or role
        frame = frame.f_back
    return role


@cache
def _role_of(file: str) -> str | None:
    own = [each for each in _ROLES if file.startswith(f"{_ROOT}/{each}")]
    return _ROLES[max(own, key=len)] if own else None


def act_as_users() -> None:
    """Have connections to the tests' Redis take the user of the code that asks for them."""
    ask, ask_async = redis.ConnectionPool.get_connection, redis.asyncio.ConnectionPool.get_connection

    def get_connection(pool: redis.ConnectionPool, *given: Any, **named: Any) -> Any:
        connection, user = ask(pool, *given, **named), find_user()
        if _differs(connection, user):
            connection.send_command("AUTH", user, _passwords()[user])  # type: ignore[no-untyped-call]
            connection.read_response()
        return connection

    async def get_async_connection(pool: redis.asyncio.ConnectionPool, *given: Any, **named: Any) -> Any:
        user = find_user()
        connection = await ask_async(pool, *given, **named)  # type: ignore[no-untyped-call]
        if _differs(connection, user):
            await connection.send_command("AUTH", user, _passwords()[user])
            await connection.read_response()
        return connection

    setattr(redis.ConnectionPool, "get_connection", get_connection)  # noqa: B010 -- it has overloads
    setattr(redis.asyncio.ConnectionPool, "get_connection", get_async_connection)  # noqa: B010 -- as above


def find_user() -> str:
    """Return the user of Redis of the program whose code a test called; the owner for a test's own calls."""
    role = find_role().removeprefix("rdvpriority_")
    return role if role in _passwords() else REDIS_OWNER


def _differs(connection: Any, user: str) -> bool:
    """Note whose a connection is from now on; tell whether it was another's. A program's own login stays."""
    if f":{getattr(connection, 'port', 0)}/" not in os.environ["TEST_REDIS"] or connection.username not in (
        None,
        REDIS_OWNER,
    ):
        return False
    before = getattr(connection, _ROLE, REDIS_OWNER)
    setattr(connection, _ROLE, user)
    return bool(before != user)


@cache
def _passwords() -> dict[str, str]:
    found: dict[str, str] = json.loads(os.environ[USERS])
    return found
