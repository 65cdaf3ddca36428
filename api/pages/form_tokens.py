"""Tokens of forms: those of a login are its `csrf` claim, those of a visitor are signed and belong to a cookie."""

import hashlib
import secrets

from flask import Response, g, request
from flask_jwt_extended import get_jwt
from markupsafe import Markup

from configs.ground.signing import LinkRefused, sign, unsign

FIELD = "csrf_token"
COOKIE = "__Host-visitor"
_SCOPE = "visitor-form"
_SECONDS = 12 * 3600


class FormRefused(Exception):
    """A form has no good token: its session ended, or it comes from another site."""


def write_token_field() -> Markup:
    """Return the hidden field with the token of this page's forms."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, create_token())


def create_token() -> str:
    """Return the token for a form of this page."""
    if token := g.get("login_form_token"):  # of a login that this request opened
        return str(token)
    if g.get("page_user"):
        return str(get_jwt()["csrf"])
    return sign(_SCOPE, _digest(_get_visitor()))


def check_visitor_token() -> None:
    """Refuse a form without the token of this visitor.

    Raises:
        FormRefused: the form was open for too long, or the browser takes no cookies.
    """
    cookie = request.cookies.get(COOKIE)
    try:
        digest = unsign(_SCOPE, request.form.get(FIELD, ""), _SECONDS)
    except LinkRefused:
        digest = None
    if not cookie or digest != _digest(cookie):
        raise FormRefused


def comes_from_elsewhere() -> bool:
    """Return whether the browser says that another site sent this form.

    https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header; browsers without it send the origin, which is `null`
    from a page that hides where it is.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin != request.host_url.rstrip("/")


def send_visitor(response: Response) -> Response:
    """Set the cookie of a visitor who got a form, unless the browser has it."""
    if made := g.get("new_visitor"):
        response.set_cookie(COOKIE, made, secure=True, httponly=True, samesite="Lax")
    return response


def _get_visitor() -> str:
    kept = request.cookies.get(COOKIE) or g.get("new_visitor")
    if not kept:
        kept = g.new_visitor = secrets.token_urlsafe(24)
    return str(kept)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
