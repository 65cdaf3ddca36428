"""Pages of the messages to a user: what was sent or held back, and why; and the notices of the account itself."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from flask import Response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from api.alerts.notifications import notices
from api.alerts.notifications.notices import MOST_COUNTED, list_notices
from api.alerts.notifications.queries import MessagePageQuery, OwnMessage, list_own_messages
from api.alerts.notifications.reasons import Reason
from api.ground.errors import ApiError
from api.ground.paging import PageQuery
from api.models.base import autocommit_session, read_once, write_once
from api.models.notification import State
from api.pages.area import Access, Area, answer_live
from api.pages.cookies import lead_to
from api.pages.forms import read_page_query
from api.pages.words import CHANNEL_NAMES, describe_state
from api.web.auth import current_identity, current_user_id
from api.web.languages import read_language
from configs.ground.clock import clock
from configs.ground.text import RIGHT_TO_LEFT
from configs.settings import settings
from configs.world.desk import zone_of
from configs.world.prefecture import desks

_l = lazy_gettext
_PER_PAGE = 20
_LONGEST = 4000  # characters shown of a message: an order's mail has the whole terms, in two languages
area = Area("messages", __name__)


_GROUPS: dict[str, tuple[LazyString, Collection[State]]] = {  # states that the page's filter takes together
    "arrived": (_l("Reçus"), (State.DELIVERED,)),
    "sent": (_l("Envoyés"), (State.SENT,)),
    "unconfirmed": (_l("Réception non confirmée"), (State.NO_RECEIPT,)),
    "under_way": (_l("En route"), (State.PENDING, State.SENDING)),
    "held_back": (_l("Retenus"), (State.EXPIRED, State.SKIPPED)),
    "failed": (_l("Non remis"), (State.FAILED, State.BOUNCED)),
}
_TYPE_NAMES = {  # of messages that have no title: not yet, or not any more
    "slot_detected": _l("Créneau détecté"),
    "phone_code": _l("Code de confirmation"),
    "slot_call": _l("Appel : créneau détecté"),
    "call_missed": _l("SMS après un appel"),
    "more_messages": _l("D’autres alertes attendent"),
    "desk_unwatched": _l("Page de rendez-vous qui n’est plus surveillée"),
    "desk_watched": _l("Page de rendez-vous de nouveau surveillée"),
    "page_decided": _l("Page de rendez-vous que vous avez indiquée"),
    "desk_watchable": _l("Page de rendez-vous que nous pouvons surveiller"),
    "desk_reported": _l("Page lue par ceux qui attendent"),
    "look_requested": _l("Demande de regarder une page"),
    "release_soon": _l("Publication prochaine de places"),
}
_WITHHELD = {
    "secret": _l(
        "Ce message portait un lien, un code ou des données personnelles. Nous ne les montrons pas une seconde fois."
    ),
    "erased": _l("Son texte est effacé : nous ne gardons les textes que 90 jours."),
    "unavailable": _l("Nous n’avons pas son texte : il a été effacé, ou son envoi a été interrompu."),
}
_UNCONFIRMED = _l(
    "Le service d’envoi l’a pris, puis n’a rien confirmé. Regardez aussi parmi les indésirables."
)
_CHANNELS = ("channels.show_channels", _l("Vérifier mes canaux"))
_ALERTS = ("dashboard.show_dashboard", _l("Voir mes alertes"))
_ACTIONS: Mapping[Reason, tuple[str, LazyString]] = {
    **dict.fromkeys(
        (
            Reason.BOUNCED,
            Reason.BLOCKED,
            Reason.UNSUBSCRIBED,
            Reason.CHANNEL_OFF,
            Reason.NOT_CONFIRMED,
            Reason.NO_ADDRESS,
            Reason.NOT_ACCEPTED,
        ),
        _CHANNELS,
    ),
    Reason.ALERT_STOPPED: _ALERTS,
}


def read_messages() -> dict[str, Any]:
    """Return the page of messages that the address asks for; what it does not understand is left out."""
    who, query, group = (
        current_identity(),
        read_page_query(MessagePageQuery, _PER_PAGE),
        request.args.get("state"),
    )
    group = group if group in _GROUPS else None
    with autocommit_session() as s:
        states = _GROUPS[group][1] if group else ()
        page = list_own_messages(s, who.user_id, read_language(), query, states)
    following = None
    if page.next:
        following = url_for("messages.show_messages", channel=query.channel, state=group, before=page.next)
    return {
        "openings": _group_openings(page.items, who.time_zone),
        "time_zone": who.time_zone,
        "channel": query.channel,
        "group": group,
        "is_filtered": query.channel is not None or group is not None,  # only some messages were asked for
        "following": following,  # address of the page after this one
    }


def _group_openings(messages: Sequence[OwnMessage], zone: str) -> list[list[dict[str, Any]]]:
    """Return messages about openings of one desk on one day as one, by any channel; others stand alone."""
    groups: dict[object, list[dict[str, Any]]] = {}
    for each in messages:
        day, about = each.created_at.astimezone(zone_of(zone)).date(), each.metadata
        key: object = (about.desk_id, day) if about.desk_id and about.detection_id else each.id
        groups.setdefault(key, []).append(_describe(each))
    return list(groups.values())


def _describe(message: OwnMessage) -> dict[str, Any]:
    """Return a message: what it is called, its state in words, why, and where something can be done about it."""
    tone, state = describe_state(message.channel, message.status)
    return {
        "message": message,
        "shown": message.body and message.body[:_LONGEST],
        "title": message.title or _TYPE_NAMES.get(message.type) or _l("Message du service"),
        "channel": CHANNEL_NAMES[message.channel],
        "tone": tone,
        "state": state,
        "at": message.sent_at or message.created_at,
        "why": message.error_msg or (_UNCONFIRMED if message.status is State.NO_RECEIPT else None),
        "withheld": _explain_content(message),  # why its text is not shown
        # Which desk it is about, of one without a text
        "desk": _name_desk(message) if _has_no_text_yet(message) else None,
        "action": _find_action(message),  # address and text of a link
        # The direction of its text, whatever name or link it begins with
        "direction": "rtl" if message.language in RIGHT_TO_LEFT else "ltr",
    }


def _explain_content(message: OwnMessage) -> LazyString | None:
    """Return why there is no text; what did not leave never had one, and says why it did not."""
    if not _has_no_text_yet(message):
        return _WITHHELD.get(message.content)
    is_under_way = message.status in _GROUPS["under_way"][1]
    return _l("Son texte est écrit au moment où il part.") if is_under_way else None


def _has_no_text_yet(message: OwnMessage) -> bool:
    return message.content == "unavailable" and message.sent_at is None


def _name_desk(message: OwnMessage) -> str | None:
    """Return what messages call the desk."""
    desk = desks().get(message.metadata.desk_id or "")
    return desk.message_label if desk else None


def _find_action(message: OwnMessage) -> tuple[str, LazyString] | None:
    found = _ACTIONS.get(message.reason) if message.reason else None
    if message.status is State.NO_RECEIPT:
        found = _CHANNELS
    return (url_for(found[0]), found[1]) if found else None


def read_notices() -> dict[str, Any]:
    """Return the page of notices that the address asks for: the first where it names none."""
    who, query = current_identity(), read_page_query(PageQuery, _PER_PAGE)
    page = read_once(list_notices, who.user_id, query)
    return {
        "notices": page.items,
        "unread": page.unread,  # of all pages
        "count": count_title(page.unread),
        "last": page.items[0].id if page.items else None,  # the newest that is shown
        "time_zone": who.time_zone,
        # Address of the page after this one
        "following": url_for("messages.show_notices", before=page.next) if page.next else None,
        "is_first": query.before is None,  # it has the newest, and follows what comes
        "stream": f"{str(settings().live_url).rstrip('/')}/live/notices",  # address of what comes
    }


def count_title(unread: int) -> str:
    """Return the number of unread notices, in few characters; empty where there are none."""
    if unread >= MOST_COUNTED:
        return f"{MOST_COUNTED - 1}+"
    return str(unread) if unread else ""


@area.page("/messages", Access.PERSONAL)
def show_messages() -> str:
    return render_template(
        "messages/messages.html",
        view=read_messages(),
        channels=CHANNEL_NAMES,
        groups={group: name for group, (name, _states) in _GROUPS.items()},
    )


@area.page("/notifications", Access.PERSONAL)
def show_notices() -> str:
    """List the notices, the newest first; the title has the number of unread ones."""
    view = read_notices()
    return render_template("messages/notices.html", view=view, count=view["count"])


@area.page("/notifications/direct", Access.PERSONAL, polled=True)
def show_live_notices() -> Response:
    """Answer the newest notices, to the page that shows them."""
    view = read_notices()
    return answer_live({
        "unread": render_template("messages/_unread.html", view=view, count=view["count"]),
        "notices": render_template("messages/_notices.html", view=view),
    })  # fmt: skip


@area.action("/notifications/<uuid:id>/lue", Access.PERSONAL)
def mark_notice(id: UUID) -> ResponseReturnValue:
    """Mark one notice as read; one that is deleted by now is left out."""
    try:
        write_once(notices.mark_notice_read, current_user_id(), id, clock())
    except ApiError as error:
        if error.word != "not-found":
            raise
    return lead_to("messages.show_notices")


@area.action("/notifications/lues", Access.PERSONAL)
def mark_all_notices() -> ResponseReturnValue:
    """Mark the notices as read that the page had shown, and all that are older."""
    if last := request.form.get("last", type=UUID):
        write_once(notices.mark_all_read, current_user_id(), last, clock())
        return lead_to("messages.show_notices", _("Toutes ces notifications sont lues."))
    return lead_to("messages.show_notices")
