"""Bodies of /api/alerts."""

import datetime as dt
from contextlib import suppress
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from api.ground.paging import PageQuery
from api.ground.schemas import INTEGRAL, Answer, Body, Flag
from api.models.alert import ClosedBecause
from api.models.notification import State
from api.models.user import Channel
from api.prefectures.schemas import DeskAnswer
from configs.ground.clock import clock
from configs.ground.text import Language, clean_typed
from configs.world.desk import Procedure, Text, WatchLevel

_MOST = 50  # entries of a list: more than any prefecture has
_FARTHEST = dt.timedelta(days=3 * 366)  # of an appointment, before or after now


def _require_format(example: str) -> BeforeValidator:
    """Return a validator that refuses what pydantic would guess: a number as a unix time, an hour with seconds."""

    def check(value: object) -> object:
        if isinstance(value, str) and len(typed := clean_typed(value)) == len(example):
            return typed
        raise ValueError(f"must be written as {example}")

    return BeforeValidator(check)


# The standard format `time` has seconds and a zone, which are refused here.
_HOUR = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["09:30"]}
Hour = Annotated[
    dt.time,
    _require_format("09:30"),
    PlainSerializer(lambda hour: f"{hour:%H:%M}", return_type=str),
    WithJsonSchema(_HOUR),
]
Day = Annotated[dt.date, _require_format("2026-03-31")]
Weekday = Annotated[int, Field(ge=1, le=7, strict=True), INTEGRAL]
Procedures = Annotated[
    list[Procedure],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    AfterValidator(lambda found: sorted(set(found))),
]
PrefectureId = Annotated[str, Field(max_length=100, examples=["bobigny_93"])]
DeskIds = list[Annotated[str, Field(max_length=200)]]
Name = Annotated[Text, Field(max_length=80, examples=["Maman"])]


def _read_instant(value: object) -> object:
    """Return an instant of a user's life.

    Raises:
        ValueError: it is a number, has no zone, or lies further away than an appointment can.
    """
    at = None
    with suppress(ValueError):
        at = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError("must be an instant with its zone: write it as 2026-03-31T08:30:00Z")
    if abs(at - clock()) > _FARTHEST:
        raise PydanticCustomError("too_far", "lies further away than an appointment can")
    return at


_INSTANT = BeforeValidator(_read_instant)


class Limits(Body):
    """What the alert does not want: a slot is left out only where it is known to lie outside.

    Days and hours are the desk's own; `hourTo` is the first hour that is too late; weekdays are 1 (Monday) to 7.
    """

    date_from: Day | None = None
    date_to: Day | None = None
    weekdays: Annotated[list[Weekday], AfterValidator(lambda found: sorted(set(found)))] = Field(
        default_factory=list, max_length=_MOST
    )
    hour_from: Hour | None = None
    hour_to: Hour | None = None
    sites: list[Text] = Field(default_factory=list, max_length=_MOST)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise PydanticCustomError("out_of_order", "dateFrom lies after dateTo")
        if self.hour_from and self.hour_to and self.hour_from >= self.hour_to:
            raise PydanticCustomError("out_of_order", "hourFrom must lie before hourTo")
        return self

    def leaves_days(self, today: dt.date) -> bool:
        """Return whether a day from `today` on passes the dates and the weekdays."""
        if not self.date_to:
            return True
        first = max(today, self.date_from or today)
        days = range(min((self.date_to - first).days + 1, 7))
        return any(
            not self.weekdays or (first + dt.timedelta(each)).isoweekday() in self.weekdays for each in days
        )


class Voice(Body):
    """Calls about slots of the alert, in addition to its messages, in the account's `callHours`.

    They need a plan that has them, and a confirmed phone number.
    """

    enabled: Flag = False


# The rule of NewAlert._for_something as a JSON schema: what it refuses. Of an `anyOf` with what it takes, generators of
# clients make a class of each part.
_FOR_SOMETHING: JsonDict = {
    "not": {
        "anyOf": [
            {
                "required": ["procedures"],
                "properties": {"procedures": {"minItems": 1}, "prefectureId": {"type": "null"}},
            },
            {"properties": {"procedures": {"maxItems": 0}, "deskIds": {"maxItems": 0}}},
        ]
    }
}


class _AlertBody(Body):
    """What a new alert and a change have alike."""

    prefecture_id: PrefectureId | None = None
    procedures: Procedures = Field(
        default_factory=list, max_length=_MOST, validation_alias=AliasChoices("procedures", "procedure")
    )
    desk_ids: DeskIds = Field(default_factory=list, max_length=_MOST)
    name: Name | None = None
    language: Language | None = None
    limits: Limits = Field(default_factory=Limits)
    voice: Voice = Field(default_factory=Voice)
    accept_waiting: Flag = False
    accept_health: Flag = False


class NewAlert(_AlertBody):
    """A wish: procedures of one prefecture (every desk that serves them), or desks of it by name, or both.

    `acceptWaiting`: where none of them can be watched, keep it and tell when one can, in place of refusing it. A desk
    of level `people` needs neither this nor a plan: the user is told what others report.
    `language`: of its messages; the account's without one.
    `voice`: of a wish that is ordered with a plan it is left out; calls are chosen afterwards.
    `acceptHealth`: the user's explicit consent to an alert for desks whose names reveal health.
    """

    model_config = ConfigDict(json_schema_extra=_FOR_SOMETHING)

    @model_validator(mode="after")
    def _for_something(self) -> Self:
        if not self.procedures and not self.desk_ids:
            raise ValueError("name at least one of procedures (with prefectureId) or deskIds")
        if self.procedures and self.prefecture_id is None:
            raise ValueError("procedures need a prefectureId")
        return self


def _leave_out() -> None:
    """Return null: a default that the schema does not show. A client that sent it would clear the field."""


class AlertChange(_AlertBody):
    """A change of an alert: a field that is left out stays as it is; `limits` and `voice` are replaced whole.

    What is watched then is checked like a new alert. `name` and `language` may be null: no name, and the language of
    the account. `acceptWaiting` and `acceptHealth` are as for a new alert.
    """

    prefecture_id: PrefectureId | None = Field(default_factory=_leave_out)
    name: Name | None = Field(default_factory=_leave_out)
    language: Language | None = Field(default_factory=_leave_out)


class FoundAppointment(Body):
    """The appointment that the user found: when and where, both optional. Kept until 90 days after its date.

    `mayAsk`: the user agrees to be asked a day later how it went. `remindBySms`: the last reminder comes by SMS, with
    a plan that has them.
    """

    at: Annotated[dt.datetime, _INSTANT, Field(examples=["2026-12-01T08:30:00Z"])] | None = None
    place: Annotated[Text, Field(max_length=200, examples=["Bobigny, guichet 4"])] | None = None
    may_ask: Flag = False
    remind_by_sms: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _may_be_empty(cls, data: object) -> object:
        return {} if data is None else data  # a request without a body


class AlertQuery(PageQuery):
    """Which page of the alerts."""

    limit: int = Field(100, ge=1, le=100)


ReminderChannel = Literal[Channel.EMAIL, Channel.TELEGRAM, Channel.SMS]


class Reminders(Body):
    """How many minutes before the appointment each reminder comes; null: none.

    `firstBy`, `lastBy`: its channel, SMS with a plan that has them; null: the first by mail, the last by Telegram or
    mail. What does not reach its user there comes by mail.
    """

    first: Literal[720, 1440, 2880, 10080] | None
    last: Literal[30, 60, 120, 180] | None
    first_by: ReminderChannel | None = None
    last_by: ReminderChannel | None = None


class AppointmentAnswer(Answer):
    """The appointment that the user found, as far as they said, and when its reminders come (null: none)."""

    at: dt.datetime | None
    place: str | None
    first_reminder_at: dt.datetime | None
    last_reminder_at: dt.datetime | None


class AlertAnswer(Answer):
    """An alert and how well it is served. Intervals in seconds: the shortest of its desks.

    `awaitsWatch`: none of its desks can be watched yet; it is kept, and its user told when one can. `isFree`: none can,
    but its user is told what people report, without a plan. `limitsVersion`
    grows with each change of what is watched. A closed alert says when and why, and the appointment that was found.
    """

    id: UUID
    name: str | None
    prefecture_id: str
    procedures: list[Procedure]
    desk_ids: list[str]
    limits: Limits
    voice: Voice
    is_active: bool
    awaits_watch: bool
    is_free: bool
    limits_version: int
    language: Language | None
    created_at: dt.datetime
    updated_at: dt.datetime
    closed_at: dt.datetime | None
    closed_because: ClosedBecause | None
    appointment: AppointmentAnswer | None
    slots_found: int
    notifications_sent: int
    last_checked_at: dt.datetime | None
    last_proven_at: dt.datetime | None
    watch_level: WatchLevel
    wished_interval: float | None
    feasible_interval: float | None
    achieved_interval: float | None
    desks: list[DeskAnswer]


class AlertPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[AlertAnswer]
    next: UUID | None


class SentMessage(Answer):
    """A message about slots of an alert."""

    detection_id: UUID
    channel: Channel
    state: State


class SentTest(Answer):
    """The channels on which a test message leaves now."""

    channels: list[Channel]
