"""View data of alerts: their state, desks, slots and messages, in the words of the page."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from babel.dates import get_day_names
from flask_babel import LazyString, get_locale, lazy_gettext
from flask_babel import gettext as _

from api.accounts.queries import find_entitlement
from api.alerts.appointments import find_appointment_to_come
from api.alerts.open_slots import read_open_desks
from api.alerts.queries import list_sent_messages, read_own_alert
from api.alerts.schemas import AlertAnswer, Limits, SentMessage
from api.models.alert import ClosedBecause
from api.models.base import autocommit_session
from api.models.notification import Match
from api.models.user import Channel
from api.models.watchability import Hindrance
from api.pages.choices import PROCEDURE_NAMES
from api.pages.context import write_date, write_duration
from api.pages.words import (
    CHANNEL_NAMES,
    CLASSES,
    DOUBTED,
    READ,
    TROUBLED,
    WatchClass,
    classify_watch,
    describe_state,
    explain_desk,
)
from api.payments.declarations.cancellations import read_end_offer
from api.prefectures.detections import list_alert_detections
from api.prefectures.schemas import AlertDetection, DeskAnswer
from api.users.preferences import ChannelSetup, read_channel_setup
from configs.ground.clock import clock
from configs.ground.signing import MoveReminders, write_token
from configs.ground.text import write_time
from configs.world.desk import zone_of
from configs.world.plan import Plan, PlanName, plan
from configs.world.prefecture import desks, prefectures

_l = lazy_gettext
_MOST = 20  # detections on the page
_NOW = 60  # seconds: what is younger is told as "just now", so that the page stays the same for a while
_STATES = {
    "active": ("good", _l("Surveillée")),
    "waiting": ("warn", _l("En attente")),
    "paused": ("", _l("En pause")),
    "closed": ("", _l("Fermée")),
}
_CLOSED = {
    ClosedBecause.DELETED: _l("Vous avez fermé cette alerte."),
    ClosedBecause.STOPPED: _l("Vous avez arrêté cette alerte par le lien d’un message."),
    ClosedBecause.FOUND: _l("Vous avez trouvé un rendez-vous."),
}


def read_alert_view(user_id: UUID, alert_id: UUID) -> dict[str, Any]:
    """Return one alert of the user with what was found and sent.

    Raises:
        ApiError: 404.
    """
    with autocommit_session() as s:
        answer = read_own_alert(s, user_id, alert_id)
        detections = list_alert_detections(s, user_id, alert_id, _MOST)
        messages = list_sent_messages(s, alert_id, [each.id for each in detections])
        open_desks = read_open_desks(s, Match.alert_id == alert_id)
        held = find_entitlement(s, user_id, clock())
        appointment_id = find_appointment_to_come(s, alert_id)
        free_channels = plan(PlanName.NONE).channels if answer.is_free else frozenset()
        setup = read_channel_setup(s, user_id, held.plan.channels | free_channels)
        is_found = answer.closed_because is ClosedBecause.FOUND
        end_offer = read_end_offer(s, user_id) if is_found else None
    return {
        "alert": describe_alert(answer),
        "desks": [_describe_desk(each) for each in answer.desks],
        "open": [] if answer.closed_at else open_desks.get(alert_id, []),
        "limits": list(describe_limits(answer.limits)),
        "openings": _group_openings(detections, messages, prefectures()[answer.prefecture_id].time_zone),
        "end_offer": end_offer,  # the subscription, where nothing is waited for any more
        "setup": setup,  # of the plan's channels
        "channels": list(_name_channels(setup, answer, held.plan)),  # by which its messages go
        # Whether anything is sent: by a plan, or of what people report
        "is_told": held.plan.name is not PlanName.NONE or answer.is_free,
        # An alert that waits, and could be told what people report
        "may_be_told": answer.awaits_watch
        and any(each.not_watchable is Hindrance.PEOPLE for each in answer.desks),
        # Desks of an open alert at which its reader may look
        "looked_at": [
            each for each in answer.desks if each.not_watchable is Hindrance.PEOPLE and not answer.closed_at
        ],
        "next_plan_starts_at": held.next_starts_at,  # where one was bought that begins later
        # Of the page of an appointment's reminders
        "reminder_token": write_token(MoveReminders(appointment_id)) if appointment_id else None,
    }


def _name_channels(setup: Sequence[ChannelSetup], alert: AlertAnswer, held: Plan) -> Iterator[LazyString]:
    for each in setup:
        if each.is_used:
            yield CHANNEL_NAMES[each.channel]
    may_call = alert.voice.enabled and Channel.VOICE.value in held.channels
    if may_call and any(each.channel is Channel.SMS and each.is_ready for each in setup):
        yield CHANNEL_NAMES[Channel.VOICE]


def describe_alert(alert: AlertAnswer) -> dict[str, Any]:
    """Return an alert as pages show it: its own name or the prefecture's, what is watched, and how it goes."""
    place = prefectures()[alert.prefecture_id]
    title = f"{place.name} ({place.department})"
    state = _find_state(alert)
    tone, text = _STATES[state]
    if state == "active" and (lost := _find_trouble(alert)):
        tone, text = lost.tone, lost.text
    return {
        "answer": alert,
        "title": alert.name or title,
        "place": title if alert.name else None,  # where the title is not the place
        "department": title,  # the place, whatever the title is
        "state": state,  # active, waiting (nothing of it can be watched yet), paused, closed
        "tone": tone,  # of the state's badge
        "state_text": text,
        "closed_text": _CLOSED[alert.closed_because] if alert.closed_because else None,
        "zone": str(place.time_zone),  # of the prefecture (IANA)
        "procedures": [PROCEDURE_NAMES[each] for each in alert.procedures],
    }


def describe_limits(limits: Limits) -> Iterator[str]:
    """Yield what an alert wants, a sentence for each limit."""
    if limits.date_from or limits.date_to:
        yield _describe_days(limits)
    if limits.weekdays:
        names = get_day_names("wide", locale=get_locale() or "fr")
        yield ", ".join(names[each - 1] for each in limits.weekdays)
    if limits.hour_from or limits.hour_to:
        yield _describe_hours(limits)
    if limits.sites:
        yield _("Seulement : %(places)s", places=", ".join(limits.sites))


def _describe_days(limits: Limits) -> str:
    begins, ends = (each and write_date(each) for each in (limits.date_from, limits.date_to))
    if begins and ends:
        return str(_("Du %(begins)s au %(ends)s", begins=begins, ends=ends))
    return str(_("À partir du %(day)s", day=begins) if begins else _("Jusqu’au %(day)s", day=ends))


def _describe_hours(limits: Limits) -> str:
    begins, ends = (
        each and write_time(each, "short", locale=get_locale() or "fr")
        for each in (limits.hour_from, limits.hour_to)
    )
    if begins and ends:
        return str(_("Entre %(begins)s et %(ends)s", begins=begins, ends=ends))
    return str(_("À partir de %(hour)s", hour=begins) if begins else _("Avant %(hour)s", hour=ends))


def write_freshness(at: datetime) -> str:
    """Return how long ago an instant is, in whole minutes at least."""
    if (clock() - at).total_seconds() < _NOW:
        return str(_("il y a moins d’une minute"))
    return write_duration(0, ago_from=at)


def _find_trouble(alert: AlertAnswer) -> WatchClass | None:
    """Return how the best of its desks is watched, where that is not as promised."""
    best = min(map(classify_watch, alert.desks), key=CLASSES.index, default=None)
    return READ if alert.is_free else best if best in (DOUBTED, TROUBLED) else None


def _find_state(alert: AlertAnswer) -> str:
    if alert.closed_at:
        return "closed"
    return "waiting" if alert.awaits_watch else "active" if alert.is_active else "paused"


def _describe_desk(answer: DeskAnswer) -> dict[str, Any]:
    """Return a desk of an alert: its answer, how it is watched, and why not where it is not."""
    return {
        "answer": answer,
        "watch": classify_watch(answer),
        "reason": explain_desk(desks()[answer.id], answer.not_watchable),
    }


def _group_openings(
    detections: Sequence[AlertDetection], messages: Sequence[SentMessage], zone: str
) -> list[dict[str, Any]]:
    """Return what was found and told by desk and day: those with open slots first, then the newest."""
    found: dict[tuple[str, str | None, date], list[AlertDetection]] = {}
    for each in sorted(detections, key=lambda each: not each.slots_open):
        day = each.detected_at.astimezone(zone_of(zone)).date()
        found.setdefault((each.desk_id, each.site, day), []).append(each)
    return [
        {
            "day": day,
            "detections": its,
            "slots_open": sum(each.slots_open for each in its),
            "messages": _describe_channels(messages, {each.id for each in its}),
        }
        for (_desk_id, _site, day), its in found.items()
    ]


def _describe_channels(
    messages: Sequence[SentMessage], detection_ids: Collection[UUID]
) -> dict[tuple[str, LazyString], list[LazyString]]:
    """Return by tone and words of a state the channels whose newest message about these detections went so."""
    newest = {each.channel: each for each in reversed(messages) if each.detection_id in detection_ids}
    found: dict[tuple[str, LazyString], list[LazyString]] = {}
    for channel in (each for each in Channel if each in newest):
        found.setdefault(describe_state(channel, newest[channel].state), []).append(CHANNEL_NAMES[channel])
    return found
