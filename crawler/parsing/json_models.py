"""JSON answers: a body of one shape, typed, or None, so that a reader stays silent on what it does not know.

A platform describes the fields that it reads as a class of `Answer`. Moments are read here and nowhere else: pydantic
alone would take a number for a unix time, and a date for its midnight.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
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

from crawler.parsing.date_windows import YEARS
from crawler.reading import Page

T = TypeVar("T")

ACCEPT = {"Accept": "application/json, text/plain, */*"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_WALL = re.compile(_DAY.pattern + r"[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?")
_INSTANT = re.compile(_WALL.pattern + r"(?:Z|[+-]\d\d:?\d\d)")
_LONGEST = 40  # characters of a moment
_OFFSET_0 = re.compile(r"(?:Z|[+-]00:?00)$")
_DIGITS = re.compile(r"[0-9]{1,18}")
_UNNAMED = "\0"  # no site's name for a field
_TRACE = re.compile(rb'\d{4}-\d\d-\d\d[T ]\d\d|"\d\d:\d\d(?::\d\d)?"|"\w*next\w*": *"\d{4}-\d\d-\d\d"')
# When the answer itself was made.
_STAMP = re.compile(rb'"(?i:timestamp|now|(?:server|generated|created|updated|requested)_?\w*)": *"[^"]*"')
_FAILED = re.compile(
    rb'"(?i:errors?|exception|error_?(?:code|message))": *+(?!null|false|""|\[ *\]|\{ *\}|0 *[,}])'
    rb'|"(?i:success|ok)": *false|"(?i:status)": *"(?i:error|ko|fail\w*)"'
)


_MESSAGES = ("message", "msg", "text", "detail", "warning", "notice")  # fields with words for people
_MESSAGE = re.compile(rb'"(?:message|msg|text|detail|warning|notice)"')
_LONGEST_MESSAGE = 3000
_FINE = re.compile(r"(?i)ok|okay|success\w*|succ[eè]s|done|200")


class JsonModel(BaseModel):
    """A JSON object. Fields that are not named may stand in it; those that are must be of their type."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Tolerant(JsonModel):
    """An answer that stands although a field with a default cannot be read: it is left out, and the answer is `odd`.

    What stands beside it is seen, but proves no absence. A field without a default is needed as ever, and where there
    is none such, one of the others.
    """

    odd: bool = Field(default=False, validation_alias=_UNNAMED)

    def lacks(self, *names: str) -> bool:
        """Tell whether a field could not be read, or one of these did not come: then no absence is proven."""
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
            raise ValueError("none of its fields stands in it")
        return answer


def parse_json(page: Page, shape: type[T], *, errors: bool = False) -> T | None:
    """Return the page's whole body as this shape; None where it is anything else.

    `shape` is a class of `Answer`, or a list or dict of such. An answer with an error's status has no shape, unless
    `errors` says that it may.
    """
    if page.is_error and not errors:
        return None
    try:
        read: T = _adapter(cast("Any", shape)).validate_json(page.body.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError:
        return None
    return read


def origin(url: str) -> str:
    """Return where an address's host begins: its scheme and host, without a slash."""
    return "/".join(url.split("/", 3)[:3])


def as_from(url: str) -> dict[str, str]:
    """Return the headers with which a page at this address asks for JSON."""
    return ACCEPT | {"Origin": origin(url), "Referer": url}


def moments_in(page: Page) -> int:
    """Count the moments that stand anywhere in the body: a date with an hour, an hour alone, a date that is the next.

    When the answer was made does not count.
    """
    return len(_TRACE.findall(_STAMP.sub(b"", page.body)))


def days_in(page: Page) -> bool:
    """Tell whether a date stands anywhere in the body, with an hour or without."""
    return _DAY.search(page.text) is not None


def reports_failure(page: Page) -> bool:
    """Tell whether an answer in JSON says of itself that something went wrong, whatever else it says."""
    return (
        page.body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") and _FAILED.search(page.body) is not None
    )


def message_of(page: Page) -> str:
    """Return the message that a JSON object has for people, 3,000 characters at most; empty where it has none.

    A message such as `ok` says nothing.
    """
    if not _MESSAGE.search(page.body):
        return ""
    try:
        answer = json.loads(page.body)
    except (ValueError, RecursionError):
        return ""
    told = [answer.get(key) for key in _MESSAGES] if isinstance(answer, dict) else []
    words = [each.strip() for each in told if isinstance(each, str)]
    return next((each[:_LONGEST_MESSAGE] for each in words if each and not _FINE.fullmatch(each)), "")


def moments_of(answer: BaseModel) -> int:
    """Count the moments that stand anywhere in a part of an answer, of a class that keeps what it does not name."""
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
    """Return a wall clock, naive; see `instant_of` in crawler/parsing/date_windows.py.

    Raises:
        ValueError: it is none, or has an offset.
    """
    return _parse_moment(value, _WALL)


def _false_utc(value: Any) -> datetime:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("is no text of a moment")
    return _wall_before_utc(value)


@lru_cache(maxsize=20_000)  # the same hours stand at many places, and most of them again at the next check
def _wall_before_utc(text: str) -> datetime:
    return parse_local_datetime(_OFFSET_0.sub("", text))


def _day(value: Any) -> date:
    return _parse_moment(value, _DAY).date()


def day_in(text: str) -> date | None:
    """Return the date that a text is; None where it is none."""
    try:
        return _day(text)
    except ValueError:
        return None


def moment_of(value: Any) -> date:
    """Return an instant in UTC, or a date where no hour is written.

    Raises:
        ValueError: it is neither.
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


# Where a person books: a web address without a user in it, nor white space or control characters.
Link = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\p{C}/?#@]+([/?#][^\s\p{C}]*)?$")]
Id = Annotated[int, Field(strict=True, gt=0)]  # as a desk's YAML names what a platform numbers
Key = Annotated[str, StringConstraints(pattern=r"^[\w-]+$", max_length=80)]  # and what it names by letters
# A JSON object of a page's own request, copied into a desk's YAML as it is: what it holds is the site's affair.
Captured = Annotated[dict[str, Any], AfterValidator(_with_id)]
Number = Annotated[int, PlainValidator(_number)]  # written as a number or as a text
Instant = Annotated[datetime, PlainValidator(_instant)]  # written with its offset; kept in UTC
Wall = Annotated[datetime, PlainValidator(parse_local_datetime)]  # a local clock without offset: naive
FalseUtc = Annotated[
    datetime, PlainValidator(_false_utc)
]  # a local clock whose `Z` or `+00:00` is no offset: naive
Day = Annotated[date, PlainValidator(_day)]
Moment = Annotated[date, PlainValidator(moment_of)]  # an instant, or a date where no hour is written
OrNone = Annotated[T | None, WrapValidator(_or_none)]  # None where it cannot be read: the others stand


Entries = list[OrNone[T]]


def slot_start_field(*names: str, read: Callable[[Any], date] = moment_of) -> PlainValidator:
    """Read an entry by when it begins: what stands under the first of these names that says something.

    An entry that is no object may be the moment itself. Whatever else stands in it is no slot: when it ends, or when
    a second visit would be. `read`: how the platform writes its moments.
    """

    def begins(entry: Any) -> date:
        named = [entry.get(name) for name in names] if isinstance(entry, dict) else [entry]
        return read(next(filter(None, named), None))

    return PlainValidator(begins)


def flat(lists: Iterable[Sequence[T | None] | None]) -> list[T | None]:
    """Return the entries of several lists as one: None also for a list that cannot be read."""
    return [entry for entries in lists for entry in ([None] if entries is None else entries)]
