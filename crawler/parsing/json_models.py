"""Models of JSON answers: a body parses into one typed shape, or into None, so that unknown answers prove nothing.

A platform describes the fields that it reads as a class of `JsonModel`. All moments in JSON are parsed here: pydantic
alone would read a number as a unix time, and a date as its midnight.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any, Self, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from crawler.parsing.dates import YEARS
from crawler.reading import Outcome, Page, PageRequest, Reading

T = TypeVar("T")

ACCEPT = {"Accept": "application/json, text/plain, */*"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_WALL = re.compile(_DAY.pattern + r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?")
_INSTANT = re.compile(_WALL.pattern + r"(?:Z|[+-]\d\d:?\d\d)")
_OFFSET_0 = re.compile(r"(?:Z|[+-]00:?00)$")
_DIGITS = re.compile(r"[0-9]{1,18}")
_UNNAMED = "\0"  # a name that no site gives a field
_AHEAD = rb"(?i:\w*(?:next|earliest)\w*|first_?(?:available|free|slot)\w*|prochaine?_?(?:dispo|creneau)\w*)"
_TRACE = re.compile(
    rb'\d{4}-\d\d-\d\d[T ]\d\d|"\d\d:\d\d(?::\d\d)?"'
    rb'|"' + _AHEAD + rb'": *(?:\[ *)?(?:\{[^{}\[\]]*?)?"(?:\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4})"'
)
# The time when the answer was made.
_STAMP = re.compile(rb'"(?i:timestamp|now|(?:server|generated|created|updated|requested)_?\w*)": *"[^"]*"')
_FAILED = re.compile(
    rb'"(?i:errors?|erreurs?|exception|error_?(?:code|message))": *+(?!null|false|""|\[ *\]|\{ *\}|0 *[,}])'
    rb'|"(?i:success|ok)": *false|"(?i:status(?:_?code)?)": *(?:"(?i:error|ko|fail\w*)"|[45]\d\d\b)'
)

_MESSAGES = ("message", "msg", "text", "detail", "warning", "notice")  # fields with words for people
_MESSAGE = re.compile(rb'"(?:message|msg|text|detail|warning|notice)"')
_LONGEST_MESSAGE = 3000
_FINE = re.compile(r"(?i)ok|okay|success\w*|succ[eè]s|done|200")


class JsonModel(BaseModel):
    """A JSON object. Unknown fields are ignored; known fields must have their type."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Tolerant(JsonModel):
    """An answer in which fields with a default may be unreadable: they are left out, and the answer is `odd`.

    The other fields count, but an odd answer proves no absence. Fields without a default are required; without any,
    at least one field is.
    """

    odd: bool = Field(default=False, validation_alias=_UNNAMED)

    def lacks(self, *names: str) -> bool:
        """Tell whether a field is unreadable, or one of these is missing: then it proves no absence."""
        return self.odd or not self.model_fields_set.issuperset(names)

    @model_validator(mode="wrap")
    @classmethod
    def _leave_out(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            answer = read(value)
        except ValidationError as error:
            if not isinstance(value, dict):
                raise
            unread = {each["loc"][0] for each in error.errors()}
            left = read({name: each for name, each in value.items() if name not in unread})
            answer = left.model_copy(update={"odd": True})
        if answer.model_fields_set <= {"odd"}:
            raise ValueError("it has none of the fields")
        return answer


def parse_json(page: Page, shape: type[T], *, errors: bool = False) -> T | None:
    """Return the page's whole body as this shape; None for any other body.

    `shape` is a class of `JsonModel`, or a list or dict of one. A page with an error status gives None, unless
    `errors` is set.
    """
    if page.is_error and not errors:
        return None
    try:
        read: T = _adapter(cast("Any", shape)).validate_json(page.body.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError:
        return None
    return read


def origin(url: str) -> str:
    """Return the scheme and host of an address, without a slash at the end."""
    return "/".join(url.split("/", 3)[:3])


def as_from(url: str) -> dict[str, str]:
    """Return the headers of a JSON request by a page's own script."""
    return ACCEPT | {"Origin": origin(url), "Referer": url}


def count_moments_in(page: Page) -> int:
    """Count the moments anywhere in the body: dates with an hour, hours alone, dates under a key with `next`.

    The time when the answer was made does not count.
    """
    return len(_TRACE.findall(_STAMP.sub(b"", page.body)))


def contains_day(page: Page) -> bool:
    """Tell whether the body contains a date, with an hour or without."""
    return _DAY.search(page.text) is not None


def reports_failure(page: Page) -> bool:
    """Tell whether a JSON answer reports a failure, whatever else it contains."""
    return (
        page.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and _FAILED.search(page.body) is not None
    )


def message_of(page: Page) -> str:
    """Return a JSON object's message for people, at most 3,000 characters; empty without one, or if it is like `ok`."""
    if not _MESSAGE.search(page.body):
        return ""
    try:
        answer = json.loads(page.body)
    except (ValueError, RecursionError):
        return ""
    told = [answer.get(key) for key in _MESSAGES] if isinstance(answer, dict) else []
    words = [each.strip() for each in told if isinstance(each, str)]
    return next((each[:_LONGEST_MESSAGE] for each in words if each and not _FINE.fullmatch(each)), "")


def count_moments_of(answer: BaseModel) -> int:
    """Count the moments anywhere in a part of an answer, whose class keeps unknown fields."""
    return len(_TRACE.findall(answer.model_dump_json(warnings=False).encode()))


@lru_cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _parse_moment(value: Any, form: re.Pattern[str]) -> datetime:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError("is no moment of the form that this platform writes")
    moment = datetime.fromisoformat(value)
    if moment.year not in YEARS:
        raise ValueError("lies too far away to be an appointment")
    return moment


def _instant(value: Any) -> datetime:
    return _parse_moment(value, _INSTANT).astimezone(UTC)


def parse_local_datetime(value: Any) -> datetime:
    """Return a naive wall clock; see `instant_of` in crawler/parsing/dates.py.

    Raises:
        ValueError: the value is no wall clock, or has an offset.
    """
    return _parse_moment(value, _WALL)


def _false_utc(value: Any) -> datetime:
    return parse_local_datetime(_OFFSET_0.sub("", value) if isinstance(value, str) else value)


def _day(value: Any) -> date:
    return _parse_moment(value, _DAY).date()


def day_in(text: str) -> date | None:
    """Return the date of a text; None for any other text."""
    try:
        return _day(text)
    except ValueError:
        return None


def moment_of(value: Any) -> date:
    """Return an instant in UTC, or a date without an hour.

    Raises:
        ValueError: the value is neither.
    """
    return _day(value) if isinstance(value, str) and _DAY.fullmatch(value) else _instant(value)


def _number(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    raise ValueError("is no number")


def _or_none(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def _with_id(captured: dict[str, Any]) -> dict[str, Any]:
    if not captured.get("id"):
        raise ValueError("has no `id`: copy the whole object from the page's own request")
    return captured


# A booking address: a web address without user name, white space and control characters.
Link = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\p{C}/?#@]+([/?#][^\s\p{C}]*)?$")]
Id = Annotated[int, Field(strict=True, gt=0)]  # a platform's number, in a desk's YAML
Key = Annotated[str, StringConstraints(pattern=r"^[\w-]+$", max_length=80)]  # a platform's id with letters
# A JSON object of a page's own request, copied into a desk's YAML unchanged.
Captured = Annotated[dict[str, Any], AfterValidator(_with_id)]
Number = Annotated[int, PlainValidator(_number)]  # a number or a text
Instant = Annotated[datetime, PlainValidator(_instant)]  # with an offset; kept in UTC
Wall = Annotated[datetime, PlainValidator(parse_local_datetime)]  # a local clock without offset: naive
# A local clock whose `Z` or `+00:00` is no offset: naive.
FalseUtc = Annotated[datetime, PlainValidator(_false_utc)]
Day = Annotated[date, PlainValidator(_day)]
Moment = Annotated[date, PlainValidator(moment_of)]  # an instant, or a date without an hour
OrNone = Annotated[T | None, WrapValidator(_or_none)]  # None if unreadable: the other entries count

Entries = list[OrNone[T]]


def slot_start_field(*names: str) -> PlainValidator:
    """Parse an entry of a list of slots as its start: the value of the first of these fields that is not empty.

    An entry that is no object may be the moment itself. Its other moments are no slots: its end, or a second visit.
    """

    def begins(entry: Any) -> date:
        named = [entry.get(name) for name in names] if isinstance(entry, dict) else [entry]
        return moment_of(next(filter(None, named), None))

    return PlainValidator(begins)


def flat(lists: Iterable[Sequence[T | None] | None]) -> list[T | None]:
    """Return the entries of several lists as one list; an unreadable list is one entry None."""
    return [entry for entries in lists for entry in ([None] if entries is None else entries)]


_PARTLY = "after an answer that was not whole"


def combine_answers(page: Page, reading: Reading, following: PageRequest | None) -> Reading:
    """Return the reading of one answer of a series that covers a desk only together; `reading`: what it proves alone.

    `following` is the next request, None for the last answer. Slots count at once. An absence counts with the last
    answer, if all answers before it were complete.
    """
    whole = bool(reading.covered) and page.ask.step != _PARTLY
    if following:
        said = None if reading.outcome is Outcome.NO_SLOTS else reading.outcome
        ask = following if whole else replace(following, step=_PARTLY)
        return replace(reading, outcome=said, covered=(), asks=(ask,))
    if reading.covered and not whole:
        outcome = reading.outcome if reading.slots else Outcome.UNREADABLE
        return replace(reading, outcome=outcome, covered=(), reason=f"{reading.reason}, {_PARTLY}")
    return reading
