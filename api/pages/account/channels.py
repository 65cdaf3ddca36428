"""Pages of channels: e-mail, SMS, Telegram and browsers."""

from typing import Any
from uuid import UUID

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from api.accounts.queries import find_mailbox, read_account
from api.accounts.schemas import Account, Phone
from api.auth.logins import name_browser
from api.ground.errors import ApiError, ensure_found
from api.ground.schemas import Body
from api.models.base import autocommit_session, read_once, session, write_once
from api.models.user import CONTACT_CHANNELS, Channel
from api.pages.area import Access, Area, answer_live
from api.pages.assets import read_asset, render_qr_code
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts
from api.users import preferences, push_devices
from api.users.preference_schemas import NotificationChanges, NotificationFlags
from api.users.push_devices import NewDevice, list_devices
from api.users.schemas import CodeOfPhone, LinkState, ProfileChange
from api.users.service import change_notifications, change_profile, confirm_number, link_chat, restart_groups
from api.users.telegram_links import read_link, start_link
from api.web.auth import current_user_id
from configs.settings import settings
from configs.world.plan import PlanName, plan

PHONE_TEXTS: Texts = {
    ("phone", "missing"): _l("Écrivez votre numéro."),
    ("phone", "string_pattern_mismatch"): _l("Ce numéro n’est pas valable. Exemple : 06 12 34 56 78"),
    ("phone", "no_sms"): _l("Les codes vont aux numéros mobiles de France, outre-mer compris."),
    "plan-needed": _l("Les SMS demandent une offre en cours."),
}
CODE_TEXTS: Texts = {
    ("code", "string_pattern_mismatch"): _l("Le code a six chiffres."),
    ("code", "wrong_code"): _l("Ce code est faux. Après cinq essais, il faut en demander un autre."),
    "no-code": _l("Plus aucun code n’attend : demandez-en un autre."),
}
TELEGRAM_TEXTS = {
    "no-chat": _l("Aucune conversation n’attend : le lien est trop vieux, ou il a déjà servi."),
}
_NO_SUBSCRIPTION = _l(
    "Ce navigateur ne s’est pas inscrit auprès d’un service de notifications que nous connaissons."
)
DEVICE_TEXTS: Texts = {
    ("name", "missing"): _l("Donnez un nom à ce navigateur."),
    "plan-needed": _l("Les notifications demandent une offre en cours."),
    "too-many-devices": _l("Vous avez déjà autant de navigateurs que possible : retirez-en un d’abord."),
    "device-taken": _l("Ce navigateur sert à un autre compte. Ajoutez-le encore une fois."),
}
_FLAGS = {
    Channel.EMAIL: "notifyEmail",
    Channel.SMS: "notifySms",
    Channel.TELEGRAM: "notifyTelegram",
    Channel.PUSH: "notifyPush",
}
area = Area("channels", __name__)
_GONE = 404


class PhoneForm(Body):
    """The number that alerts go to by SMS."""

    phone: Phone


def read_channels() -> dict[str, Any]:
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        mailbox = ensure_found(find_mailbox(s, current_user_id()), "mailbox")
        push = list_devices(s, current_user_id())
    return {
        "account": account,
        # `waiting` (not confirmed), or a ContactState
        "email_state": mailbox.state.value if account.email_verified else "waiting",
        "stopped_groups": sorted(mailbox.stopped_groups),  # of mails
        # The number that a code must confirm
        "waiting_number": account.new_phone or (None if account.phone_verified else account.phone),
        "has_bot": settings().telegram_bot_name is not None,  # Telegram can be linked here
        "plan_url": url_for("plan.show_plan"),  # where SMS and push need a plan first
        "push": push,
        "beyond": _list_beyond(account),
    }


def _list_beyond(account: Account) -> list[str]:
    """Return the flags of the channels by which the plan that runs sends no alerts; none without a plan."""
    if account.plan is PlanName.NONE:
        return []
    return [name for channel, name in _FLAGS.items() if channel.value not in plan(account.plan).channels]


def _read_flags(account: Account) -> dict[str, Any]:
    known = account.as_json()
    return {name: known[name] for name in _FLAGS.values()}


def build_forms(account: Account) -> dict[str, Form[Any]]:
    """Return the forms of the page, by their names in its template."""
    return {
        "flags_form": Form.edit(NotificationFlags, _read_flags(account)),
        "phone_form": Form(PhoneForm),
        "code_form": Form(CodeOfPhone),
        "device_form": Form(NewDevice, {"name": name_browser(request.user_agent.string)}),
    }


def read_device_form() -> Form[NewDevice]:
    """Return the form of a new device. What is wrong with the subscription is no field that its user sees."""
    form = Form.read(NewDevice, DEVICE_TEXTS)
    if form.errors.keys() - {"name"}:
        form.errors = {"": str(_NO_SUBSCRIPTION)}
    return form


@area.page("/canaux", Access.PERSONAL)
def show_channels() -> str:
    return _render_channels()


@area.action("/canaux/choix", Access.PERSONAL)
def change_flags() -> ResponseReturnValue:
    form = Form.read_change(NotificationFlags, _read_flags(read_once(read_account, current_user_id())))
    if form.errors:
        return _render_channels(form, flags_form=form), INVALID
    changes = form.pick_changed().model_dump(by_alias=True, exclude_unset=True)
    write_once(change_notifications, current_user_id(), NotificationChanges.model_validate(changes))
    return lead_to("channels.show_channels", _("C’est enregistré."))


@area.action("/canaux/e-mails-arretes", Access.PERSONAL)
def restart_mails() -> ResponseReturnValue:
    """Let the groups of mails be sent again that are stopped."""
    write_once(restart_groups, current_user_id())
    return lead_to("channels.show_channels", _("Vous recevrez de nouveau ces e-mails."))


@area.action("/canaux/numero", Access.PROVEN)
def send_phone_code() -> ResponseReturnValue:
    form = Form.read(PhoneForm, PHONE_TEXTS)
    form.submit(lambda wish: _change(ProfileChange(phone=wish.phone)), "phone")
    if form.errors:
        return _render_channels(form, phone_form=form), INVALID
    return lead_to(
        "channels.show_channels", _("Un SMS avec un code est en route, si ce numéro n’est pas déjà le vôtre.")
    )


@area.action("/canaux/code-sms", Access.PERSONAL)
def take_phone_code() -> ResponseReturnValue:
    form = Form.read(CodeOfPhone, CODE_TEXTS)
    form.submit(lambda typed: confirm_number(current_user_id(), typed.code), "code")
    if not form.errors:
        return lead_to("channels.show_channels", _("Votre numéro est confirmé."))
    if read_channels()["waiting_number"] is None:  # the form was sent twice
        return lead_to("channels.show_channels")
    return _render_channels(form, code_form=form), INVALID


@area.action("/canaux/sans-numero", Access.PERSONAL)
def remove_phone() -> ResponseReturnValue:
    _change(ProfileChange(phone=None))
    return lead_to("channels.show_channels", _("Votre numéro est retiré."))


@area.page("/canaux/telegram", Access.PERSONAL)
def show_telegram() -> str:
    """Show how far linking a chat is. The link itself is shown once, by start_telegram."""
    return render_template("channels/telegram.html", link=read_once(read_link, current_user_id()), url=None)


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
    link = read_once(read_link, current_user_id())
    state = render_template("channels/_state.html", link=link)
    return answer_live({"state": state}, stop=link.state is not LinkState.WAITING)


@area.action("/canaux/telegram/confirmer", Access.PERSONAL)
def link_telegram() -> ResponseReturnValue:
    try:
        link_chat(current_user_id())
    except ApiError as error:
        if error.word not in TELEGRAM_TEXTS:
            raise
        return lead_to("channels.show_channels", str(TELEGRAM_TEXTS[error.word]), "problem")
    return lead_to("channels.show_channels", _("Telegram est lié."))


@area.action("/canaux/telegram/retirer", Access.PERSONAL)
def unlink_telegram() -> ResponseReturnValue:
    _change(ProfileChange(telegram=None))
    return lead_to("channels.show_channels", _("Telegram est retiré."))


@area.page("/push-worker.js", Access.PUBLIC)
def send_push_worker() -> Response:
    """Send the service worker. At the root, as its path bounds the pages that it serves; its version is in no address.

    https://www.w3.org/TR/service-workers/#path-restriction. Browsers look for a newer one past their own cache. By its
    policy it loads from us only.
    """
    response = Response(read_asset("channels/push-worker.js"), mimetype="text/javascript")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
    )
    return response


@area.action("/canaux/navigateurs", Access.PERSONAL)
def add_device() -> ResponseReturnValue:
    """Add the browser that subscribed on the page (static/push.js)."""
    form = read_device_form()
    form.submit(lambda device: write_once(push_devices.add_device, current_user_id(), device))
    if form.errors:
        return _render_channels(form, device_form=form), INVALID
    return lead_to("channels.show_channels", _("Ce navigateur recevra nos notifications."))


@area.action("/canaux/navigateurs/<uuid:id>/retirer", Access.PERSONAL)
def remove_device(id: UUID) -> ResponseReturnValue:
    """Remove a browser. One that is gone already is no error: the form was sent twice."""
    try:
        write_once(push_devices.remove_device, current_user_id(), id)
    except ApiError as error:
        if error.status != _GONE:
            raise
    return lead_to("channels.show_channels", _("Ce navigateur est retiré."))


@area.action("/canaux/<channel>/plus-tard", Access.PERSONAL)
def decline_channel(channel: str) -> ResponseReturnValue:
    """Ask no more to set up a channel, and lead back to the alert or to the list of alerts."""
    named = next((each for each in CONTACT_CHANNELS if each.value == channel), None)
    write_once(preferences.decline_channel, current_user_id(), ensure_found(named, "channel"))
    alert_id = request.form.get("alert", type=UUID)
    return lead_to("alert_pages.show_alert", id=alert_id) if alert_id else lead_to("dashboard.show_dashboard")


def _render_channels(form: Form[Any] | None = None, **with_errors: Form[Any]) -> str:
    shown = read_channels()
    account: Account = shown["account"]
    forms = build_forms(account) | with_errors
    return render_template("channels/channels.html", shown=shown, account=account, form=form, **forms)


def _change(change: ProfileChange) -> None:
    write_once(change_profile, current_user_id(), change, request.remote_addr or "nobody")
