"""Pages around a sign-in: signing in and out, registering, confirming, a forgotten password, a recent proof."""

from urllib.parse import urlencode
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from api.accounts.schemas import RegistrationForm
from api.auth import service as accounts
from api.auth.access import check_code, check_password, open_login, prove_identity
from api.auth.factor_end import WAITING_TIME
from api.auth.login_challenges import sign_challenge
from api.auth.logins import end_login
from api.auth.schemas import EmailBody, LoginBody, ProofBody, TotpLoginBody
from api.models.base import new_id, write_once
from api.models.login import EndedBecause
from api.models.user import User
from api.pages.area import Access, Area
from api.pages.cookies import add_notice, drop_login, keep_login, lead_to, owns_form_token
from api.pages.forms import Form
from api.pages.lost_sessions import (
    RESUMED_FIELD,
    build_target_url,
    read_held_form,
    read_target,
    render_held_form,
)
from api.web.auth import current_identity, current_login_id, current_user, current_user_id
from api.web.doors import Door
from api.web.known_places import remember_registration
from api.web.languages import read_language
from api.web.stranger_mail import count_mail, count_mail_from_network, may_mail_to
from configs.world.plan import PlanName

_NEW_ALERT = "alert_pages.show_new_alert"
_ORDER = "plan.show_order"
_WISH = ("prefecture", "procedure")
area = Area("sign_in", __name__)
_INVALID = 422


def find_wished_plan() -> str:
    """Return the plan that the address names; the empty text without one of ours."""
    named = request.args.get("plan", "")
    return named if named in {each.value for each in PlanName if each is not PlanName.NONE} else ""


def find_next_target() -> str | None:
    """Return the target after the sign-in: the order of a wished plan, or the form of a new alert, with the wish."""
    wish = {name: request.args[name][:200] for name in _WISH if request.args.get(name)}
    if plan := find_wished_plan():
        return f"{_ORDER}?{urlencode({'plan': plan} | wish)}"
    return f"{_NEW_ALERT}?{urlencode(wish)}" if wish else request.args.get("next")


@area.page("/login", Access.VISITOR)
def show_sign_in() -> str:
    """Show the form for address and password."""
    return render_template("sign_in/sign_in.html", form=Form(LoginBody), next=request.args.get("next"))


@area.action("/login", Access.VISITOR, door=Door.SIGN_IN)
def sign_in() -> ResponseReturnValue:
    """Sign in, or ask for the code of the second factor."""
    form = Form.read(LoginBody)
    user = form.submit(check_password, "password")
    if user is None:
        return render_template("sign_in/sign_in.html", form=form, **_read_way_on()), _INVALID
    if user.has_second_factor:
        return _render_code(Form(TotpLoginBody), sign_challenge(user))
    return _go_on(user)


@area.action("/login/code", Access.VISITOR, door=Door.CODE)
def sign_in_with_code() -> ResponseReturnValue:
    """Finish the sign-in of an account with a second factor."""
    form = Form.read(TotpLoginBody)
    user = form.submit(check_code, "code")
    if user is None:
        return _render_code(form, request.form.get("challenge", "")), _INVALID
    return _go_on(user)


@area.action("/logout", Access.PERSONAL, unconfirmed=True)
def sign_out() -> ResponseReturnValue:
    """End this login."""
    write_once(end_login, current_login_id(), EndedBecause.LOGGED_OUT)
    drop_login()
    return lead_to("sign_in.show_sign_in", _("Vous êtes déconnecté."))


@area.page("/register", Access.VISITOR)
def show_registration() -> str:
    """Show the form for a new account; Checkout leads back here where it was left."""
    form = Form(RegistrationForm, {"plan": find_wished_plan()})
    cancelled = request.args.get("payment") == "cancelled"
    return render_template("sign_in/register.html", form=form, cancelled=cancelled, next=find_next_target())


@area.action("/register", Access.VISITOR, door=Door.REGISTRATION)
def register() -> ResponseReturnValue:
    """Open an account. The answer never tells whether the address was known."""
    form = Form.read(RegistrationForm)
    if not form.errors:
        count_mail(form.value.email)
    form.submit(_register, "password")
    if form.errors:
        return render_template("sign_in/register.html", form=form, next=request.form.get("next")), _INVALID
    target = read_target(request.form.get("next"))
    return lead_to("sign_in.show_confirmation", next=target)


@area.page("/confirm", Access.VISITOR)
def show_confirmation() -> str:
    """Say that a mail is on its way, and what to do with it."""
    return render_template("sign_in/confirm.html", next=request.args.get("next"))


@area.action("/confirm", Access.PERSONAL, unconfirmed=True)
def send_confirmation() -> ResponseReturnValue:
    """Send the mail that confirms the address once more."""
    count_mail(current_user().email)
    write_once(accounts.send_confirmation, current_user_id())
    text = _("Un message est en route. Ouvrez-le pour confirmer votre adresse.")
    return lead_to("dashboard.show_dashboard", text)


@area.page("/forgot", Access.VISITOR)
def show_forgotten() -> str:
    """Show the form that asks for a link to a new password."""
    return render_template("sign_in/forgot.html", form=Form(EmailBody))


@area.action("/forgot", Access.VISITOR, door=Door.RESET_MAIL)
def send_reset() -> ResponseReturnValue:
    """Send the link, where the address has an account."""
    form = Form.read(EmailBody)
    if form.errors:
        return render_template("sign_in/forgot.html", form=form), _INVALID
    count_mail_from_network()
    accounts.send_reset_mail(form.value.email, may_mail_to)
    text = _("Si un compte a cette adresse, un message est en route. Il contient un lien.")
    return lead_to("sign_in.show_sign_in", text)


@area.page("/prove", Access.PERSONAL)
def show_proof() -> str:
    """Ask for the password once more."""
    return _render_proof(Form(ProofBody), next=request.args.get("next"))


@area.action("/prove", Access.PERSONAL)
def prove() -> ResponseReturnValue:
    """Take the password once more, and go on to the page that needed it."""
    form = Form.read(ProofBody)
    form.submit(prove_identity, "password")
    if form.errors:
        return _render_proof(form, **_read_way_on()), _INVALID
    return _lead_on(current_user_id())


def _register(form: RegistrationForm) -> None:
    wish, registration_id = form.model_copy(update={"language": read_language()}), new_id()
    accounts.register(wish, registration_id=registration_id)
    remember_registration(registration_id)


def _render_code(form: Form[TotpLoginBody], challenge: str) -> str:
    return render_template(
        "sign_in/code.html", form=form, challenge=challenge, waiting_days=WAITING_TIME.days, **_read_way_on()
    )


def _render_proof(form: Form[ProofBody], **way_on: str | None) -> str:
    needs_code = current_identity().totp_confirmed_at is not None
    return render_template("sign_in/proof.html", form=form, needs_code=needs_code, **way_on)


def _read_way_on() -> dict[str, str | None]:
    """Return what a form carries through the sign-in: the page to lead to, and a form to send again."""
    return {"next": request.form.get("next"), "held": request.form.get(RESUMED_FIELD)}


def _go_on(user: User) -> ResponseReturnValue:
    keep_login(user, open_login(user))
    return _lead_on(user.id)


def _lead_on(user_id: UUID) -> ResponseReturnValue:
    if held := read_held_form(request.form.get(RESUMED_FIELD)):
        if owns_form_token(user_id, held.token):
            return render_held_form(held)
        add_notice("problem", _("Le formulaire gardé venait d’un autre compte : il n’a pas été envoyé."))
    target = build_target_url(request.form.get("next"))
    return redirect(target or url_for("dashboard.show_dashboard"), 303)
