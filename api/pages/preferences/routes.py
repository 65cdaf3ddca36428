"""Pages of the profile (address, language, time zone, amends for outages) and of the preferences of messages."""

from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

import notifier
from api.accounts.queries import read_account
from api.auth.schemas import EmailBody
from api.auth.service import confirm_address
from api.auth.tokens import find_contact
from api.errors import ApiError
from api.middleware.auth import current_user_id
from api.middleware.languages import use_account_language
from api.middleware.stranger_mail import count_new_email
from api.models.base import autocommit_session, session
from api.pages.area import Access, Area
from api.pages.forms import Form
from api.pages.notices import add_notice
from api.pages.preferences.message_settings import (
    MESSAGE_TEXTS,
    RHYTHMS,
    MessageSettings,
    build_changes,
    fill_settings,
    list_group_choices,
)
from api.pages.preferences.time_zones import list_zone_choices, name_zone
from api.pages.preferences.view_data import ADDRESS_TEXTS, CREDITS, ProfileSettings
from api.users.preferences import read_preferences
from api.users.schemas import ProfileChange
from api.users.service import change_notifications, change_profile
from configs.ground.signed_links import VerifyAddress
from configs.world.languages import MESSAGE_LANGUAGES

area = Area("preferences", __name__)
_INVALID = 422


@area.page("/profil", Access.PERSONAL)
def show_profile() -> str:
    """Show the profile."""
    return _render_profile()


@area.action("/profil/adresse", Access.PROVEN)
def change_address() -> ResponseReturnValue:
    """Send the mail that confirms a new address."""
    form = Form.read(EmailBody, ADDRESS_TEXTS)
    if not form.errors:
        count_new_email(form.value.email)
        try:
            _change(ProfileChange(email=form.value.email))
        except ApiError as error:
            form.refuse(error, "email")
    if form.errors:
        return _render_profile(form, address_form=form), _INVALID
    return _go_back(
        _("Si c’est une nouvelle adresse, un message y est en route. Ouvrez-le pour la confirmer.")
    )


@area.page("/profil/nouvelle-adresse/<token>", Access.PERSONAL)
def show_new_email(token: str) -> str:
    """Ask whether the account moves to the address that the mail with this token went to."""
    with session() as s:
        contact, link = find_contact(s, VerifyAddress, token)
        is_mine = contact is not None and contact.user_id == current_user_id()
        address = contact.new_address if contact and is_mine and link.new is not None else None
        account = contact.address if contact and is_mine else None
    return render_template("preferences/new_email.html", address=address, account=account, token=token)


@area.action("/profil/nouvelle-adresse/<token>", Access.PERSONAL)
def take_new_email(token: str) -> ResponseReturnValue:
    """Move the account to its new address."""
    with session() as s:
        change = confirm_address(s, token, current_user_id())
    notifier.nudge(change.mails)
    for alert_id in change.alerts:
        notifier.catch_up(alert_id)
    if change.contact is None:
        return redirect(url_for("preferences.show_new_email", token=token), 303)
    return _go_back(_("Votre compte a sa nouvelle adresse."))


@area.action("/profil/reglages", Access.PERSONAL)
def change_settings() -> ResponseReturnValue:
    """Change language, time zone, and what an outage is made good by."""
    form = Form.read(ProfileSettings)
    if form.errors:
        return _render_profile(form, settings_form=form), _INVALID
    wish = form.value
    _change(ProfileChange.model_validate(wish.model_dump(by_alias=True)))
    use_account_language(wish.language)  # of the notice
    return _go_back(_("C’est enregistré."))


@area.page("/preferences", Access.PERSONAL)
def show_messages() -> str:
    """Show which messages arrive where, and when."""
    return _render_messages()


@area.action("/preferences", Access.PERSONAL)
def change_messages() -> ResponseReturnValue:
    """Change which messages arrive where, and when."""
    form = Form.read(MessageSettings, MESSAGE_TEXTS)
    if form.errors:
        return _render_messages(form), _INVALID
    with session() as s:
        state = read_preferences(s, current_user_id())
        alerts = change_notifications(s, current_user_id(), build_changes(form.value, state))
    for alert_id in alerts:
        notifier.catch_up(alert_id)
    add_notice("done", _("C’est enregistré."))
    return redirect(url_for("preferences.show_messages"), 303)


def _render_messages(form: Form[Any] | None = None) -> str:
    with autocommit_session() as s:
        state = read_preferences(s, current_user_id())
    groups = list_group_choices(state)
    boxes = " ".join(name for *_words, fields in groups for name, _channel in fields)
    return render_template(
        "preferences/messages.html", form=form, state=state, groups=groups, boxes=boxes, rhythms=RHYTHMS,
        settings_form=form or Form(MessageSettings, fill_settings(state)), zone=name_zone(state.time_zone),
    )  # fmt: skip


def _render_profile(form: Form[Any] | None = None, **with_errors: Form[Any]) -> str:
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
    kept = {name: account.as_json()[name] for name in ("language", "timeZone", "outageCredit")}
    forms: dict[str, Form[Any]] = {
        "address_form": Form(EmailBody),
        "settings_form": Form(ProfileSettings, kept),
        **with_errors,
    }
    return render_template(
        "preferences/profile.html", account=account, form=form, languages=MESSAGE_LANGUAGES.items(), credits=CREDITS,
        zones=list_zone_choices(account.time_zone), **forms,
    )  # fmt: skip


def _change(change: ProfileChange) -> None:
    with session() as s:
        messages = change_profile(s, current_user_id(), change, request.remote_addr or "nobody")
    notifier.nudge(messages)


def _go_back(text: str) -> ResponseReturnValue:
    add_notice("done", text)
    return redirect(url_for("preferences.show_profile"), 303)
