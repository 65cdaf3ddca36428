"""The base of every typed thing read from outside: unknown keys, NUL bytes and mutation are refused."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


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
