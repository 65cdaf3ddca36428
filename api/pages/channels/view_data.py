"""View data of channels, and their forms."""

from dataclasses import dataclass
from typing import Any

from flask import current_app, request, url_for
from flask_babel import lazy_gettext as _l

from api.accounts.queries import read_account
from api.accounts.schemas import Account, Phone
from api.logins.browsers import name_browser
from api.middleware.auth import current_user_id
from api.models.base import autocommit_session
from api.models.user import Channel, ContactState
from api.pages.error_texts import Texts
from api.pages.forms import Form
from api.push_devices.schemas import DeviceList, NewDevice
from api.push_devices.service import list_devices
from api.schemas import Body
from api.users.preference_schemas import NotificationFlags
from api.users.queries import read_channel_states, read_stopped_groups
from api.users.schemas import CodeOfPhone
from configs.settings import settings
from configs.world.plan import plan

_PLAN = "plan.show_plan"
PHONE_TEXTS: Texts = {
    ("phone", "missing"): _l("Écrivez votre numéro."),
    ("phone", "string_pattern_mismatch"): _l("Ce numéro n’est pas valable. Exemple : 06 12 34 56 78"),
    ("phone", "no_sms"): _l("Les codes vont aux numéros mobiles de France, outre-mer compris."),
    "plan-needed": _l("Les SMS demandent une formule en cours."),
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
    "plan-needed": _l("Les notifications demandent une formule en cours."),
    "too-many-devices": _l("Vous avez déjà autant de navigateurs que possible : retirez-en un d’abord."),
    "device-taken": _l("Ce navigateur sert à un autre compte. Ajoutez-le encore une fois."),
}


class PhoneForm(Body):
    """The number that alerts go to by SMS."""

    phone: Phone


@dataclass(frozen=True, slots=True)
class ShownChannels:
    """The channels of a user as the page shows them."""

    account: Account
    email_state: str  # waiting (not confirmed), or a ContactState
    stopped_groups: list[str]  # of mails
    waiting_number: str | None  # the number that a code must confirm
    has_bot: bool  # Telegram can be linked here
    plan_url: str | None  # where SMS and push need a plan first
    push: DeviceList
    may_push: bool  # the plan has push


def read_channels() -> ShownChannels:
    """Return the channels of who is signed in."""
    with autocommit_session() as s:
        account = read_account(s, current_user_id())
        states = read_channel_states(s, current_user_id())
        stopped = read_stopped_groups(s, current_user_id())
        push = list_devices(s, current_user_id())
    email = states.get(Channel.EMAIL, ContactState.OK)
    return ShownChannels(
        account=account,
        email_state=email.value if account.email_verified else "waiting",
        stopped_groups=stopped,
        waiting_number=account.new_phone or (None if account.phone_verified else account.phone),
        has_bot=settings().telegram_bot_name is not None,
        plan_url=url_for(_PLAN) if _PLAN in current_app.view_functions else None,
        push=push,
        may_push=Channel.PUSH.value in plan(account.plan).channels,
    )


def build_forms(shown: ShownChannels) -> dict[str, Form[Any]]:
    """Return the forms of the page, by their names in its template."""
    account = shown.account
    flags = {
        "notifyEmail": account.notify_email,
        "notifySms": account.notify_sms,
        "notifyTelegram": account.notify_telegram,
        "notifyPush": account.notify_push,
    }
    return {
        "flags_form": Form(NotificationFlags, flags),
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
