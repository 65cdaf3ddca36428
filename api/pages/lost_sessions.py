"""Error pages in the page's language, and answers to requests without the login, proof or token that a page needs.

What was typed goes on through the sign-in, signed, and is sent by one more press. Its token tells whose login it was:
in another account nothing of it is shown. Where a page leads on to is a target: a route name with its parameters,
never an address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from flask import Flask, Response, current_app, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from werkzeug.routing import BuildError

from api.auth.schemas import LoginBody, ProofBody
from api.ground.errors import ApiError
from api.pages.cookies import FORM_FIELD as TOKEN
from api.pages.cookies import FormRefused, LoginNeeded, ProofNeeded, Sessions, send_login
from api.pages.forms import Form
from api.web.problems import build_response, use_error_pages
from configs.ground.signing import LinkRefused, sign, unsign

_LONGEST_TARGET = 2000  # characters
_MOST_PARAMETERS = 20  # parameters
RESUMED_FIELD = "resumed"
_SCOPE = "resumed-form"
_SECONDS = 3600
_LONGEST = 16 * 1024  # bytes, signed
_LONGEST_TOKEN = 64  # characters
_LONGEST_SHOWN = 80  # characters of what a question repeats
_UNTYPED = (RESUMED_FIELD, "next", "challenge", "alert", "paid", "consent.termsVersion")  # hidden fields
_SECRET = (
    "password",
    "code",
    "token",
    "secret",
    "challenge",
    "setup",
)  # in names of fields that are never kept


# After a proof a form asks for its own last press, by its route; `%(typed)s` is what was typed into it.
_QUESTIONS: Mapping[str, LazyString] = {
    "channels.send_phone_code": _l("Envoyer un code au %(typed)s ?"),
    "channels.start_telegram": _l("Lier Telegram ?"),
    "preferences.change_address": _l("Changer l’adresse pour %(typed)s ?"),
    "security.change_password": _l("Changer le mot de passe ?"),
    "security.take_setup": _l("Ajouter le second facteur ?"),
    "security.renew_codes": _l("Remplacer les codes de secours ?"),
    "security.remove_factor": _l("Retirer le second facteur ?"),
    "personal_data.delete_account": _l("Supprimer le compte ?"),
    "organisation.end": _l("Mettre fin à l’organisation ?"),
}


def describe_target() -> str:
    """Return the target that this request asks for: `alerts.show_alert?id=…`."""
    arguments = request.args.to_dict(flat=False) | {
        name: [str(value)] for name, value in (request.view_args or {}).items()
    }
    text = f"{request.endpoint}?{urlencode(arguments, doseq=True)}".rstrip("?")
    return text if len(text) <= _LONGEST_TARGET else str(request.endpoint)


def read_target(text: str | None) -> str | None:
    """Return a target that an address may carry; None for any other text."""
    return text if text and len(text) <= _LONGEST_TARGET and build_target_url(text) else None


def build_target_url(text: str | None, method: str = "GET") -> str | None:
    """Return the address of a target; None where it names no page of ours for who is signed in."""
    endpoint, _, query = (text or "")[:_LONGEST_TARGET].partition("?")
    view = current_app.view_functions.get(endpoint)
    if not getattr(view, "is_personal", False) or not _answers(endpoint, method):
        return None
    try:
        # A name with an underscore in front would be an option of url_for: another host, another scheme.
        given = {
            name: value for name, value in parse_qsl(query, max_num_fields=_MOST_PARAMETERS) if name[0] != "_"
        }
        return url_for(endpoint, **dict[str, Any](given))
    except (BuildError, ValueError, IndexError, TypeError):  # TypeError: a name of url_for's own
        return None


def _answers(endpoint: str, method: str) -> bool:
    return any(method in (rule.methods or ()) for rule in current_app.url_map.iter_rules(endpoint))


@dataclass(frozen=True, slots=True)
class ResumedForm:
    """A form to send once more: where to, its fields in order, and the token that it carried."""

    url: str
    fields: list[tuple[str, str]]
    token: str = ""
    endpoint: str = ""


def hold_form() -> str | None:
    """Return what this request posts, signed; None where it is too long. Passwords and codes are left out."""
    if request.method != "POST":
        return None
    fields = [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != RESUMED_FIELD and not _is_secret(name)
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
        return ResumedForm(url, fields, str(token), str(target).partition("?")[0]) if url else None
    except (LinkRefused, TypeError, ValueError):
        return None


def render_held_form(form: ResumedForm, why: Literal["proof", "login", "token"] = "token") -> str:
    """Return the page with the button that sends a held form, with a token of this login.

    `why`: it waited for a proof or a login; or its own token was not that of who is signed in.
    """
    shown = [
        value for name, value in form.fields if value.strip() not in ("", "true") and name not in _UNTYPED
    ]
    question = _QUESTIONS.get(form.endpoint, _l("Continuer ?")) if why == "proof" else None
    asked = str(question) % {"typed": shown[0][:_LONGEST_SHOWN] if shown else ""} if question else None
    return render_template("resumed.html", held=form, shown=shown, why=why, question=asked)


def register_lost_sessions(app: Flask) -> None:
    """Send the cookies of pages, let lost sessions go on where they were, and answer errors by pages.

    Not below /api/, nor where a script asks for JSON.
    """
    app.session_interface = Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="__Host-session", SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Lax"
    )
    app.register_error_handler(LoginNeeded, _ask_login)
    app.register_error_handler(ProofNeeded, _ask_proof)
    app.register_error_handler(FormRefused, _ask_again)
    app.after_request(send_login)
    use_error_pages(app, wants_page, render_error)


def _ask_login(_: LoginNeeded) -> ResponseReturnValue:
    """Lead to the sign-in; what was posted goes with it."""
    if not wants_page():
        return build_response(ApiError(401, "not-signed-in", "this login ended: sign in again"))
    if request.method != "POST":
        return redirect(url_for("sign_in.show_sign_in", next=describe_target()), 303)
    page = render_template("sign_in/sign_in.html", form=Form(LoginBody), held=hold_form(), was_posted=True)
    return make_response(page, 401)


def _ask_proof(_: ProofNeeded) -> ResponseReturnValue:
    if request.method != "POST":
        return redirect(url_for("sign_in.show_proof", next=describe_target()), 303)
    needs_code = g.page_user.totp_confirmed_at is not None
    page = render_template(
        "sign_in/proof.html", form=Form(ProofBody), held=hold_form(), needs_code=needs_code
    )
    return make_response(page, 403)


def _ask_again(_: FormRefused) -> ResponseReturnValue:
    """Show what was posted, to be sent by one more press: the page was open for long, or under another login."""
    fields = [(name, value) for name, value in request.form.items(multi=True) if not _is_secret(name)]
    g.may_see_login = False
    return make_response(render_held_form(ResumedForm(request.full_path.rstrip("?"), fields)), 403)


def _is_secret(name: str) -> bool:
    return any(each in name.lower() for each in _SECRET)


_KNOWN = {403, 404, 410, 429, 500, 503}
_OF_OPERATORS = ("admins-only", "second-factor-needed")  # words of refusals of their area


def wants_page() -> bool:
    """Return whether this request's errors are answered by a page."""
    if request.path.startswith("/api/"):
        return False
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) != "application/json"


def render_error(error: ApiError) -> Response:
    """Return the page of an error; texts of the error itself are for programs, and not shown."""
    other = 500 if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else 400
    family = error.status if error.status in _KNOWN else other
    wait = error.headers.get("Retry-After", "")
    minutes = -(-int(wait) // 60) if wait.isdigit() else None
    if request.blueprint == "admin" and error.word in _OF_OPERATORS:
        page = render_template("admin/refused.html", word=error.word)
    else:
        page = render_template("errors/error.html", status=error.status, family=family, minutes=minutes)
    return make_response(page, error.status)
