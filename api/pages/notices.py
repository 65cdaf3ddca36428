"""Notices: one sentence that the next page shows, kept in a signed cookie for a minute. Text only."""

from typing import Literal

from flask import Response, g, request

from configs.ground.signing import LinkRefused, sign, unsign

COOKIE = "__Host-notice"
_SECONDS = 60
_LONGEST = 500  # characters
_SCOPE = "page-notice"
Kind = Literal["done", "problem"]


def add_notice(kind: Kind, text: str) -> None:
    """Show a sentence on the next page: `done`, or a `problem`. A later one of the same request replaces it."""
    g.notice_to_keep = [kind, str(text)[:_LONGEST]]


def take_notice() -> tuple[str, str] | None:
    """Return the kind and the text that the page before left; it is shown once."""
    if kept := request.cookies.get(COOKIE):
        g.notice_taken = True
        try:
            kind, text = unsign(_SCOPE, kept, _SECONDS)
        except (LinkRefused, TypeError, ValueError):
            return None
        return str(kind), str(text)
    return None


def send_notice(response: Response) -> Response:
    """Set the cookie for a new notice, delete that of one which was shown."""
    if kept := g.get("notice_to_keep"):
        response.set_cookie(COOKIE, sign(_SCOPE, kept), _SECONDS, secure=True, httponly=True, samesite="Lax")
    elif g.get("notice_taken"):
        response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="Lax")
    return response
