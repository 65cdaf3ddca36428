"""Forms whose session ended: what was typed goes on through the sign-in, signed, and is sent by one more press.

Its token tells whose login it was: in another account nothing of it is shown.
"""

from dataclasses import dataclass

from flask import render_template, request

from api.pages.form_tokens import FIELD as TOKEN
from api.pages.targets import build_target_url, describe_target
from configs.ground.signing import LinkRefused, sign, unsign

FIELD = "resumed"
_SCOPE = "resumed-form"
_SECONDS = 3600
_LONGEST = 16 * 1024  # bytes, signed
_LONGEST_TOKEN = 64  # characters
_UNTYPED = (FIELD, "next", "challenge", "alert", "paid", "consent.termsVersion")  # hidden fields
_SECRET = (
    "password",
    "code",
    "token",
    "secret",
    "challenge",
    "setup",
)  # in the name of a field that is never kept


@dataclass(frozen=True, slots=True)
class ResumedForm:
    """A form to send once more: where to, its fields in order, and the token that it carried."""

    url: str
    fields: list[tuple[str, str]]
    token: str = ""


def hold_form() -> str | None:
    """Return what this request posts, signed; None where it is too long. Passwords and codes are left out."""
    if request.method != "POST":
        return None
    fields = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != FIELD and not any(each in name.lower() for each in _SECRET)
    ]
    if sum(len(name) + len(value) for name, value in fields) > _LONGEST:
        return None
    text = sign(_SCOPE, [describe_target(), fields, request.form.get(TOKEN, "")[:_LONGEST_TOKEN]])
    return text if len(text) <= _LONGEST else None


def read_held_form(text: str | None) -> ResumedForm | None:
    """Return the held form; None where the text is too old or forged, or its target is no page of ours."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        target, sent, token = unsign(_SCOPE, text, _SECONDS)
        url, fields = build_target_url(target, "POST"), [(str(name), str(value)) for name, value in sent]
        return ResumedForm(url, fields, str(token)) if url else None
    except (LinkRefused, TypeError, ValueError):
        return None


def render_held_form(form: ResumedForm) -> str:
    """Return the page with the button that sends a held form, with a token of this login."""
    shown = [
        value for name, value in form.fields if value.strip() not in ("", "true") and name not in _UNTYPED
    ]
    return render_template("resumed.html", held=form, shown=shown)
