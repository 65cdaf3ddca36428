"""Pages about security: logins, password, second factor, recovery codes."""

import re
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.accounts.queries import read_account
from api.auth import openid
from api.auth import service as accounts
from api.auth.access import hash_chosen_password
from api.auth.factor_end import keep_factor as keep_lost_factor
from api.auth.logins import end_one_login, end_other_logins, read_logins
from api.auth.schemas import PasswordBody, TotpConfirmation, TotpSetup
from api.auth.second_factor import (
    begin_setup,
    confirm_setup,
    remove_second_factor,
    renew_recovery_codes,
    resume_setup,
)
from api.ground.errors import ApiError
from api.models.base import autocommit_session, session, write_once
from api.models.user import User
from api.pages.area import Access, Area
from api.pages.assets import render_qr_code
from api.pages.cookies import comes_from_elsewhere, keep_login, lead_to
from api.pages.forms import INVALID, Form, Texts
from api.pages.provider_sign_in import lead_to_provider
from api.web.auth import current_identity, current_login_id, current_user, current_user_id, has_recent_proof

PASSWORD_TEXTS: Texts = {
    ("password", "missing"): _l("Écrivez un nouveau mot de passe."),
    ("password", "too_long"): _l("Un mot de passe a de 12 à 128 caractères."),
}
SETUP_TEXTS: Texts = {
    "wrong-code": _l("Ce n’est pas le code que l’application montre maintenant : essayez le suivant."),
}
REFUSED_SETUPS = {
    "wrong-setup": _l("Trop de temps a passé : commencez de nouveau."),
    "totp-exists": _l("Le second facteur est déjà en place. Sans codes de secours, demandez-en de nouveaux."),
    "totp-missing": _l("Ce compte n’a pas de second facteur."),
}
area = Area("security", __name__)


@area.page("/securite", Access.PERSONAL)
def show_security() -> str:
    """Show the logins, the form for a new password, and the second factor."""
    return _render_security(Form(PasswordBody))


@area.action("/securite/connexions/<uuid:id>", Access.PERSONAL)
def end_login(id: UUID) -> ResponseReturnValue:
    """End one login of the user; one that has ended stays so."""
    try:
        write_once(end_one_login, current_user_id(), id)
    except ApiError as error:
        if error.word != "not-found":
            raise
    return lead_to("security.show_security", _("Cette connexion est terminée."))


@area.action("/securite/autres-connexions", Access.PERSONAL)
def end_others() -> ResponseReturnValue:
    write_once(end_other_logins, current_user_id(), current_login_id())
    return lead_to("security.show_security", _("Toutes les autres connexions sont terminées."))


@area.action("/securite/mot-de-passe", Access.PROVEN)
def change_password() -> ResponseReturnValue:
    """Set another password; all other logins end."""
    form = Form.read(PasswordBody, PASSWORD_TEXTS)
    form.submit(_set_password, "password")
    if form.errors:
        return _render_security(form), INVALID
    return lead_to(
        "security.show_security",
        _("Votre mot de passe est changé, et toutes les autres connexions sont terminées."),
    )


@area.page("/securite/fournisseur", Access.PERSONAL)
def ask_provider() -> ResponseReturnValue:
    """Lead to the provider, to link the account; no other site's link begins that.

    The form of the proof may redirect to no other site (`form-action`), so its reader presses the link again after it.
    """
    if comes_from_elsewhere():
        raise ApiError(403, "foreign-form", "this link comes from another site")
    if not has_recent_proof():
        return lead_to("sign_in.show_proof", next="security.show_security")
    return lead_to_provider("security.show_security", current_user_id())


@area.action("/securite/sans-fournisseur", Access.PROVEN)
def unlink_provider() -> ResponseReturnValue:
    if not current_identity().has_password:  # the next sign-in by the provider would link it again
        return lead_to("sign_in.show_proof", next="security.show_security")
    write_once(openid.unlink_provider, current_user_id())
    return lead_to("security.show_security", _("Ce n’est plus lié."))


@area.page("/securite/application", Access.PROVEN)
def show_setup() -> ResponseReturnValue:
    """Show a new secret for an authenticator app. Nothing is stored until a code confirms it."""
    try:
        setup = begin_setup(current_user())
    except ApiError as error:
        return _refuse(error)
    return _render_setup(setup, Form(TotpConfirmation))


@area.action("/securite/application", Access.PROVEN)
def take_setup() -> ResponseReturnValue:
    """Put the second factor in force by a code of the app, and show the recovery codes, once."""
    form = Form.read(TotpConfirmation, SETUP_TEXTS)
    try:
        setup = resume_setup(current_user(), request.form.get("setup", ""))
    except ApiError as error:
        return _refuse(error)
    codes = form.submit(
        lambda given: write_once(confirm_setup, current_user_id(), given.setup, given.code), "code"
    )
    if codes is None:
        return _render_setup(setup, form), INVALID
    return render_template("security/codes.html", codes=codes)


@area.page("/securite/codes", Access.PERSONAL)
def show_codes() -> ResponseReturnValue:
    """Lead back: codes are shown once, by the answer to the form."""
    return lead_to("security.show_security")


@area.action("/securite/codes", Access.PROVEN)
def renew_codes() -> ResponseReturnValue:
    """Show new recovery codes, once; the old ones are good no more."""
    try:
        codes = write_once(renew_recovery_codes, current_user_id())
    except ApiError as error:
        return _refuse(error)
    return render_template("security/codes.html", codes=codes)


@area.action("/securite/sans-application", Access.PROVEN)
def remove_factor() -> ResponseReturnValue:
    with session() as s:
        remove_second_factor(s.get_one(User, current_user_id(), with_for_update={"key_share": True}))
    return lead_to("security.show_security", _("Le second facteur est retiré."))


@area.action("/securite/garder-le-second-facteur", Access.PERSONAL)
def keep_factor() -> ResponseReturnValue:
    """Keep the second factor that was reported lost, unless it has ended."""
    with session() as s:
        keep_lost_factor(s, current_user_id())
        is_kept = s.get_one(User, current_user_id()).has_second_factor
    if not is_kept:
        return lead_to(
            "security.show_security", _("Il est trop tard : le second facteur a pris fin."), "problem"
        )
    return lead_to("security.show_security", _("Votre second facteur reste en place."))


def _set_password(wish: PasswordBody) -> None:
    hashed = hash_chosen_password(wish.password.get_secret_value())
    user, change = write_once(accounts.change_password, current_user_id(), current_login_id(), hashed)
    keep_login(user, change)


def _render_security(form: Form[PasswordBody]) -> str:
    """Return the page of the account and its logins, the one that asks first."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        logins = read_logins(s, current_user_id(), current_login_id()).items
        linked = openid.is_linked(s, current_user_id())
    logins = sorted(logins, key=lambda each: not each.current)
    return render_template(
        "security/security.html", form=form, account=account, logins=logins, is_linked=linked
    )


def _render_setup(setup: TotpSetup, form: Form[TotpConfirmation]) -> str:
    qr_code = render_qr_code(setup.otpauth_url, _("Code QR pour l’application"))
    secret = " ".join(re.findall(".{1,4}", setup.secret))  # as a person copies it
    return render_template("security/setup.html", form=form, setup=setup, secret=secret, qr_code=qr_code)


def _refuse(error: ApiError) -> ResponseReturnValue:
    """Lead back, and say why the second factor cannot be changed like this."""
    if error.word not in REFUSED_SETUPS:
        raise error
    return lead_to("security.show_security", str(REFUSED_SETUPS[error.word]), "problem")
