"""Periods that are settings, in seconds, and how they are written. All others are constants (constants.py)."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

LONGEST_SPAN = 3650 * 86400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _span(value: Any) -> Any:
    """Read `7d`, `12h`, `30m`, `45s` or a number of seconds."""
    if not isinstance(value, str):
        return value
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    seconds = int(number) * _UNITS[unit] if re.fullmatch("[0-9]{1,9}", number) else 0
    if not 0 < seconds <= LONGEST_SPAN:
        raise ValueError("must be a positive number with d, h, m or s, e.g. 7d, of ten years at most")
    return timedelta(seconds=seconds)


Span = Annotated[timedelta, BeforeValidator(_span)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Periods(BaseSettings):
    """Periods that an operator may set."""

    backup_wal_seconds: Seconds = 30
    backup_call_seconds: Seconds = 60
    jwt_expires_in: Span = timedelta(days=7)
    access_token_seconds: Seconds = 900
