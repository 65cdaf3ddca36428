"""The base of every typed thing read from outside: unknown keys, NUL bytes and mutation are refused."""

import datetime as dt
import re
from contextlib import suppress
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

_ISO = re.compile(r"\d{4}-\d\d-\d\d")


def _iso_date(value: object) -> object:
    if isinstance(value, dt.date):
        return value
    # pydantic would take 20251003 for a unix time
    if isinstance(value, str) and _ISO.fullmatch(value.strip()):
        with suppress(ValueError):  # the 30th of February
            return dt.date.fromisoformat(value.strip())
    raise ValueError("must be a date: write it as 2026-03-31")


IsoDate = Annotated[dt.date, BeforeValidator(_iso_date)]


class Strict(BaseModel):
    """A frozen pydantic model that forbids what it does not know.

    PostgreSQL cannot store a NUL in a text, and psycopg2 loses the whole batch over one: it is refused here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _no_nul(cls, data: Any) -> Any:
        waiting = [data]  # a list and no recursion: what comes from outside may be nested as deep as it likes
        while waiting:
            value = waiting.pop()
            if isinstance(value, str) and "\0" in value:
                raise ValueError("holds a NUL byte, which no text may hold")
            if isinstance(value, dict):
                waiting += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                waiting += value
        return data
