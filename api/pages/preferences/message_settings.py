"""Form of the preferences of messages: what it shows, and the changes that it asks for."""

from datetime import time
from typing import Any

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from pydantic import ValidationInfo, field_validator

from api.alerts.schemas import Hour
from api.models.user import CONTACT_CHANNELS, Channel, SlotRhythm
from api.pages.forms import Texts
from api.pages.words import CHANNEL_NAMES
from api.schemas import Body, Flag
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

_GROUPS: dict[str, tuple[LazyString, LazyString]] = {  # by field: legend and hint
    "slots": (_l("Alertes de créneaux"), _l("Sur les canaux de votre formule.")),
    "desk": (_l("État des guichets"), _l("Quand un guichet ne peut plus être surveillé, puis de nouveau.")),
    "reminders": (_l("Rappels"), _l("Par exemple quand des créneaux sont publiés bientôt.")),
    "summary": (
        _l("Résumé de la semaine"),
        _l(
            "Ce qui s’est passé à vos guichets, chaque lundi à 8 h de votre fuseau. Seulement si vous le demandez."
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
        "digestAt": sent["digestAt"],
        "quietHours": quiet if wish.is_quiet else None,
        "callHours": {"from": sent["callsFrom"], "until": sent["callsUntil"]},
    })  # fmt: skip
