"""Messages of the Telegram bot: its reply to a command, and edits of slot alerts: gone, or with what was answered.

Params of an edit: `message` (the provider's id), `alerts` (their notifications), `sent` and `at` (ISO 8601). An edit
makes no sound: it is of no group that can be switched off or held back, and its reader can answer still.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.models.alert import REOPENS, Alert, ClosedBecause
from api.models.answer import AnswerValue, MatchAnswer, find_last_change
from api.models.base import is_any_of
from api.models.bot_buttons import (
    ALL,
    shorten_id,
    write_alert_button,
    write_language_button,
    write_look_button,
)
from api.models.notification import Match, Notification, State
from api.models.slot import Detection
from configs.ground.signing import OpenPage, write_link
from configs.ground.text import MESSAGE_LANGUAGES, write_time
from configs.world.prefecture import desks
from notifier.content.desk_location import location_of, name_desk, name_place
from notifier.content.message_kind_base import (
    EDITABLE_CHAT,
    LINKED_CHAT,
    ChoiceButton,
    Choices,
    DueMessage,
    MessageKind,
    Skip,
    TemplateContext,
    account_page,
)
from notifier.content.messages import write_words
from notifier.content.slot_alert_content import (
    ANSWER_TAGS,
    ANSWERED,
    Announcement,
    ContentCache,
    SlotOpening,
    list_answer_choices,
    list_option_choices,
    merge,
    read_announcements,
    write_answer_links,
    write_slots_link,
)

COMMANDS = ("alerts", "vu", "pause", "resume", "stop", "language", "unlink", "help")
_KIND = "bot_reply"
EDIT = "slot_answered"  # the kind of an edit that shows a slot alert as it is now
REPLIES = (_KIND, EDIT)  # to commands and buttons
_LANGUAGES_IN_ROW = 3
_MOST = 10  # alerts in one message
_LONGEST = 200  # alerts that are read: a user keeps fewer, but may have stopped some within the day
_LOOKS = ("vu", "look")  # views
_ACTIONS = ("pause", "resume", "stop")
# By what state an alert has, what may be done with it.
_POSSIBLE = {
    "active": ("pause", "stop"), "paused": ("resume", "stop"), "waiting": ("stop",), "stopped": ("resume",),
}  # fmt: skip
GONE = "slot_gone"  # the kind
EDITABLE_FOR = timedelta(hours=48)  # a message that is older stays as it is
_DELETED = Skip(State.SKIPPED, "alert deleted")
_CLOSES_ALERT = frozenset({AnswerValue.FOUND, AnswerValue.STOPPED})  # asked by alert; the others by desk


class ListedAlert(NamedTuple):
    """An alert in the list."""

    id: UUID
    number: int
    place: str
    name: str | None
    state: str

    def allows(self, action: str) -> bool:
        """Whether it can be paused, resumed or stopped."""
        return action in _POSSIBLE[self.state]


def _name_state(alert: Alert) -> str:
    if alert.closed_at is not None:
        return "stopped"
    if alert.awaits_watch:
        return "waiting"
    return "active" if alert.enabled else "paused"


def _list_alerts(session: Session, user_id: UUID, now: datetime) -> list[ListedAlert]:
    """Return a user's alerts, the oldest first: those that are not over, then those stopped within the last day."""
    stopped = sa.and_(Alert.closed_because == ClosedBecause.STOPPED, Alert.closed_at > now - REOPENS)
    mine = (
        sa.select(Alert)
        .where(Alert.user_id == user_id, sa.or_(Alert.closed_at.is_(None), stopped))
        .options(selectinload(Alert.targets))
        .order_by(Alert.closed_at.is_not(None), Alert.id)
        .limit(_LONGEST)
    )
    return [
        ListedAlert(alert.id, number, name_place(alert.targets[0]), alert.name, _name_state(alert))
        for number, alert in enumerate(session.scalars(mine), 1)
    ]


def _list_buttons(alerts: Iterable[ListedAlert], actions: Sequence[str], language: str) -> Choices:
    """Return a row for each alert with what can be done with it; for one action also a button for all of them."""
    found = list(alerts)
    rows = [
        tuple(
            ChoiceButton(
                f"{write_words(_KIND, language, 'act', action)} · {each.number}",
                write_alert_button(action, each.id),
            )
            for action in actions
            if each.allows(action)
        )
        for each in found
    ]
    if len(actions) == 1 and len(found) > 1:
        label = write_words(_KIND, language, "line", "all")
        rows.append((ChoiceButton(label, write_alert_button(actions[0], ALL)),))
    return tuple(row for row in rows if row)


def _reply(due: DueMessage) -> TemplateContext:
    """Return what was asked for, as it is now.

    Params: `view` (`alerts`, `pause`, `resume`, `stop`, `language`, `help`) and, where there is one, `event`, the word
    of what was done just now; `account` the address, shortened, that a chat was linked to; `replaces` the provider's id
    of the reply that it takes the place of.
    """
    view = due.params["view"]
    alerts: list[ListedAlert] = []
    if view in _LOOKS:
        return _describe_looks(due, view)
    if view not in ("language", "help"):
        found = _list_alerts(due.session, due.contact.user_id, due.now)
        alerts = [each for each in found if each.allows(view)] if view in _ACTIONS else found
    context = _describe(view, alerts, due.language)
    said = {name: due.params.get(name) for name in ("event", "account")}
    return replace(context, values=context.values | said, replaces=due.params.get("replaces", ""))


def _describe(view: str, alerts: Sequence[ListedAlert], language: str) -> TemplateContext:
    shown = alerts[:_MOST]
    values: dict[str, Any] = {
        "view": view,
        "alerts": shown,
        "more": len(alerts) > _MOST,
        "commands": COMMANDS,
    }
    if view == "language":
        known = [ChoiceButton(name, write_language_button(code)) for code, name in MESSAGE_LANGUAGES.items()]
        starts = range(0, len(known), _LANGUAGES_IN_ROW)
        rows = tuple(tuple(known[start : start + _LANGUAGES_IN_ROW]) for start in starts)
        return TemplateContext(values, choices=rows)
    actions = (view,) if view in _ACTIONS else _ACTIONS
    return TemplateContext(values, account_page("dashboard"), choices=_list_buttons(shown, actions, language))


def _describe_looks(due: DueMessage, view: str) -> TemplateContext:
    """Return the desks that the reader may look at: which one, or one with its page and what may be seen there."""
    found = [desks()[each] for each in due.params.get("desks", ()) if each in desks()][:_MOST]
    values: dict[str, Any] = {
        "view": view if found else "vu",
        "read_desks": [
            {"where": location_of(each.id, each.prefecture_id).where, "label": each.message_label[:_LONGEST]}
            for each in found
        ],
        "event": due.params.get("event"),
        "account": None,
    }
    if values["view"] == "vu":
        data = [(str(number), write_look_button("open", each.id)) for number, each in enumerate(found, 1)]
        return TemplateContext(
            values, account_page("regards"), choices=tuple((ChoiceButton(*each),) for each in data)
        )
    buttons = [
        ChoiceButton(write_words(_KIND, due.language, "act", seen), write_look_button(seen, found[0].id))
        for seen in ("slots", "none", "unseen")
    ]
    replaces = due.params.get("replaces", "")
    page = write_link(OpenPage(due.row.id))
    return TemplateContext(values, page, choices=tuple((each,) for each in buttons), replaces=replaces)


def name_edit(contact_id: UUID | None, message: str, about: str = GONE) -> str:
    """Return the dedupe key of a message's edit, which says something once: that its slots are gone, say."""
    return f"{about}:{contact_id}:{message}"


def _check_age(due: DueMessage) -> Skip | None:
    if datetime.fromisoformat(due.params["sent"]) <= due.now - EDITABLE_FOR:
        return Skip(State.EXPIRED, "too old to be edited")
    return None


def _list_edited(due: DueMessage) -> list[UUID]:
    return [UUID(each) for each in due.params["alerts"]]


def _add_answers(due: DueMessage, shown: TemplateContext) -> TemplateContext:
    """Return the context of an edit with the answers to the message, and with the buttons that may be pressed still.

    Once an appointment is found for all of them, the link leads to where its date is given. `asks` of the row's params
    is an answer: the buttons then ask what it is about, where that is not clear.
    """
    alerts, asks = _list_edited(due), due.params.get("asks") or ""
    matches = _read_matches(due.session, alerts)
    may_change = any(
        each.answered_at is None or due.now < find_last_change(each.answered_at, each.decided_at)
        for each in matches
    )
    options = _list_options(matches, asks) if asks and may_change else []
    given: set[Any] = {each.answer for each in matches}
    choices: Choices = ()
    if len(options) > 1:
        choices = list_option_choices(due.language, asks, options)
    elif may_change:
        only = next(iter(given)) if len(given) == 1 else None
        choices = list_answer_choices(due.language, only.value if only else None)
    is_found = bool(choices) and given == {AnswerValue.FOUND}
    said = {"given": _list_answers(matches), "asks": asks if len(options) > 1 else None, "is_found": is_found}
    return replace(
        shown,
        values=shown.values | said,
        url=write_answer_links(alerts)[ANSWER_TAGS["found"]] if is_found else shown.url,
        substitutions=shown.substitutions | {ANSWERED: shorten_id(alerts[0])} | write_slots_link(alerts),
        key=None,
        stop_token="",
        replaces=due.params["message"],
        choices=choices,
    )


def _name_match(match: Any, *, by_alert: bool = True) -> str:
    """Return what tells its alert, or its desk, from the others of its message: `Essonne (91) · Naturalisation`."""
    home, alert_name = location_of(match.desk_id, match.prefecture_id), match.name if by_alert else None
    return f"{home.where} · {alert_name or name_desk(match.desk_id, match.label)}"


def _read_matches(session: Session, notification_ids: Sequence[UUID]) -> Sequence[Any]:
    columns = (
        Match.id, Match.alert_id, Alert.name, Detection.desk_id, Detection.prefecture_id, Detection.label,
        MatchAnswer.value.label("answer"), MatchAnswer.answered_at, Match.decided_at,
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .join(Alert, Alert.id == Match.alert_id)
        .join(Detection, Detection.id == Match.detection_id)
        .outerjoin(MatchAnswer, MatchAnswer.match_id == Match.id)
        .where(is_any_of(Notification.id, notification_ids))
        .order_by(Match.alert_id, Match.id)
        .distinct()
    )
    return session.execute(query).all()


def _list_answers(matches: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the answers for the texts; each with a name where not all matches have the same."""
    values = {each.answer for each in matches}
    if len(values) == 1:
        return [{"value": value.value, "name": None} for value in values if value]
    found: dict[tuple[str, str], None] = {}  # in their order, each once
    for each in matches:
        if each.answer:
            found[each.answer.value, _name_match(each)] = None
    return [{"value": value, "name": name} for value, name in found]


def _list_options(matches: Iterable[Any], answer: str) -> list[tuple[UUID, str]]:
    """Return what an answer may be about: a match for each alert that it would close, else one for each desk."""
    by_alert = answer in _CLOSES_ALERT
    options: dict[Hashable, tuple[UUID, str]] = {}
    for each in matches:
        option = each.id, _name_match(each, by_alert=by_alert)
        options.setdefault(each.alert_id if by_alert else each.desk_id, option)
    return list(options.values())


def _say_edited(due: DueMessage) -> TemplateContext | Skip:
    """Return the alert with what was answered, and that its slots are gone where they are.

    `asks` of the params: the answer whose alert or desk the buttons ask for; left out where they offer the answers.
    """
    found = read_announcements(due.session, _list_edited(due))
    told = [each for each in found.values() if each.slots]  # what was deleted is left out
    if not told:
        return _DELETED
    shown = _add_answers(due, _describe_shown(due, told))
    about_helped = any(stop.reference is not None for each in told for stop in each.stops)
    return replace(shown, choices=()) if about_helped else shown  # members answer by the table of people


def _describe_shown(due: DueMessage, told: Sequence[Announcement]) -> TemplateContext:
    edit: dict[str, str] | None = due.params
    if due.row.kind != GONE:  # where the edit that says so left or is leaving
        gone = sa.select(Notification.params).where(
            Notification.dedupe_key == name_edit(due.row.contact_id, due.params["message"]),
            Notification.state.in_((State.SENDING, State.DELIVERED)),
        )
        edit = due.session.scalar(gone)
    seen = sa.select(sa.func.max(Notification.seen_at)).where(is_any_of(Notification.id, _list_edited(due)))
    seen_at, cache = None if edit else due.session.scalar(seen), ContentCache()
    shown = merge(
        (
            cache.context(
                [SlotOpening(each.detection, tuple(each.slots), seen_at or each.detection.seen_at)],
                () if edit else each.stops,
                due.language,
            )
            for each in told
        ),
        due.language,
    )
    if not edit:
        return replace(shown, values=shown.values | {"is_gone": False})
    first, at = told[0].detection, datetime.fromisoformat(edit["at"])
    zone = location_of(first.desk_id, first.prefecture_id).zone
    gone_hour = write_time(at, "short", locale=due.language, tzinfo=zone)
    values = {"openings": shown.values["openings"], "gone_hour": gone_hour, "is_gone": True}
    return replace(shown, values=values, url=None)


KINDS = {
    "bot_reply": MessageKind(to=LINKED_CHAT, values=_reply),
    GONE: MessageKind(to=EDITABLE_CHAT, check=_check_age, values=_say_edited),
    EDIT: MessageKind(to=LINKED_CHAT, check=_check_age, values=_say_edited),
}
