"""Doors: routes that need no login. Each says at its route what a stranger may try there, which decides its limits."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from flask import current_app, request

View = TypeVar("View", bound=Callable[..., Any])


class Door(StrEnum):
    """What a stranger may try at a route. `api/web/rate_limits.py` counts it; docs/api.md#limits has the figures."""

    SIGN_IN = "sign-in"  # guess a password
    CODE = "code"  # guess the code that follows a right password
    REGISTRATION = "registration"  # have a password hashed and a mail sent
    RESET_MAIL = "reset-mail"  # have the mail sent that leads to a new password
    CONFIRMATION = "confirmation"  # confirm an address by the token of a link
    CHOICE = "choice"  # have a chosen password hashed, by the token of a link
    SUPPORT = "support"  # store a request to support
    DECLARATION = "declaration"  # store a withdrawal or a notice of cancellation
    ONE_CLICK = "one-click"  # stop messages by the link of a mail: mail services do it for many readers
    SIGNED = "signed"  # act by what we signed and nobody guesses: counted as any request
    FREE = "free"  # read a file, or health, which needs no Redis: never counted


def declare_door(door: Door | Callable[..., Door]) -> Callable[[View], View]:
    """Declare what a stranger may try at a route; a function finds it by the arguments of the path.

    Use it below the decorator of the route.
    """

    def decorate(view: View) -> View:
        vars(view)["door"] = door
        return view

    return decorate


def find_door() -> Door | None:
    """Return what a stranger may try at the request's route; None where it reads, or needs a login."""
    declared: Door | Callable[..., Door] | None = read_mark("door", default=None)
    return declared(**(request.view_args or {})) if callable(declared) else declared


def read_mark(name: str, *, default: Any) -> Any:
    """Return what the view of the request's route declares under a name."""
    return getattr(current_app.view_functions.get(request.endpoint or ""), name, default)
