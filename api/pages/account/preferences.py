"""Pages of the profile (address, language, time zone, amends for outages) and of the preferences of messages."""

from datetime import time
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.core import get_global
from babel.dates import get_timezone_location
from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from pydantic import ValidationInfo, field_validator

from api.accounts.queries import read_account
from api.accounts.schemas import Account
from api.alerts.schemas import Hour
from api.auth.mailbox_claims import find_contact
from api.auth.schemas import EmailBody
from api.auth.service import confirm_address
from api.ground.schemas import Body, Flag
from api.models.base import read_once, session, write_once
from api.models.user import CONTACT_CHANNELS, Channel, OutageCredit, SlotRhythm
from api.pages.area import Access, Area
from api.pages.cookies import lead_to
from api.pages.forms import INVALID, Form, Texts
from api.pages.words import CHANNEL_NAMES
from api.users.preference_schemas import (
    DeskChange,
    GroupChange,
    NewsChange,
    NotificationChanges,
    NotificationState,
    SlotsChange,
    SummaryChange,
    refuse_same_hours,
)
from api.users.preferences import read_preferences
from api.users.schemas import ProfileChange, TimeZone, list_time_zones
from api.users.service import change_notifications, change_profile
from api.web.auth import current_user_id
from api.web.languages import read_language, use_account_language
from api.web.stranger_mail import count_new_email
from configs.ground.signing import VerifyAddress
from configs.ground.text import MESSAGE_LANGUAGES, Language
from configs.world.prefecture import prefectures

CREDITS = (
    (OutageCredit.CREDIT.value, _l("Du temps en plus, ou une facture moins élevée")),
    (OutageCredit.REFUND.value, _l("Un remboursement")),
)
ADDRESS_TEXTS: Texts = {"too-many-mails": _l("Trop d’adresses ont été essayées aujourd’hui.")}
_UNLIVED = ("Antarctica/", "Etc/")  # zones that the list spares its readers; an account may have one
area = Area("preferences", __name__)


def list_zone_choices(current: str) -> list[tuple[str, str]]:
    """Return (zone, name): the zones of our prefectures first, then all others by name; `current` is among them."""
    choices = _list_zones(read_language())
    known = {zone for zone, _ in choices}
    return choices if current in known else [(current, current), *choices]


@lru_cache(maxsize=3)
def _list_zones(language: str) -> list[tuple[str, str]]:
    ours = list(dict.fromkeys(str(each.time_zone) for each in prefectures().values()))
    others = (
        zone
        for zone in get_global("zone_territories")
        if zone in list_time_zones() and zone not in ours and not zone.startswith(_UNLIVED)
    )
    names = {zone: _name_zone(zone, language) for zone in others}
    return [(zone, _name_zone(zone, language)) for zone in ours] + sorted(
        names.items(), key=lambda each: each[1]
    )


def _name_zone(zone: str, language: str) -> str:
    locale = Locale(language)
    country = locale.territories.get(get_global("zone_territories").get(zone, ""), "")
    city = get_timezone_location(zone, locale=locale, return_city=True)
    return f"{country} ({city})" if country and country != city else city


class ProfileSettings(Body):
    """The settings of an account that need no proof."""

    language: Language
    time_zone: TimeZone
    outage_credit: OutageCredit


@area.page("/profil", Access.PERSONAL)
def show_profile() -> str:
    return _render_profile()


@area.action("/profil/adresse", Access.PROVEN)
def change_address() -> ResponseReturnValue:
    """Send the mail that confirms a new address."""
    form = Form.read(EmailBody, ADDRESS_TEXTS)
    if not form.errors:
        count_new_email(form.value.email)
    form.submit(lambda wish: _change(ProfileChange(email=wish.email)), "email")
    if form.errors:
        return _render_profile(form, address_form=form), INVALID
    return lead_to(
        "preferences.show_profile",
        _("Si c’est une nouvelle adresse, un message y est en route. Ouvrez-le pour la confirmer."),
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
    change = write_once(confirm_address, token, current_user_id())
    if change.contact is None:
        return lead_to("preferences.show_new_email", token=token)
    return lead_to("preferences.show_profile", _("Votre compte a sa nouvelle adresse."))


@area.action("/profil/reglages", Access.PERSONAL)
def change_settings() -> ResponseReturnValue:
    """Change language, time zone, and what an outage is made good by."""
    account = read_once(read_account, current_user_id())
    form = Form.read_change(ProfileSettings, _list_settings(account), {}, _describe_value)
    if form.errors:
        return _render_profile(form, settings_form=form), INVALID
    changes = form.pick_changed().model_dump(by_alias=True, exclude_unset=True)
    if changes:
        _change(ProfileChange.model_validate(changes))
    use_account_language(form.value.language)  # of the notice
    return lead_to("preferences.show_profile", _("C’est enregistré."))


@area.page("/preferences", Access.PERSONAL)
def show_messages() -> str:
    return _render_messages()


@area.action("/preferences", Access.PERSONAL)
def change_messages() -> ResponseReturnValue:
    state = read_once(read_preferences, current_user_id())
    form = Form.read_change(MessageSettings, fill_settings(state), MESSAGE_TEXTS, _describe_value)
    if form.errors:
        return _render_messages(form), INVALID
    write_once(change_notifications, current_user_id(), build_changes(form.value, state))
    return lead_to("preferences.show_messages", _("C’est enregistré."))


def _render_messages(form: Form[Any] | None = None) -> str:
    state = read_once(read_preferences, current_user_id())
    groups = list_group_choices(state)
    boxes = " ".join(name for *_words, fields in groups for name, _channel in fields)
    zone = dict(list_zone_choices(state.time_zone))[state.time_zone]
    return render_template(
        "preferences/messages.html", form=form, state=state, groups=groups, boxes=boxes, rhythms=RHYTHMS,
        settings_form=form or Form.edit(MessageSettings, fill_settings(state)), zone=zone,
    )  # fmt: skip


def _render_profile(form: Form[Any] | None = None, **with_errors: Form[Any]) -> str:
    account = read_once(read_account, current_user_id())
    forms: dict[str, Form[Any]] = {
        "address_form": Form(EmailBody),
        "settings_form": Form.edit(ProfileSettings, _list_settings(account)),
        **with_errors,
    }
    return render_template(
        "preferences/profile.html", account=account, form=form, languages=MESSAGE_LANGUAGES.items(), credits=CREDITS,
        zones=list_zone_choices(account.time_zone), **forms,
    )  # fmt: skip


def _list_settings(account: Account) -> dict[str, Any]:
    known = account.as_json()
    return {name: known[name] for name in ("language", "timeZone", "outageCredit")}


def _describe_value(name: str, value: str) -> str:
    """Return a value of the forms in the words of its choices."""
    if name == "timeZone":
        return dict(list_zone_choices(value))[value]
    choices = {"language": MESSAGE_LANGUAGES.items(), "outageCredit": CREDITS, "slotRhythm": RHYTHMS}
    words: dict[str, Any] = dict(choices.get(name, ()))
    return str(words.get(value, value))


def _change(change: ProfileChange) -> None:
    write_once(change_profile, current_user_id(), change, request.remote_addr or "nobody")


_GROUPS: dict[str, tuple[LazyString, LazyString]] = {  # by field: legend and hint
    "slots": (_l("Alertes de places libres"), _l("Sur les canaux de votre offre.")),
    "desk": (
        _l("État des pages de rendez-vous"),
        _l("Quand une page de rendez-vous ne peut plus être surveillée, puis de nouveau."),
    ),
    "reminders": (_l("Rappels"), _l("Par exemple quand des places sont publiées bientôt.")),
    "summary": (
        _l("Résumé de la semaine"),
        _l(
            "Ce qui s’est passé sur vos pages de rendez-vous, chaque lundi à 8 h de votre fuseau."
            " Seulement si vous le demandez."
        ),
    ),
    "news": (_l("Nouvelles et offres"), _l("Seulement si vous le demandez.")),
}
RHYTHMS = (
    (SlotRhythm.AT_ONCE.value, _l("Tout de suite (conseillé)")),
    (SlotRhythm.HOURLY.value, _l("Une fois par heure, en un seul message")),
    (SlotRhythm.DAILY.value, _l("Une fois par jour, en un seul message")),
)
_QUIET = (time(22), time(7))  # what the form proposes
_SAME_HOURS = _l("Choisissez une autre heure que celle du début.")
MESSAGE_TEXTS: Texts = {
    ("quietUntil", "same_hours"): _SAME_HOURS,
    ("callsUntil", "same_hours"): _SAME_HOURS,
}


class MessageSettings(Body):
    """Which messages arrive where, and when.

    `boxes` names those of groups that the page had: a channel may have been linked since, and has none there.
    """

    boxes: str = ""
    slots: SlotsChange
    desk: DeskChange
    reminders: GroupChange
    summary: SummaryChange
    news: NewsChange
    slot_rhythm: SlotRhythm
    digest_at: Hour
    is_quiet: Flag
    quiet_from: Hour
    quiet_until: Hour
    quiet_slots: Flag
    calls_from: Hour
    calls_until: Hour
    told_in_doubt: Flag
    may_be_asked: Flag

    @field_validator("quiet_until")
    @classmethod
    def _differ(cls, until: time, known: ValidationInfo) -> time:
        return refuse_same_hours(known.data.get("quiet_from"), until)

    @field_validator("calls_until")
    @classmethod
    def _differ_for_calls(cls, until: time, known: ValidationInfo) -> time:
        return refuse_same_hours(known.data.get("calls_from"), until)


def list_group_choices(
    state: NotificationState,
) -> list[tuple[str, LazyString, LazyString, list[tuple[str, LazyString]]]]:
    """Return name, legend and hint of each group, with its fields (name, channel) for the channels that are linked.

    A group without any is left out: news, while mails are off.
    """
    return [
        (name, *words, [(f"{name}.{channel.value}", CHANNEL_NAMES[channel]) for channel in linked])
        for name, words in _GROUPS.items()
        if (linked := _list_linked(state, name))
    ]


def _list_linked(state: NotificationState, group: str) -> list[Channel]:
    known = getattr(state.groups, group)
    return [channel for channel in CONTACT_CHANNELS if getattr(known, channel.value) is not None]


def fill_settings(state: NotificationState) -> dict[str, Any]:
    """Return what the fields of the form hold."""
    quiet = state.quiet_hours
    return {
        **{
            f"{name}.{channel.value}": getattr(getattr(state.groups, name), channel.value)
            for name in _GROUPS
            for channel in _list_linked(state, name)
        },
        "slotRhythm": state.slot_rhythm.value,
        "digestAt": state.digest_at,
        "isQuiet": quiet is not None,
        "quietFrom": quiet.begins if quiet else f"{_QUIET[0]:%H:%M}",
        "quietUntil": quiet.until if quiet else f"{_QUIET[1]:%H:%M}",
        "quietSlots": bool(quiet and quiet.slots),
        "callsFrom": state.call_hours.begins,
        "callsUntil": state.call_hours.until,
        "toldInDoubt": state.told_in_doubt,
        "mayBeAsked": state.may_be_asked,
    }


def build_changes(wish: MessageSettings, state: NotificationState) -> NotificationChanges:
    """Return the changes that a form asks for, on the channels that it had and that are linked still."""
    shown = wish.boxes.split()
    sent = wish.model_dump(by_alias=True, mode="json")
    quiet = {"from": sent["quietFrom"], "until": sent["quietUntil"], "slots": sent["quietSlots"]}
    return NotificationChanges.model_validate({
        "groups": {
            name: {
                channel.value: sent[name][channel.value]
                for channel in _list_linked(state, name)
                if f"{name}.{channel.value}" in shown
            }
            for name in _GROUPS
        },
        "slotRhythm": sent["slotRhythm"],
        **{name: sent[name] for name in ("digestAt", "toldInDoubt", "mayBeAsked")},
        "quietHours": quiet if wish.is_quiet else None,
        "callHours": {"from": sent["callsFrom"], "until": sent["callsUntil"]},
    })  # fmt: skip
