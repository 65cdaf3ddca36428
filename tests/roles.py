"""Each program's statements run under its role, as in production; what a test itself asks runs as the owner.

A connection gets the role of the code that takes it from the pool: of the program whose function the test called, found
by the stack. So fixtures write what they like, and a missing grant fails a test.
"""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import sqlalchemy as sa

if TYPE_CHECKING:
    from types import FrameType

_ROOT = Path(__file__).parents[1]
_TESTS = f"{_ROOT}/tests/"
_OWNER = "none"  # SET ROLE NONE: the login itself
# The longest beginning counts. What is not named takes the role of its caller.
_ROLES = {
    "api/": "rdvpriority_api",
    "api/background/": "rdvpriority_background",
    "api/declarations/applying.py": "rdvpriority_background",  # the API calls it too, and may do more
    "api/exports/jobs.py": "rdvpriority_background",
    "api/invoices/issuing.py": "rdvpriority_background",
    "api/invoices/pdf_files.py": "rdvpriority_background",
    "api/operations/self_checks.py": "rdvpriority_background",
    "api/payments/executors.py": "rdvpriority_background",
    "api/payments/jobs.py": "rdvpriority_background",
    "api/payments/reconciliation.py": "rdvpriority_background",
    "api/migrations/": _OWNER,
    "api/models/": None,
    "crawler/": "rdvpriority_crawler",
    "deploy/": _OWNER,
    "deploy/status/": "rdvpriority_reader",
    "notifier/": "rdvpriority_notifier",
    "notifier/__init__.py": None,
    "notifier/call_answers.py": "rdvpriority_api",  # what Twilio asks the API during a call
    "notifier/receiving.py": "rdvpriority_api",  # webhooks
}
_ROLE = "role"  # in a connection's info


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
