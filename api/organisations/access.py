"""Access to an organisation in a request: its caller, read in the transaction of what the caller does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask import g
from sqlalchemy.orm import Session

from api.ground.errors import ApiError
from api.models.base import session
from api.models.organisation_access import KeyScope
from api.organisations.callers import Caller, read_caller
from api.organisations.programs import read_key_caller
from api.web.auth import current_user_id
from api.web.organisation_keys import find_key

W = TypeVar("W")
R = TypeVar("R")


@contextmanager
def as_caller(
    scope: KeyScope | None = None, *, also_stopped: bool = False
) -> Iterator[tuple[Session, Caller]]:
    """Give a transaction and who acts in it: the signed-in member, or a key that has the scope.

    Raises:
        ApiError: as `read_caller` and `read_key_caller`; 403 scope-missing.
    """
    key = find_key()
    if key and scope not in key.scopes:
        raise ApiError(
            403, "scope-missing", f"this key has not the scope {scope}: an owner makes another one"
        )
    with session() as s:
        if key:
            yield s, read_key_caller(s, key, g.request_id)
        else:
            yield s, read_caller(s, current_user_id(), g.request_id, also_stopped=also_stopped)


def by_caller(act: Callable[[Session, Caller, W], R]) -> Callable[[W], R]:
    """Return an act of a member's form: it is done in a transaction of its own, as `as_caller` gives."""

    def run(wish: W) -> R:
        with as_caller() as (s, caller):
            return act(s, caller, wish)

    return run
