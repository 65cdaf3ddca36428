"""Access to an organisation in a request: its caller, read in the transaction of what the caller does."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import g
from sqlalchemy.orm import Session

from api.models.base import session
from api.organisations.callers import Caller, read_caller
from api.web.auth import current_user_id


@contextmanager
def as_caller() -> Iterator[tuple[Session, Caller]]:
    """Give a transaction and the signed-in member who acts in it.

    Raises:
        ApiError: as `read_caller`.
    """
    with session() as s:
        yield s, read_caller(s, current_user_id(), g.request_id)
