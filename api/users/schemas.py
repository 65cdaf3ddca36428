"""Bodies of /api/users."""

from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import Field

from api.accounts.schemas import PHONE_NOTICE, Email, Phone
from api.ground.schemas import Answer, Body, clean_text, name_rule
from api.models.user import OutageCredit
from configs.ground.text import Language, join_code

_OF_MACHINES = {"Factory", "localtime"}  # another machine reads something else, or nothing, by these names


@lru_cache(maxsize=1)
def list_time_zones() -> frozenset[str]:
    """Return the names of the time zones that an account may have."""
    return frozenset(available_timezones()) - _OF_MACHINES


def _time_zone(name: str) -> str:
    if name not in list_time_zones():
        raise ValueError("not a time zone: write it as Europe/Paris or Indian/Reunion")
    return name


TimeZone = Annotated[
    str,
    Field(
        pattern=r"^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$", max_length=64, examples=["Europe/Paris"]
    ),
    name_rule("time_zone", _time_zone),
]
SMS_NOTICE = (
    "A mobile number, of France (overseas included) unless more countries are allowed. It is confirmed by a code, "
    f"which is sent by SMS. {PHONE_NOTICE} `null` removes the number."
)


class ProfileChange(Body):
    """What is to change; what is left out stays. A new e-mail address or phone number takes effect when confirmed."""

    email: Email | None = Field(
        None, description="A mail with a link goes to it; the old address is notified."
    )
    phone: Phone | None = Field(None, description=SMS_NOTICE)
    telegram: None = Field(
        None, description="`null` unlinks the chat. Link one by POST /api/users/telegram-link."
    )
    language: Language | None = Field(
        None,
        description="Of messages, and of pages that speak it. Messages are in French where there are none in it.",
    )
    time_zone: TimeZone | None = None
    outage_credit: OutageCredit | None = Field(
        None, description="For paid time without watching: `credit` (time, or a lower invoice) or `refund`."
    )


class CodeOfPhone(Body):
    """The code of six digits that a message had."""

    code: Annotated[str, clean_text(join_code)] = Field(
        pattern=r"^[0-9]{6}$", examples=["042917"], json_schema_extra={"pattern": r"^\s*([0-9][\s.-]*){6}$"}
    )


class TelegramUrl(Answer):
    """Where to press Start, within the time."""

    url: str = Field(examples=["https://t.me/rdvpriority_bot?start=vK3J9Qm2cX7dR5tYb1LwZg"])
    expires_at: datetime


class LinkState(StrEnum):
    """How far linking a chat is."""

    NONE = "none"
    WAITING = "waiting"
    STARTED = "started"


class TelegramLinkState(Answer):
    """Whether a chat pressed Start, and whose it says it is: confirm it only if it is yours."""

    state: LinkState
    chat_name: str | None
    expires_at: datetime | None
