"""Types of settings that several areas share."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qs

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
)

_STORE = re.compile(r"file:///.|(?!file:|memory:)[a-z0-9+]+://[^/]|(?![a-z0-9+]*:)")

_LONGEST_SPAN = 3650 * 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_address(text: str) -> str:
    """Check an address and leave its last slash out, so that a path can be put behind it."""
    return str(TypeAdapter(AnyHttpUrl).validate_python(text)).rstrip("/")


class StorePlace(NamedTuple):
    """A folder or a bucket; of a bucket the server, where it is not Amazon's, and the region."""

    url: str
    endpoint: str | None = None
    region: str | None = None


def read_store(text: str) -> StorePlace:
    """Read a folder, or `s3://bucket/folder?endpoint=https://s3.example.org&region=fr-par`.

    Raises:
        ValueError: it is neither, or says more.
    """
    # s3:/x is a folder of that name to a library, and of s3:// the year of the first key becomes the bucket
    if not _STORE.match(text):
        raise ValueError("names no store: write a folder, or s3://bucket/folder")
    url, mark, query = text.partition("?")
    if not mark or "://" not in url or url.startswith("file:"):
        return StorePlace(text)
    said = parse_qs(query)
    endpoint, region = (said.pop(name, [None])[0] for name in ("endpoint", "region"))
    if said or not (endpoint or region):
        raise ValueError("says something else behind its ? than endpoint=https://… and region=…")
    try:
        return StorePlace(url, read_address(endpoint) if endpoint else None, region)
    except ValidationError:
        raise ValueError("names an endpoint that is no address, https://…") from None


def from_text(read: Callable[[str], object]) -> BeforeValidator:
    """Return the validator of a setting that is written as one text; it stands beside NoDecode."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def split_words(text: str) -> tuple[str, ...]:
    """Read words with commas between them; a repeated word counts once."""
    return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


def split_pairs(text: str) -> dict[str, str]:
    """Read `name=value` with commas between them; a value alone has an empty name."""
    pairs = (each.rpartition("=") for each in split_words(text))
    return {name.strip(): value.strip() for name, _, value in pairs}


def checked(check: Callable[[str], object]) -> AfterValidator:
    """Return the validator of a text or a secret that `check` refuses by a ValueError; it stays as it is written."""

    def run(value: str | SecretStr) -> str | SecretStr:
        check(value.get_secret_value() if isinstance(value, SecretStr) else value)
        return value

    return AfterValidator(run)


def like(pattern: str, otherwise: str) -> AfterValidator:
    """Return the validator of a text or a secret that has this form; `otherwise`: what to say of another."""

    def check(text: str) -> None:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(otherwise)

    return checked(check)


PORT = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3})"
# A key, or several with commas between them: plain ASCII, as keys travel in headers and addresses.
Key = Annotated[
    SecretStr, like("[ -~]+", "holds an invisible character, or a letter that no key has: copy it again")
]
WebAddress = Annotated[str, AfterValidator(read_address)]
StoreAddress = Annotated[str, checked(read_store)]


def _span(value: Any) -> Any:
    """Read `7d`, `12h`, `30m`, `45s` or a number of seconds."""
    if not isinstance(value, str):
        return value
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    seconds = int(number) * _UNITS[unit] if re.fullmatch("[0-9]{1,9}", number) else 0
    if not 0 < seconds <= _LONGEST_SPAN:
        raise ValueError("must be a positive number with d, h, m or s, e.g. 7d, of ten years at most")
    return timedelta(seconds=seconds)


Span = Annotated[timedelta, BeforeValidator(_span)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
