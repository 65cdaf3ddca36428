"""Pages around a sign-in: signing in and out, registering, confirming, a forgotten password, a recent proof."""

import json
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.accounts.schemas import RegistrationForm
from api.admin.activity import count_step
from api.auth import openid
from api.auth import service as accounts
from api.auth.access import (
    check_code,
    check_password,
    hash_first_password,
    open_login,
    prove_identity,
    sign_challenge,
)
from api.auth.factor_end import WAITING_TIME
from api.auth.logins import end_login, note_proof
from api.auth.schemas import EmailBody, FirstPasswordBody, LoginBody, ProofBody, TotpLoginBody
from api.ground.errors import ApiError
from api.ground.limit_counters import hit_limit
from api.models.base import read_once, write_once
from api.models.login import EndedBecause
from api.models.user import User
from api.pages.area import Access, Area
from api.pages.context import read_source
from api.pages.cookies import add_notice, drop_login, find_login, keep_login, lead_to, owns_form_token
from api.pages.forms import INVALID, Form, Texts
from api.pages.lost_sessions import (
    RESUMED_FIELD,
    build_target_url,
    read_held_form,
    read_target,
    render_held_form,
)
from api.pages.plan.order import read_plan_name
from api.pages.provider_sign_in import (
    find_return_url,
    lead_to_provider,
    refuse_provider,
    take_question,
)
from api.pages.registration_state import RegistrationState, describe_choice, forget_registration
from api.users.schemas import CodeOfPhone
from api.web.auth import current_identity, current_login_id, current_user, current_user_id
from api.web.doors import Door
from api.web.known_places import digest_account, get_network, remember_registration
from api.web.languages import read_language
from api.web.stranger_mail import count_mail, count_mail_from_network, may_mail_to

_NEW_ALERT = "alert_pages.show_new_alert"
_ORDER = "plan.show_order"
_WISH = ("prefecture", "procedure")  # in addresses
_LONGEST_WISH = 1000  # characters
CODE_TEXTS: Texts = {
    ("code", "string_pattern_mismatch"): _l("Le code a six chiffres."),
    ("code", "wrong_code"): _l(
        "Ce code est faux, ou il a plus de 15 minutes. Après cinq essais, il faut un nouveau message."
    ),
    "too-many-tries": _l("Trop d’essais aujourd’hui. Ouvrez le message, et appuyez sur son bouton."),
}
area = Area("sign_in", __name__)
_ON_ITS_WAY = _l("Un message est en route. Ouvrez-le pour confirmer votre adresse.")
_MAILS = "5 per day"  # mails of one registration, whatever its address
_CORRECTIONS = "3 per day"
_ANSWERS = "100 per 15 minutes"  # that the provider is asked about, from one network address
_TRIES = "10 per day"  # tries of codes for one address, whatever the registration


def find_next_target() -> str | None:
    """Return the target after the sign-in: the order of a wished plan, or the form of a new alert, with the wish."""
    wish = {name: request.args[name][:200] for name in _WISH if request.args.get(name)}
    plan, desk, alert = read_plan_name(), request.args.get("desk", "")[:200], request.args.get("alert", "")
    if desk:
        wish = {"alert": json.dumps({"deskIds": [desk]})} if plan else {"desk": desk}
    elif alert and len(alert) <= _LONGEST_WISH:
        wish = {"alert": alert}
    if plan:
        return f"{_ORDER}?{urlencode({'plan': plan} | wish)}"
    return f"{_NEW_ALERT}?{urlencode(wish)}" if wish else request.args.get("next")


@area.page("/login", Access.VISITOR)
def show_sign_in() -> ResponseReturnValue:
    """Show the form for address and password; who is signed in is led on."""
    if find_login():
        return _lead_to(request.args.get("next"))
    return render_template("sign_in/sign_in.html", form=Form(LoginBody), next=request.args.get("next"))


@area.action("/login", Access.VISITOR, door=Door.SIGN_IN)
def sign_in() -> ResponseReturnValue:
    """Sign in, or ask for the code of the second factor."""
    form = Form.read(LoginBody)
    user = form.submit(check_password, "password")
    if user is None:
        return render_template("sign_in/sign_in.html", form=form, **_read_way_on()), INVALID
    if user.has_second_factor:
        return _render_code(Form(TotpLoginBody), sign_challenge(user))
    return _go_on(user)


@area.action("/login/code", Access.VISITOR, door=Door.CODE)
def sign_in_with_code() -> ResponseReturnValue:
    """Finish the sign-in of an account with a second factor."""
    form = Form.read(TotpLoginBody)
    found = form.submit(check_code, "code")
    if found is None:
        return _render_code(form, request.form.get("challenge", "")), INVALID
    return _go_on(*found)


@area.page("/login/fournisseur", Access.VISITOR)
def ask_provider() -> ResponseReturnValue:
    """Lead to the provider's sign-in; its answer comes to the page below."""
    return lead_to_provider(request.args.get("next"))


@area.page("/login/retour", Access.VISITOR)
def take_provider_answer() -> ResponseReturnValue:
    """Sign in, or link the account of who is signed in, as the provider answers this browser's own question."""
    asked, code = take_question(request.args.get("state")), request.args.get("code")
    if asked is None or code is None:
        return refuse_provider("", links=asked is not None and asked.user_id is not None)
    hit_limit(_ANSWERS, "provider", get_network())
    try:
        answer = openid.read_answer(asked.question, code, find_return_url())
        if asked.user_id:
            return _link(asked.user_id, answer)
        user = write_once(openid.find_user, answer, read_language())
    except openid.ProviderFailed:
        return refuse_provider("", links=asked.user_id is not None)
    except ApiError as error:
        return refuse_provider(error.word, links=asked.user_id is not None)
    is_proof = user.password_hash is None
    if user.has_second_factor:
        challenge = sign_challenge(user, is_proof=is_proof)
        return _render_code(Form(TotpLoginBody), challenge, next=asked.target, held=None)
    keep_login(user, open_login(user, is_proof=is_proof))
    return _lead_to(asked.target or user.wished_page)


def _link(user_id: str, answer: openid.ProviderAnswer) -> ResponseReturnValue:
    login = find_login()
    if login is None or str(login.user_id) != user_id:
        return refuse_provider("")
    write_once(openid.link_provider, login.user_id, answer)
    return lead_to("security.show_security", _("C’est lié."))


@area.action("/logout", Access.PERSONAL, unconfirmed=True)
def sign_out() -> ResponseReturnValue:
    write_once(end_login, current_login_id(), EndedBecause.LOGGED_OUT)
    drop_login()
    return lead_to("sign_in.show_sign_in", _("Vous êtes déconnecté."))


@area.page("/register", Access.VISITOR)
def show_registration() -> ResponseReturnValue:
    """Show the form for a new account; who is signed in is led on. Checkout leads back here where it was left."""
    form = Form(RegistrationForm, {"plan": read_plan_name() or ""})
    cancelled = request.args.get("payment") == "cancelled"
    if not cancelled and find_login():
        return _lead_to(find_next_target())
    return _render_registration(form, find_next_target(), cancelled=cancelled)


@area.action("/register", Access.VISITOR, door=Door.REGISTRATION)
def register() -> ResponseReturnValue:
    """Open an account. The answer never tells whether the address was known."""
    form = Form.read(RegistrationForm)
    if not form.errors:
        count_mail(form.value.email)
    form.submit(_register, "password")
    if form.errors:
        return _render_registration(form, request.form.get("next")), INVALID
    return lead_to("sign_in.show_confirmation", next=read_target(request.form.get("next")))


@area.page("/confirm", Access.VISITOR)
def show_confirmation() -> ResponseReturnValue:
    """Say where a mail is on its way to, and take the code that it has; who is confirmed is led on."""
    login = find_login()
    if login and login.verified_at:
        return _lead_to(request.args.get("next"))
    if login and RegistrationState.read() is None:
        _keep_own_registration()
    state = RegistrationState.read()
    return _render_confirmation(Form(CodeOfPhone, {"email": state.email} if state else None))


@area.action("/confirm/code", Access.VISITOR, door=Door.CONFIRMATION)
def take_code() -> ResponseReturnValue:
    """Confirm the address by the code in the mail, and go on as signed in."""
    form, state = Form.read(CodeOfPhone, CODE_TEXTS), RegistrationState.read()
    if state is None:
        return lead_to("sign_in.show_confirmation", str(CODE_TEXTS["code", "wrong_code"]), "problem")
    user = form.submit(lambda typed: _confirm(state, typed), "code")
    if user is None:
        return _render_confirmation(form), INVALID
    forget_registration()
    keep_login(user, open_login(user))
    add_notice("done", _("Votre adresse est confirmée."))
    return _lead_to(user.wished_page or state.target)


@area.action("/confirm/renvoi", Access.VISITOR, door=Door.REGISTRATION)
def repeat_mail() -> ResponseReturnValue:
    """Send the mail of this browser's registration again."""
    return _repeat(None)


@area.action("/confirm/adresse", Access.VISITOR, door=Door.REGISTRATION)
def correct_address() -> ResponseReturnValue:
    """Send the mail of this browser's registration to another address: the first one was mistyped."""
    form = Form.read(EmailBody)
    if form.errors and RegistrationState.read():
        return _render_confirmation(form), INVALID
    return _repeat(None if form.errors else form.value.email)


@area.action("/confirm", Access.PERSONAL, unconfirmed=True)
def send_confirmation() -> ResponseReturnValue:
    """Send the mail that confirms the address once more."""
    count_mail(current_user().email)
    write_once(accounts.send_confirmation, current_user_id())
    return lead_to("dashboard.show_dashboard", str(_ON_ITS_WAY))


@area.page("/forgot", Access.VISITOR)
def show_forgotten() -> str:
    """Show the form that asks for a link to a new password."""
    return render_template("sign_in/forgot.html", form=Form(EmailBody))


@area.action("/forgot", Access.VISITOR, door=Door.RESET_MAIL)
def send_reset() -> ResponseReturnValue:
    """Send the link, where the address has an account."""
    form = Form.read(EmailBody)
    if form.errors:
        return render_template("sign_in/forgot.html", form=form), INVALID
    count_mail_from_network()
    accounts.send_reset_mail(form.value.email, may_mail_to)
    text = _("Si un compte a cette adresse, un message est en route. Il contient un lien.")
    return lead_to("sign_in.show_sign_in", text)


@area.page("/prove", Access.PERSONAL)
def show_proof() -> str:
    """Ask for the password once more, or for a first one."""
    return _render_proof(Form(ProofBody), next=request.args.get("next"))


@area.action("/prove", Access.PERSONAL)
def prove() -> ResponseReturnValue:
    """Take the password once more, or a first one, and go on to the page that needed it."""
    form: Form[Any] = Form.read(ProofBody if current_identity().has_password else FirstPasswordBody)
    form.submit(prove_identity if current_identity().has_password else _choose_password, "password")
    if form.errors:
        return _render_proof(form, **_read_way_on()), INVALID
    return _lead_on(current_user_id(), "proof")


def _register(form: RegistrationForm) -> None:
    wish = form.model_copy(update={"language": read_language()})
    target = read_target(request.form.get("next"))
    page, address = _choose_stored(target), request.remote_addr
    id, password_hash = accounts.register(wish, wished_page=page, takes_code=True, address=address)
    remember_registration(id)
    count_step("register", read_source())
    RegistrationState(str(id), form.email, password_hash, form.plan, target).keep()


def _choose_stored(target: str | None) -> str | None:
    choice = describe_choice(target)
    return target if choice is None or choice.may_be_stored else None


def _confirm(state: RegistrationState, typed: CodeOfPhone) -> User:
    try:
        hit_limit(_TRIES, "confirmation-code", digest_account(state.email))
    except ApiError as error:
        raise ApiError(422, "too-many-tries", error.detail) from None
    return accounts.confirm_by_code(UUID(state.id), state.email, typed.code)


def _repeat(email: str | None) -> ResponseReturnValue:
    """Send the mail of this browser's registration, also to another address, in the same words for every address."""
    state = RegistrationState.read()
    if state is None:
        return lead_to("sign_in.show_registration")
    try:
        if email:
            hit_limit(_CORRECTIONS, "corrections", state.id)
            state = replace(state, email=email)
        hit_limit(_MAILS, "registration-mails", state.id)
        count_mail(state.email)
    except ApiError:
        text = _("C’est assez de messages pour aujourd’hui. Cherchez le dernier, ou réessayez demain.")
        return lead_to("sign_in.show_confirmation", text, "problem", next=state.target)
    page = _choose_stored(state.target)
    write_once(
        accounts.repeat_registration, state.form, UUID(state.id), state.password_hash, page,
        address=request.remote_addr,
    )  # fmt: skip
    state.keep()
    return lead_to("sign_in.show_confirmation", str(_ON_ITS_WAY), next=state.target)


def _render_registration(form: Form[Any], target: str | None, *, cancelled: bool = False) -> str:
    choice = describe_choice(read_target(target))
    return render_template(
        "sign_in/register.html", form=form, cancelled=cancelled, next=target, choice=choice
    )


def _render_confirmation(form: Form[Any]) -> str:
    state = RegistrationState.read()
    target = state.target if state else request.args.get("next")
    return render_template("sign_in/confirm.html", form=form, state=state, next=target)


def _keep_own_registration() -> None:
    """Have the browser know the registration of who is signed in there, so that its address can be corrected."""
    user = current_user()
    kept = read_once(accounts.find_own_registration, user)
    if kept and kept.password_hash:
        RegistrationState(
            str(kept.id), user.email, kept.password_hash, user.wished_plan, kept.wished_page
        ).keep()


def _render_code(form: Form[TotpLoginBody], challenge: str, **way_on: str | None) -> str:
    return render_template(
        "sign_in/code.html",
        form=form,
        challenge=challenge,
        waiting_days=WAITING_TIME.days,
        **(way_on or _read_way_on()),
    )


def _choose_password(wish: FirstPasswordBody) -> None:
    """Set the first password of an account, whose login came by a mail's link or a provider: that is a proof, too."""
    hashed = hash_first_password(wish)
    user, change = write_once(accounts.change_password, current_user_id(), current_login_id(), hashed)
    write_once(note_proof, current_login_id())
    keep_login(user, change)


def _render_proof(form: Form[Any], **way_on: str | None) -> str:
    needs_code = current_identity().totp_confirmed_at is not None
    return render_template("sign_in/proof.html", form=form, needs_code=needs_code, **way_on)


def _read_way_on() -> dict[str, str | None]:
    """Return what a form carries through the sign-in: the page to lead to, and a form to send again."""
    return {"next": request.form.get("next"), "held": request.form.get(RESUMED_FIELD)}


def _go_on(user: User, is_proof: bool = True) -> ResponseReturnValue:
    keep_login(user, open_login(user, is_proof=is_proof))
    return _lead_on(user.id, "login", user.wished_page)


def _lead_on(user_id: UUID, why: Literal["proof", "login"], wished: str | None = None) -> ResponseReturnValue:
    if held := read_held_form(request.form.get(RESUMED_FIELD)):
        if owns_form_token(user_id, held.token):
            return render_held_form(held, why)
        add_notice("problem", _("Le formulaire gardé venait d’un autre compte : il n’a pas été envoyé."))
    return _lead_to(request.form.get("next") or wished)


def _lead_to(target: str | None) -> ResponseReturnValue:
    return redirect(build_target_url(target) or url_for("dashboard.show_dashboard"), 303)
