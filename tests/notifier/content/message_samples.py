"""Values of the texts of every kind: usual ones, the longest and the shortest; dates as each language writes them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, format_timedelta

from configs.ground.message_groups import STOPPABLE
from configs.world.prefecture import prefectures
from notifier.content.desk_location import DeskInfo, name_city
from notifier.content.message_kind_base import TemplateContext
from notifier.content.messages import choose_language
from notifier.content.slot_alert_content import list_answer_choices, shorten_day
from notifier.message_kinds import kinds
from tests.notifier.content.test_messages import FACTS
from tests.notifier.world import URL


class SampleSize(StrEnum):
    """How long the values are."""

    USUAL = "usual"
    LONGEST = "longest"
    SHORTEST = "shortest"


HOSTILE = "<i7>&\"'\u202e🎉 "  # markup, quotes, an override of direction, a character beyond UCS-2
_AT = datetime(2026, 12, 1, 20, 59, 58, tzinfo=ZoneInfo("Europe/Paris"))
_DATES: Mapping[str, Callable[[str], str]] = {
    "city": lambda language: name_city(ZoneInfo("Europe/Paris"), language),
    "seen_day": lambda language: format_date(_AT, "long", locale=language),
    "since_day": lambda language: format_date(_AT, "long", locale=language),
    "first_day": lambda language: format_date(_AT, "full", locale=language),
    "first_day_short": lambda language: shorten_day(_AT, language),
    "seen_hour": lambda language: format_time(_AT, "medium", locale=language),
    "first_hour": lambda language: format_time(_AT, "short", locale=language),
    "since_hour": lambda language: format_time(_AT, "short", locale=language),
    "day": lambda language: format_date(_AT, "full", locale=language),
    "begins": lambda language: format_time(_AT, "short", locale=language),
    "ends": lambda language: format_time(_AT, "short", locale=language),
    "from_day": lambda language: format_date(_AT - timedelta(days=7), "long", locale=language),
    "to_day": lambda language: format_date(_AT, "long", locale=language),
    "proven_day": lambda language: format_date(_AT, "long", locale=language),
    "proven_hour": lambda language: format_time(_AT, "short", locale=language),
    "every": lambda language: format_timedelta(timedelta(seconds=45), threshold=2, locale=language),
}
_LONGEST = {"label": 300, "site": 120, "name": 80, "chat_name": 120, "sender": 250, "message": 10_000}
_NUMBERS = {
    "count": (1, 1_000),
    "days": (1, 30),
    "minutes": (1, 60),
    "number": (1, 99_999),
    "found": (0, 999),
}
_ANSWERED = {"slot_answered", "slot_detected", "slot_gone"}
_UNKNOWN = {
    "site",
    "first_day",
    "first_hour",
    "first_day_short",
    "since_hour",
}  # of an opening, at its shortest


def list_samples(kind: str, language: str, size: SampleSize) -> TemplateContext:
    """Return what a message of a kind is filled with, in a language."""
    written = choose_language(kind, language)
    values = {key: _resize(key, value, written, size) for key, value in FACTS[kind].items()}
    if kinds()[kind].group in STOPPABLE:
        values["stop_url"] = f"{URL}/stop"
    if "sms_stop_page" in values and size is SampleSize.SHORTEST:
        values["sms_stop_page"] = None
    if "stops" in values and size is SampleSize.LONGEST:
        values["stops"] = [(_lengthen("name"), f"{URL}{number}") for number in range(12)]
    choices = list_answer_choices(written) if kind in _ANSWERED else ()
    return TemplateContext(values, values.get("url") or URL, choices=choices)


def _resize(key: str, value: Any, language: str, size: SampleSize) -> Any:
    if isinstance(value, DeskInfo):
        where = _lengthen_place() if size is SampleSize.LONGEST else value.where
        return DeskInfo(where, _resize_plain("label", value.label, size), value.url)
    if isinstance(value, Mapping):
        return {name: _resize_opening(name, each, language, size) for name, each in value.items()}
    if isinstance(value, list):
        resized = [_resize(key, each, language, size) for each in value]
        return resized * 3 if size is SampleSize.LONGEST else resized[:1]
    if key in _DATES and value is not None:
        return _DATES[key](language)
    return _resize_plain(key, value, size)


def _resize_opening(key: str, value: Any, language: str, size: SampleSize) -> Any:
    if key in _UNKNOWN and size is SampleSize.SHORTEST:
        return None
    if key in _DATES and size is SampleSize.LONGEST:
        return _DATES[key](language)
    return _resize(key, value, language, size)


def _resize_plain(key: str, value: Any, size: SampleSize) -> Any:
    if key in _NUMBERS and isinstance(value, int) and size is not SampleSize.USUAL:
        return _NUMBERS[key][size is SampleSize.LONGEST]
    if size is SampleSize.LONGEST and key == "prefecture":
        return max((each.name for each in prefectures().values()), key=len)
    if size is SampleSize.LONGEST and key in _LONGEST:
        return _lengthen(key)
    return value


def _lengthen(key: str) -> str:
    return HOSTILE.ljust(_LONGEST[key], "W")


@lru_cache(maxsize=1)
def _lengthen_place() -> str:
    place = max(prefectures().values(), key=lambda each: len(each.name))
    return f"{place.name} ({place.department})"
