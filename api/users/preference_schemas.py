"""Bodies of /api/users/notifications: channels, groups of messages, quiet hours, and the rhythm of slot alerts."""

from datetime import time
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from api.alerts.schemas import Hour
from api.ground.schemas import Answer, Body, Flag
from api.models.user import CALLS_FROM, CALLS_UNTIL, DIGEST_AT, SlotRhythm


def refuse_same_hours(begins: time | None, until: time) -> time:
    """Return the end of hours.

    Raises:
        pydantic_core.PydanticCustomError: they begin then, too.
    """
    if begins == until:
        raise PydanticCustomError(
            "same_hours", "`from` and `until` are the same: name two hours, or null for no quiet hours"
        )
    return until


class NewsChange(Body):
    """News, which are marketing: switching them on is a consent. A form shows its text before."""

    email: Flag | None = None


class SummaryChange(Body):
    """The weekly summary, on Mondays at 8:00 in the time zone of the account: only for who asks for it."""

    email: Flag | None = None


class DeskChange(Body):
    """On which channels messages go that say whether a desk is watched."""

    email: Flag | None = None
    telegram: Flag | None = None


class GroupChange(Body):
    """On which channels a group of messages goes; what is left out stays. The channel must be linked."""

    email: Flag | None = None
    sms: Flag | None = None
    telegram: Flag | None = None


class SlotsChange(GroupChange):
    """On which channels slot alerts go; by push to all devices or to none."""

    push: Flag | None = None


class GroupChanges(Body):
    """The groups to change; what is left out stays. Account, payment and law mail cannot be switched off."""

    slots: SlotsChange | None = Field(None, description="Slot alerts, on the channels of the plan.")
    desk: DeskChange | None = None
    reminders: GroupChange | None = None
    summary: SummaryChange | None = None
    news: NewsChange | None = None


class CallHours(Body):
    """From when until when, in the time zone of the account, calls may be made; over midnight where `from` is later."""

    begins: Annotated[Hour, Field(alias="from", examples=[f"{CALLS_FROM:%H:%M}"])]
    until: Annotated[Hour, Field(examples=[f"{CALLS_UNTIL:%H:%M}"])]

    @field_validator("until")
    @classmethod
    def _differ(cls, until: time, known: ValidationInfo) -> time:
        return refuse_same_hours(known.data.get("begins"), until)


class QuietHours(CallHours):
    """From when until when, in the time zone of the account, nothing arrives that can wait."""

    slots: Flag = Field(
        default=False, description="Slot alerts wait, too: only what is open still is sent afterwards."
    )


class NotificationFlags(Body):
    """Which channels are switched on; what is left out stays. SMS, Telegram and push must be linked first."""

    notify_email: Flag | None = None
    notify_sms: Flag | None = None
    notify_telegram: Flag | None = None
    notify_push: Flag | None = None


class NotificationChanges(NotificationFlags):
    """Which channels and groups are switched on, and when messages leave; what is left out stays."""

    groups: GroupChanges | None = None
    quiet_hours: QuietHours | None = Field(None, description="`null` ends them.")
    slot_rhythm: SlotRhythm | None = Field(
        None, description="When slot alerts leave: at once, or in one message an hour or a day."
    )
    digest_at: Hour | None = Field(
        None, description="Of the rhythm `daily`: the local time of the message.", examples=["07:00"]
    )
    call_hours: CallHours | None = None
    told_in_doubt: Flag | None = Field(
        None, description="Be told at once what one person reports, before another one confirms it."
    )
    may_be_asked: Flag | None = Field(
        None, description="Be asked, three times a day at most, to look at a page where one person saw slots."
    )


class GroupState(Answer):
    """On which channels a group goes; null where one is not linked or never used, for news also where it is off."""

    email: bool | None
    sms: bool | None
    telegram: bool | None
    push: bool | None


class GroupStates(Answer):
    """All groups. `account` and `payment` cannot be switched off, `news` needs consent, `summary` is off at first."""

    slots: GroupState
    desk: GroupState
    reminders: GroupState
    summary: GroupState
    news: GroupState
    account: GroupState
    payment: GroupState


class CallHoursState(Answer):
    """The hours of calls as they are kept."""

    begins: str = Field(alias="from", examples=[f"{CALLS_FROM:%H:%M}"])
    until: str = Field(examples=[f"{CALLS_UNTIL:%H:%M}"])


class QuietHoursState(CallHoursState):
    """Quiet hours as they are kept."""

    slots: bool


class NotificationState(Answer):
    """What is switched on, and when messages leave, in the time zone of the account."""

    notify_email: bool
    notify_sms: bool
    notify_telegram: bool
    notify_push: bool
    groups: GroupStates
    quiet_hours: QuietHoursState | None
    slot_rhythm: SlotRhythm
    digest_at: str = Field(examples=[f"{DIGEST_AT:%H:%M}"])
    call_hours: CallHoursState
    time_zone: str
    told_in_doubt: bool
    may_be_asked: bool
