"""Pages about channels: which are on, the phone number with its code, the Telegram chat, browsers for push messages."""

from typing import Any
from uuid import UUID

from flask import Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

import notifier
from api.alerts.service import wake_alerts
from api.errors import ApiError
from api.middleware.auth import current_user_id
from api.models.base import autocommit_session, session
from api.pages.area import Access, Area
from api.pages.asset_files import read_asset
from api.pages.channels.view_data import (
    CODE_TEXTS,
    PHONE_TEXTS,
    TELEGRAM_TEXTS,
    PhoneForm,
    build_forms,
    read_channels,
    read_device_form,
)
from api.pages.forms import Form
from api.pages.live import answer_live
from api.pages.notices import add_notice
from api.pages.qr_code import render_qr_code
from api.push_devices import service as push_devices
from api.users.phone_codes import confirm_phone
from api.users.preference_schemas import NotificationChanges, NotificationFlags
from api.users.schemas import CodeOfPhone, LinkState, ProfileChange, TelegramLinkState
from api.users.service import change_notifications, change_profile, restart_groups
from api.users.telegram_linking import confirm_link, read_link, start_link

area = Area("channels", __name__)
_INVALID = 422
_GONE = 404


@area.page("/canaux", Access.PERSONAL)
def show_channels() -> str:
    """Show each channel with its state."""
    return _render_channels()


@area.action("/canaux/choix", Access.PERSONAL)
def change_flags() -> ResponseReturnValue:
    """Switch channels on or off."""
    form = Form.read(NotificationFlags)
    changes = NotificationChanges.model_validate(form.value.model_dump(by_alias=True))
    with session() as s:
        alerts = change_notifications(s, current_user_id(), changes)
    _announce([], alerts)
    return _go_back(_("C’est enregistré."))


@area.action("/canaux/e-mails-arretes", Access.PERSONAL)
def restart_mails() -> ResponseReturnValue:
    """Let the groups of mails be sent again that are stopped."""
    with session() as s:
        alerts = restart_groups(s, current_user_id())
    _announce([], alerts)
    return _go_back(_("Vous recevrez de nouveau ces e-mails."))


@area.action("/canaux/numero", Access.PROVEN)
def send_phone_code() -> ResponseReturnValue:
    """Send the code that proves a number."""
    form = Form.read(PhoneForm, PHONE_TEXTS)
    if not form.errors:
        try:
            _change(ProfileChange(phone=form.value.phone))
        except ApiError as error:
            form.refuse(error, "phone")
    if form.errors:
        return _render_channels(form, phone_form=form), _INVALID
    return _go_back(_("Un SMS avec un code est en route, si ce numéro n’est pas déjà le vôtre."))


@area.action("/canaux/code-sms", Access.PERSONAL)
def take_phone_code() -> ResponseReturnValue:
    """Confirm the number by the code of the SMS."""
    form = Form.read(CodeOfPhone, CODE_TEXTS)
    if not form.errors:
        try:
            _confirm_number(form.value.code)
        except ApiError as error:
            form.refuse(error, "code")
    if not form.errors:
        return _go_back(_("Votre numéro est confirmé."))
    if read_channels().waiting_number is None:  # the form was sent twice
        return redirect(url_for("channels.show_channels"), 303)
    return _render_channels(form, code_form=form), _INVALID


@area.action("/canaux/sans-numero", Access.PERSONAL)
def remove_phone() -> ResponseReturnValue:
    """Remove the number."""
    _change(ProfileChange(phone=None))
    return _go_back(_("Votre numéro est retiré."))


@area.page("/canaux/telegram", Access.PERSONAL)
def show_telegram() -> str:
    """Show how far linking a chat is. The link itself is shown once, by start_telegram."""
    return render_template("channels/telegram.html", link=_read_link(), url=None)


@area.action("/canaux/telegram", Access.PROVEN)
def start_telegram() -> str:
    """Show a link to the bot, also as a QR code. It stands in this answer only: its code is stored as a hash."""
    with session() as s:
        made = start_link(s, current_user_id())
        link = read_link(s, current_user_id())
    qr_code = render_qr_code(made.url, _("Code QR du lien vers Telegram"))
    return render_template("channels/telegram.html", link=link, url=made.url, qr_code=qr_code)


@area.page("/canaux/telegram/etat", Access.PERSONAL, polled=True)
def poll_telegram() -> Response:
    """Answer how far linking is, to the page that waits for it."""
    link = _read_link()
    state = render_template("channels/_state.html", link=link)
    return answer_live({"state": state}, stop=link.state is not LinkState.WAITING)


@area.action("/canaux/telegram/confirmer", Access.PERSONAL)
def link_telegram() -> ResponseReturnValue:
    """Link the chat that pressed Start."""
    try:
        with session() as s:
            messages = confirm_link(s, current_user_id())
            alerts = wake_alerts(s, current_user_id(), "chat linked")
    except ApiError as error:
        if error.word not in TELEGRAM_TEXTS:
            raise
        add_notice("problem", str(TELEGRAM_TEXTS[error.word]))
        return redirect(url_for("channels.show_channels"), 303)
    _announce(messages, alerts)
    return _go_back(_("Telegram est lié."))


@area.action("/canaux/telegram/retirer", Access.PERSONAL)
def unlink_telegram() -> ResponseReturnValue:
    """Unlink the chat."""
    _change(ProfileChange(telegram=None))
    return _go_back(_("Telegram est retiré."))


@area.page("/push-worker.js", Access.PUBLIC)
def send_push_worker() -> Response:
    """Send the service worker. At the root, as its path bounds the pages that it serves; its version is in no address.

    https://www.w3.org/TR/service-workers/#path-restriction. Browsers look for a newer one past their own cache. By the
    policy of all answers that are no pages it loads nothing.
    """
    return Response(read_asset("channels/push-worker.js"), mimetype="text/javascript")


@area.action("/canaux/navigateurs", Access.PERSONAL)
def add_device() -> ResponseReturnValue:
    """Add the browser that subscribed on the page (static/push.js)."""
    form = read_device_form()
    if not form.errors:
        try:
            with session() as s:
                added = push_devices.add_device(s, current_user_id(), form.value)
        except ApiError as error:
            form.refuse(error)
    if form.errors:
        return _render_channels(form, device_form=form), _INVALID
    _announce([], added.alerts)
    return _go_back(_("Ce navigateur recevra nos notifications."))


@area.action("/canaux/navigateurs/<uuid:id>/retirer", Access.PERSONAL)
def remove_device(id: UUID) -> ResponseReturnValue:  # noqa: A002 -- the name in the address
    """Remove a browser. One that is gone already is no error: the form was sent twice."""
    try:
        with session() as s:
            push_devices.remove_device(s, current_user_id(), id)
    except ApiError as error:
        if error.status != _GONE:
            raise
    return _go_back(_("Ce navigateur est retiré."))


def _render_channels(form: Form[Any] | None = None, **with_errors: Form[Any]) -> str:
    shown = read_channels()
    forms = build_forms(shown) | with_errors
    return render_template("channels/channels.html", shown=shown, account=shown.account, form=form, **forms)


def _change(change: ProfileChange) -> None:
    with session() as s:
        messages = change_profile(s, current_user_id(), change, request.remote_addr or "nobody")
    notifier.nudge(messages)


def _confirm_number(code: str) -> None:
    with session() as s:
        refusal, messages = confirm_phone(s, current_user_id(), code)
        alerts = [] if refusal else wake_alerts(s, current_user_id(), "phone confirmed")
    if refusal:
        raise refusal
    _announce(messages, alerts)


def _read_link() -> TelegramLinkState:
    with autocommit_session() as s:
        return read_link(s, current_user_id())


def _announce(messages: list[UUID], alerts: list[UUID]) -> None:
    notifier.nudge(messages)
    for alert_id in alerts:
        notifier.catch_up(alert_id)


def _go_back(text: str) -> ResponseReturnValue:
    add_notice("done", text)
    return redirect(url_for("channels.show_channels"), 303)
