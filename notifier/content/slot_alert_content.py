"""Content of a slot alert: what it announced, or what is open at which desk, as values of its texts, and its answers.

Very many messages share their content. So a button or a link, by which the reader says what became of the slots, names
its notification by a tag, which is filled in for each message.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from babel.dates import format_date, format_skeleton
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget, Limits, Moment
from api.models.answer import AnswerValue
from api.models.base import is_any_of
from api.models.bot_buttons import ALL, BACK, shorten_id, write_answer_button
from api.models.desk import Source
from api.models.notification import Match, Notification, read_ranges
from api.models.organisation import Beneficiary, Member, MemberRole, Organisation, OrganisationEnd
from api.models.slot import Detection, SlotRow
from api.models.user import Channel
from configs.ground.signing import (
    AnswerAlert,
    ReportLook,
    ShowHelp,
    ShowSlots,
    StopAlerts,
    write_address,
    write_link,
    write_token,
)
from configs.ground.text import truncate_line, write_time
from configs.world.desk import WatchLevel
from configs.world.prefecture import desks
from notifier.content.desk_location import DeskLocation, location_of, name_city, name_desk, write_day
from notifier.content.message_kind_base import (
    SLOT_DETECTED,
    ChoiceButton,
    Choices,
    ClaimedRow,
    TemplateContext,
    account_page,
    sms_stop_page,
)
from notifier.content.messages import write_words

_WHILE, _TODAY = timedelta(minutes=1), timedelta(hours=12)
_LONGEST_NAME = 300  # characters of a label or a site: Telegram takes 4,096 in a message
_MOST_DAYS = 12  # named in a mail
_OWN_PAGE_TAG = "%own_page%"
MOST_STOPS = 10  # links in one message; the texts lead to the account for the others
_ANSWER_KIND = "slot_answered"
ANSWERED = "%answered%"  # the tag: the notification that a button answers
# Placeholder of each answer's address in a text that many readers share.
ANSWER_TAGS = {value.value: f"%answer_{value.value}%" for value in AnswerValue}
SLOTS_TAG = "%slots%"  # placeholder of the page that shows what is open
LOOK_TAG = "%look%"  # placeholder of the page where its reader says what a desk's page shows
UNSIGNED = dict.fromkeys((*ANSWER_TAGS.values(), SLOTS_TAG, LOOK_TAG), "")
_ROWS = (("found", "too_late"), ("nothing_there",), ("stopped",))
_CHOSEN = "\N{CHECK MARK} "
_LONGEST_OPTION = 40  # characters of a name in a label
_MOST_OPTIONS = 95  # Telegram takes 100 buttons; a link, "all" and the way back are among them


def slot_moment(slot: SlotRow, zone: ZoneInfo, site: str | None) -> Moment:
    """Return a slot as limits see it: the desk's local date and hour, as far as they are known."""
    if slot.starts_at is not None:
        local = slot.starts_at.astimezone(zone)
        return Moment(local.date(), local.time(), site)
    if slot.moment == "open":
        return Moment(site=site)
    return Moment(date.fromisoformat(slot.moment[:10]), site=site)


def read_moments(detection: Detection, slots: Iterable[SlotRow]) -> list[tuple[SlotRow, Moment]]:
    """Return slots of a detection's desk, each as limits see it."""
    zone = location_of(detection.desk_id, detection.prefecture_id).zone
    desk = desks().get(detection.desk_id)
    # A department's detections name its town halls: in which of an alert's sites these lie is not known.
    site = None if desk and desk.in_rounds else detection.site
    return [(slot, slot_moment(slot, zone, site)) for slot in slots]


@dataclass(frozen=True, slots=True)
class StopLink:
    """An alert that a message can stop, and what its owner calls it."""

    alert_id: UUID
    name: str | None
    # The number of the person helped, in a message to a member of the organisation, which stops nothing by itself
    reference: int | None = None
    own_page: str = ""  # where a person helped sees what is kept, and ends it


@dataclass(frozen=True, slots=True)
class SlotOpening:
    """The open slots of one desk in a message; `since` and `seen_at` are when they were seen first and last."""

    detection: Detection
    slots: tuple[SlotRow, ...]
    seen_at: datetime
    since: datetime | None = None
    key: tuple[Any, ...] = field(init=False, compare=False, repr=False)  # what its values depend on

    def __post_init__(self) -> None:
        key = self.detection.id, tuple(slot.id for slot in self.slots), self.seen_at, self.since
        object.__setattr__(self, "key", key)

    def values(self, language: str) -> dict[str, Any]:
        """Return the values of the templates."""
        detection = self.detection
        where = location_of(detection.desk_id, detection.prefecture_id)
        moments, (site, url) = [slot_moment(slot, where.zone, None) for slot in self.slots], self.find_place()
        seen, since_hour, witness = self.seen_at.astimezone(where.zone), None, self.find_witness()
        pattern = "H 'h' mm" if language == "fr" else "short"
        if self.since and _WHILE <= self.seen_at - self.since < _TODAY and not witness:
            since_hour = write_time(self.since, pattern, locale=language, tzinfo=where.zone)
        return {
            "prefecture": where.name,
            "department": where.department,
            "label": name_desk(detection.desk_id, detection.label)[:_LONGEST_NAME],
            "site": site and site[:_LONGEST_NAME],
            "count": len(moments),
            "countable": all(moment.day for moment in moments) and not witness,
            "witness": witness,
            "said_hour": write_time(seen, pattern, locale=language, tzinfo=where.zone),
            "url": url,
            "city": name_city(where.zone, language),
            "seen_day": write_day(seen, language),
            "since_hour": since_hour,
            "seen_hour": write_time(seen, "medium", locale=language, tzinfo=where.zone),
            **first_moment(moments, where, language),
            **_list_days(moments, language),
        }

    @property
    def is_read(self) -> bool:
        """Whether people watch the desk: the reader of a message may say what they see."""
        desk = desks().get(self.detection.desk_id)
        return desk is not None and desk.watch is WatchLevel.PEOPLE and desk.schedulable

    def find_witness(self) -> str:
        """Return who saw the slots: "" a check, `person` one without corroboration, `people` several."""
        if not all(slot.source is Source.REPORT for slot in self.slots):
            return ""
        return "person" if all(slot.in_doubt for slot in self.slots) else "people"

    def find_place(self) -> tuple[str | None, str]:
        """Return where one goes, and the page where one books: of a department the town halls of these slots.

        Its detection names those of its own slots, and a message may be about others that are open as well.
        """
        desk = desks().get(self.detection.desk_id)
        if desk and desk.in_rounds:
            return desk.name_places({each.place_key: (each.place_label, each.url) for each in self.slots})
        return self.detection.site, self.detection.booking_url


@dataclass(slots=True)
class ContentCache:
    """Builds the template contexts of many messages; what several share is built once."""

    made: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    shared: dict[tuple[Any, ...], TemplateContext] = field(default_factory=dict)

    def context(
        self, openings: Sequence[SlotOpening], stops: Sequence[StopLink], language: str
    ) -> TemplateContext:
        """Return the context of one message; the links to stop are substitutions, which differ per person.

        Those to answer get their addresses when the message is rendered: they name its notification.
        """
        references = sorted({stop.reference for stop in stops if stop.reference is not None})
        own_page = next((stop.own_page for stop in stops if stop.own_page), "")
        origin, stops = (openings, stops), () if references else stops
        names = tuple(stop.name for stop in stops)
        key = (*(opening.key for opening in openings), names, *references, bool(own_page))
        if (shared := self.shared.get((key, language))) is None:
            values = {
                "openings": [self.values_of(opening, language) for opening in openings],
                "stops": [(name, f"%stop{number}%") for number, name in enumerate(names)],
                "answers": ANSWER_TAGS,
                "references": [f"#{each}" for each in references],
                "people_page": account_page("organisation/people"),
                "own_page": _OWN_PAGE_TAG if own_page else "",
                "slots_page": SLOTS_TAG,
                "look_page": LOOK_TAG if any(each.is_read for each in openings) else "",
                "sms_stop_page": sms_stop_page(),
            }
            url = openings[0].find_place()[1] if len(openings) == 1 else None
            choices = () if references else list_answer_choices(language)
            shared = self.shared[key, language] = TemplateContext(values, url, key=key, choices=choices)
        ids = tuple(stop.alert_id for stop in stops[:MOST_STOPS])
        tokens = [write_token(StopAlerts((each,))) for each in ids]
        stop_token = "" if references else tokens[0] if len(tokens) == 1 else write_token(StopAlerts(ids))
        tags = (tag for _, tag in shared.values["stops"])
        return replace(
            shared,
            substitutions=UNSIGNED
            | {_OWN_PAGE_TAG: own_page}
            | dict(zip(tags, map(write_address, tokens), strict=False)),
            origin=origin,
            stop_token=stop_token,
        )

    def values_of(self, opening: SlotOpening, language: str) -> dict[str, Any]:
        """Return the values of one opening."""
        key = (*opening.key, language)
        if key not in self.made:
            self.made[key] = opening.values(language)
        return self.made[key]


def merge(contexts: Iterable[TemplateContext], language: str) -> TemplateContext:
    """Return the context of one message for several: one opening per desk, the one that was seen last on top."""
    by_desk: dict[str, SlotOpening] = {}
    stops: dict[UUID, StopLink] = {}
    for openings, its in (each.origin for each in contexts):
        stops |= {stop.alert_id: stop for stop in its}
        for opening in openings:
            desk = opening.detection.desk_id
            by_desk[desk] = _joined(by_desk[desk], opening) if desk in by_desk else opening
    newest = sorted(by_desk.values(), key=lambda each: each.seen_at, reverse=True)
    return ContentCache().context(newest, list(stops.values()), language)


def _joined(one: SlotOpening, other: SlotOpening) -> SlotOpening:
    slots = {slot.id: slot for slot in (*one.slots, *other.slots)}
    newer = max(one, other, key=lambda each: each.seen_at)
    since = min(each.since or each.seen_at for each in (one, other))
    return SlotOpening(newer.detection, tuple(slots[each] for each in sorted(slots)), newer.seen_at, since)


def shorten_day(day: date, language: str) -> str:
    """Return a day in few characters: in French as numbers, else with its month's name, which no reader mistakes."""
    if language == "fr":
        return format_date(day, "dd/MM", locale=language)
    return format_skeleton("MMMd", day, locale=language)


def first_moment(moments: Sequence[Moment], where: DeskLocation, language: str) -> dict[str, str | None]:
    """Return the earliest date that is known and its hour, in words and short; None where unknown.

    Among the slots of that date, one whose hour is known goes first.
    """
    known = [(moment.day, moment.hour) for moment in moments if moment.day]
    if not known:
        return {"first_day": None, "first_day_short": None, "first_hour": None}
    day, hour = min(known, key=lambda each: (each[0], each[1] is None, each[1] or time.min))
    instant = datetime.combine(day, hour or time.min, where.zone)
    return {
        "first_day": write_day(day, language, "full"),
        "first_day_short": shorten_day(day, language),
        "first_hour": write_time(instant, "short", locale=language, tzinfo=where.zone) if hour else None,
    }


def _list_days(moments: Iterable[Moment], language: str) -> dict[str, Any]:
    """Return the days in few characters, where there are several, and how many of them are left out."""
    days = sorted({moment.day for moment in moments if moment.day})
    named = [shorten_day(day, language) for day in days[:_MOST_DAYS]] if len(days) > 1 else []
    return {"days": named, "more_days": max(0, len(days) - _MOST_DAYS)}


@dataclass(slots=True)
class Announcement:
    """What one slot alert announced, or what of it is open, and the alerts that wanted it, or those that still wait."""

    detection: Detection
    stops: list[StopLink] = field(default_factory=list)
    slots: list[SlotRow] = field(default_factory=list)  # in the order of their ids
    missing: list[SlotRow] = field(default_factory=list)  # gone so lately that they may be open again
    is_changed: bool = False  # an alert was, and wants nothing of what is open any more


def read_announcements(
    session: Session,
    ids: Sequence[UUID],
    read_open: Callable[[Session, Collection[str]], Mapping[str, Sequence[SlotRow]]] | None = None,
) -> dict[UUID, Announcement]:
    """Return by notification what it announced; nothing where all its alerts are deleted. Three queries for all.

    With `read_open`, which returns what is open of some slots, only of the alerts that still wait; of one that was
    changed since, which takes another query, only what it wants now. An alert of a person helped waits for its
    caseworkers while the organisation helps the person and has them as members, and until it is ended for abuse.
    """
    found = session.execute(_select_announced(ids, only_waiting=read_open is not None)).all()
    named = sa.select(Detection).where(is_any_of(Detection.id, {row.detection_id for row in found}))
    detections = {row.id: row for row in session.scalars(named)}
    slots = (read_open or read_slots)(session, {row.ranges for row in found})
    targets: dict[UUID, list[AlertTarget]] = {row.alert_id: [] for row in found if row.is_changed}
    if targets:
        for each in session.scalars(sa.select(AlertTarget).where(is_any_of(AlertTarget.alert_id, targets))):
            targets[each.alert_id].append(each)
    announced: dict[UUID, Announcement] = {}
    for row in found:
        mine = announced.setdefault(row.id, Announcement(detections[row.detection_id]))
        if row.is_reader and row.reference is None:
            continue  # its reader's organisation helps the person no more
        wanted = its = slots[row.ranges]
        if row.is_changed:
            wanted = _choose_wanted(mine.detection, its, targets[row.alert_id])
        if read_open is None or (row.waits and (wanted or not its)):
            mine.stops.append(_build_stop(row))
            mine.slots = sorted({*mine.slots, *wanted}, key=lambda slot: slot.id)  # alerts share some
        elif row.waits:
            mine.is_changed = True
    return announced


def _select_announced(ids: Sequence[UUID], *, only_waiting: bool) -> sa.Select[*tuple[Any, ...]]:
    """Return the query of the matches of some notifications; whether an alert was changed is asked where it waits."""
    is_reader = Notification.user_id != Alert.user_id
    helps = sa.select(Member.id).join(Organisation).where(
        Member.user_id == Notification.user_id,
        Member.organisation_id == Beneficiary.organisation_id,
        Member.role != MemberRole.VIEWER,
        Organisation.ends_because.is_distinct_from(OrganisationEnd.ABUSE),
    )  # fmt: skip
    waits = sa.and_(Alert.enabled, Alert.closed_at.is_(None), sa.or_(~is_reader, helps.exists()))
    is_changed = Alert.limits_version > Match.limits_version if only_waiting else sa.false()
    return (
        sa.select(
            Notification.id, Notification.contact_id, Match.detection_id, Match.alert_id, Alert.name,
            Beneficiary.reference, sa.cast(Match.slots, sa.Text).label("ranges"), is_reader.label("is_reader"),
            waits.label("waits"), is_changed.label("is_changed"),
        )
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .join(Alert, Alert.id == Match.alert_id)
        .outerjoin(Beneficiary, Beneficiary.user_id == Alert.user_id)
        .where(is_any_of(Notification.id, ids))
        .order_by(Alert.id)
    )  # fmt: skip


def _build_stop(row: Any) -> StopLink:
    """Return what a message can stop; one about a person helped has the number, one to the person the own page."""
    if row.is_reader:
        return StopLink(row.alert_id, None, reference=row.reference)
    is_helped = row.reference is not None and row.contact_id
    own_page = write_link(ShowHelp(row.contact_id)) if is_helped else ""
    return StopLink(row.alert_id, row.name, own_page=own_page)


def _choose_wanted(
    detection: Detection, slots: Iterable[SlotRow], targets: Iterable[AlertTarget]
) -> list[SlotRow]:
    desk = {"desk_id": detection.desk_id, "prefecture_id": detection.prefecture_id}
    limits = [
        Limits(*(getattr(each, limit.name) for limit in fields(Limits)))
        for each in targets
        if each.covers_desk(**desk, procedures=detection.procedures)
    ]
    seen = read_moments(detection, slots)
    return [slot for slot, moment in seen if any(each.matches(moment) for each in limits)]


def read_slots(session: Session, ranges: Collection[str]) -> dict[str, list[SlotRow]]:
    """Return the slots of some multiranges, those that are gone too; what several share is read once."""
    ids = {each: list(chain.from_iterable(read_ranges(each))) for each in ranges}
    wanted = sa.literal(sorted({*chain.from_iterable(ids.values())}), ARRAY(sa.BigInteger()))
    by_id = {row.id: row for row in session.scalars(sa.select(SlotRow).where(SlotRow.id == sa.any_(wanted)))}
    return {each: [by_id[slot] for slot in mine if slot in by_id] for each, mine in ids.items()}


@cache
def list_answer_choices(language: str, chosen: str | None = None) -> Choices:
    """Return the four answers in their rows; `chosen`: the one that was given, which is marked."""

    def build(answer: str) -> ChoiceButton:
        label = write_words(SLOT_DETECTED, language, "answer", answer)
        mark = _CHOSEN if answer == chosen else ""
        return ChoiceButton(f"{mark}{label}", write_answer_button(answer, ANSWERED))

    return tuple(tuple(map(build, row)) for row in _ROWS)


def list_option_choices(language: str, answer: str, options: Sequence[tuple[UUID, str]]) -> Choices:
    """Return a button for each of several matches that an answer may be about, one for all, and the way back.

    `options` are a match and the name of what it stands for. An appointment is found for one alert, never for all.
    """
    all_of_them, back = (write_words(_ANSWER_KIND, language, each) for each in ("all", "back"))
    buttons = [
        ChoiceButton(
            f"{number}. {truncate_line(name, _LONGEST_OPTION)}", write_answer_button(answer, ANSWERED, key)
        )
        for number, (key, name) in enumerate(options[:_MOST_OPTIONS], 1)
    ]
    if answer != "found":
        buttons.append(ChoiceButton(all_of_them, write_answer_button(answer, ANSWERED, ALL)))
    buttons.append(ChoiceButton(back, write_answer_button(BACK, ANSWERED)))
    return tuple((each,) for each in buttons)


def sign_links(row: ClaimedRow, notification_ids: Sequence[UUID]) -> dict[str, str]:
    """Return by tag what the links and buttons of a slot alert name; nothing for other messages and for SMS."""
    if row.kind != SLOT_DETECTED or row.channel is Channel.SMS:
        return {}
    answers = write_answer_links(notification_ids) if row.channel is Channel.EMAIL else {}
    named = {ANSWERED: shorten_id(row.id)} if row.channel is Channel.TELEGRAM else {}
    return write_slots_link(notification_ids) | answers | named


def write_slots_link(notification_ids: Sequence[UUID]) -> dict[str, str]:
    """Return by tag the pages that show what of a message's slots is open, and take what its reader sees."""
    first = notification_ids[0]
    return {SLOTS_TAG: write_link(ShowSlots(first)), LOOK_TAG: write_link(ReportLook(first))}


def write_answer_links(notification_ids: Sequence[UUID]) -> dict[str, str]:
    """Return the addresses by tag, for notifications that leave as one message; the token names the first one."""
    page = write_link(AnswerAlert(notification_ids[0]))
    return {tag: f"{page}?value={value}" for value, tag in ANSWER_TAGS.items()}
