"""Answers to requests without the login, the recent proof or the form token that their page needs."""

from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from api.errors import ApiError
from api.logins.schemas import LoginBody, ProofBody
from api.middleware.problems import build_response
from api.pages.cookie_login import LoginNeeded, ProofNeeded, send_login
from api.pages.error_pages import wants_page
from api.pages.form_tokens import FormRefused, send_visitor
from api.pages.forms import Form
from api.pages.notices import send_notice
from api.pages.resumed_forms import ResumedForm, hold_form, render_held_form
from api.pages.targets import describe_target


def register_lost_sessions(app: Flask) -> None:
    """Send the cookies of pages, and let lost sessions go on where they were."""
    app.register_error_handler(LoginNeeded, _ask_login)
    app.register_error_handler(ProofNeeded, _ask_proof)
    app.register_error_handler(FormRefused, _ask_again)
    app.after_request(_send_cookies)


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
    return any(each in name.lower() for each in ("password", "code", "csrf", "setup"))


def _send_cookies(response: Response) -> Response:
    if "access" in g and g.access != "public":
        send_login(send_visitor(send_notice(response)))
    return response
