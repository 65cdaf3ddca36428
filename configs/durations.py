"""Periods that are settings, in seconds, and how they are written. All others are constants (configs/constants.py)."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

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


def _waits(value: Any) -> Any:
    """Read `15,120,600`: seconds, with commas between them."""
    return value.split(",") if isinstance(value, str) else value


Waits = Annotated[tuple[Seconds, ...], NoDecode, BeforeValidator(_waits), Field(min_length=1)]


class Periods(BaseSettings):
    """Periods, grouped by who waits."""

    # Crawl
    keeper_seconds: Seconds = 2
    keeper_lease_seconds: Seconds = 15
    keeper_patience_seconds: Seconds = 60
    keeper_patience_max_seconds: Seconds = 300
    keeper_kill_seconds: Seconds = 30
    deploy_settle_seconds: Seconds = 10
    files_seconds: Seconds = 5
    spider_age_seconds: Seconds = 6 * 3600
    spider_settled_seconds: Seconds = 120
    spider_pause_seconds: Seconds = 60

    # Proofs

    # Backups
    backup_wal_seconds: Seconds = 30
    backup_look_seconds: Seconds = 5
    backup_retry_seconds: Seconds = 600
    backup_call_seconds: Seconds = 60
    backup_late_seconds: Seconds = 900
    backup_wait_seconds: Seconds = 3600

    # All programs

    # Tell

    # Background jobs

    # Billing

    # Personal data

    # Serve
    jwt_expires_in: Span = timedelta(days=7)
    access_token_seconds: Seconds = 900
